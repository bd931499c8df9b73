"""What a region's YAML may say: every key, its rule and its default.

The classes are plain data: reading the file, finding the nearest known key and resolving paths is `region_file`'s work.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from flows.area import AreaConfig  # noqa: TC001 pydantic reads the annotation at run time
from flows.budget import BudgetConfig  # noqa: TC001 likewise

Product = Literal["land-cover", "change"]
PRODUCTS: tuple[Product, ...] = ("land-cover", "change")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TimeConfig(_Frozen):
    """A half-open range of acquisition times in UTC."""

    start: datetime = Field(description="First instant wanted; a date means its midnight, no zone means UTC.")
    end: datetime = Field(description="First instant no longer wanted (excluded).")

    @field_validator("start", "end", mode="before")
    @classmethod
    def _date_is_midnight(cls, value: object) -> object:
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime.combine(value, time.min, UTC)
        if isinstance(value, (bool, int, float)):
            raise ValueError(f"must be a date such as 2021-06-01, got {value!r}; write year-month-day")  # noqa: TRY004 pydantic reports ValueError
        return value

    @field_validator("start", "end")
    @classmethod
    def _in_utc(cls, value: datetime) -> datetime:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    @model_validator(mode="after")
    def _start_before_end(self) -> TimeConfig:
        if self.start >= self.end:
            raise ValueError(
                f"start must lie before end (end is excluded), got start {self.start:%Y-%m-%d %H:%M} and "
                f"end {self.end:%Y-%m-%d %H:%M}; swap or widen them"
            )
        return self


class SourceConfig(_Frozen):
    """One catalogue and the collections wanted from it."""

    catalog: str = Field(
        min_length=1, description="Path of a static catalog.json, a provider's name, or the https root of a STAC API."
    )
    collections: tuple[str, ...] = Field(min_length=1, description="Ids of the collections to search.")

    @property
    def is_path(self) -> bool:
        """True where the catalogue is a file on this machine: not an address, and not a bare name."""
        return "://" not in self.catalog and ("/" in self.catalog or self.catalog.endswith(".json"))


class CompletenessConfig(_Frozen):
    """What the sources are held against. What is missing is told and refuses nothing."""

    second_catalog: str | None = Field(
        default=None, min_length=1, description="Another catalogue that is asked the same; null asks none."
    )
    collections: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Its collections; null: those of the sources."
    )


class BandsConfig(_Frozen):
    """Bands to keep of each group, by the sensors' own ids."""

    s2: tuple[str, ...] | None = Field(default=None, description="Sentinel-2 bands; null: every band the model knows.")
    s1: tuple[str, ...] | None = Field(default=None, description="Sentinel-1 polarisations; null: VV and VH.")
    l8: tuple[str, ...] | None = Field(default=None, description="Landsat bands; null: SR_B2 to SR_B7.")
    modis: tuple[str, ...] | None = Field(default=None, description="MODIS bands; null: the land bands B01 to B07.")
    vhr: tuple[str, ...] | None = Field(
        default=None, description="Bands of aerial and very high resolution images; null: blue, green, red and nir."
    )
    slc: tuple[str, ...] | None = Field(
        default=None, description="Polarisations of geocoded complex radar images; null: all that a scene has."
    )


class CubeConfig(_Frozen):
    """How the cube is cut on disk, and who builds it with how much memory."""

    chunk: int = Field(default=512, ge=16, le=4096, description="Edge of a stored chunk, pixels.")
    reader: Literal["windows", "stackstac"] = Field(
        default="windows",
        description="Who reads rasters: windows, whole tiles and one warp for all bands; stackstac, second opinion.",
    )
    cluster: str = Field(
        default="threads",
        description="Who builds: threads, local (processes of this machine), or tcp://host:port of a Dask scheduler.",
    )
    memory: str | None = Field(
        default=None, description="What a build may use, such as 2GB; null: half of what the machine has."
    )
    retries: int = Field(
        default=2, ge=0, le=20, description="Further tries of a unit where a server was busy, failed or stayed silent."
    )

    verify: Literal["none", "local", "all"] = Field(
        default="local",
        description="Whose stated checksums and sizes are checked: local, files on disk, read through once a run; all, "
        "remote files too, fetched whole; none.",
    )

    @field_validator("cluster")
    @classmethod
    def _is_a_crew(cls, value: str) -> str:
        if not re.fullmatch(r"threads|local|(tcp|tls)://[^\s/:]+:\d{1,5}", value):
            raise ValueError(f"must be threads, local or tcp://host:port, got {value!r}; name a scheduler's address")
        return value

    @field_validator("memory")
    @classmethod
    def _is_a_size(cls, value: str | None) -> str | None:
        if value is not None:
            from pipelines.cube.byte_size import parse_bytes

            parse_bytes(value)
        return value


class RadiometryConfig(_Frozen):
    """What becomes of Sentinel-2 scenes whose pixels contradict their metadata; the verdict is stored in any case."""

    on_contradiction: Literal["quarantine", "pixels", "metadata"] = Field(
        default="quarantine",
        description="quarantine: left out and reported; pixels, metadata: read by the convention of either.",
    )


class MaskConfig(_Frozen):
    """How clouds are masked beyond what the scenes' own masks say; the mask without its margin stays readable."""

    buffer_m: float = Field(default=0.0, ge=0, le=5000, description="Margin around cloud and cirrus, metres.")
    shadow_buffer_m: float = Field(default=0.0, ge=0, le=5000, description="Margin around cloud shadow, metres.")
    cloud_probability: Annotated[float, Field(gt=0, le=100)] | None = Field(
        default=None, description="Percent from which on a Sentinel-2 cloud probability is cloud; null: not read."
    )
    probability_replaces: bool = Field(
        default=False, description="Take the probability instead of the mask's clouds, not besides."
    )


class SpeckleConfig(_Frozen):
    """A speckle filter of radar power; without the section the cube holds the power as measured."""

    filter: Literal["lee", "refined-lee", "frost", "gamma-map"] = Field(description="Which filter.")
    window: int = Field(default=7, ge=3, le=33, description="Side of its window, pixels, odd; refined-lee from 5.")
    looks: float = Field(default=4.4, gt=0, description="Equivalent number of looks of the input.")
    damping: float = Field(default=2.0, gt=0, description="Decay of frost's weights with distance.")

    @model_validator(mode="after")
    def _is_a_filter(self) -> SpeckleConfig:
        from pipelines.physics.speckle import Speckle

        Speckle(filter=self.filter, window=self.window, looks=self.looks, damping=self.damping)
        return self


class GrdConfig(_Frozen):
    """What digital numbers of Sentinel-1 GRD are calibrated to."""

    coefficient: Literal["sigma0", "beta0", "gamma0"] = Field(
        default="sigma0", description="Backscatter coefficient, on the ellipsoid."
    )
    noise: Literal["remove", "keep"] = Field(default="remove", description="Thermal noise by the product's tables.")


class CompositeConfig(_Frozen):
    """One image a period instead of every date: what the model maps and the products are made from."""

    period: str = Field(
        default="month",
        pattern=r"^(month|quarter|year|solar-day|[1-9][0-9]{0,3}d)$",
        description="`month`, `quarter`, `year`, `solar-day`, or days such as `10d`, counted from 1970-01-01.",
    )
    method: Literal["best-pixel", "median", "medoid", "first-valid", "mean"] = Field(
        default="median", description="How usable observations of optical groups become one."
    )
    radar_method: Literal["mean", "median", "first-valid"] = Field(
        default="mean", description="The same for radar, in linear power."
    )


class CoregisterConfig(_Frozen):
    """What is done about scenes that lie beside the reference, the clearest scene of the first build."""

    action: Literal["measure", "gate", "correct"] = Field(
        default="measure",
        description="Record the shift; skip scenes beyond max_shift_m; or read them moved back, bilinear.",
    )
    max_shift_m: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Largest shift that the gate lets through, metres; null: half a pixel."
    )


class InferenceConfig(_Frozen):
    """How the model is mapped over the cube; chunk and batch sizes never change the result."""

    weights: str = Field(
        default="nano",
        description="`nano` or `nano-dense` (shipped), or a path: a .safetensors file or a folder of shards.",
    )
    window: int = Field(default=128, ge=32, le=1024, multiple_of=32, description="Edge of a model window, pixels.")
    stride: int = Field(default=96, ge=16, description="Step between windows, pixels; at most the window.")
    chunk: int = Field(default=512, ge=1, description="Edge of a unit of work, pixels.")
    group: int = Field(default=4, ge=1, le=64, description="Windows that pass the model together.")

    @model_validator(mode="after")
    def _stride_within_window(self) -> InferenceConfig:
        if self.stride > self.window:
            raise ValueError(f"stride must be at most window, got {self.stride} > {self.window}; lower stride")
        return self


class LandCoverConfig(_Frozen):
    """How the land-cover product is made."""

    min_confidence: int = Field(default=0, ge=0, le=100, description="Percent; less sure pixels get no class.")


class ChangeConfig(_Frozen):
    """How the change product is made."""

    threshold: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="Least probability of any change; null takes the checkpoint's own."
    )
    min_area_px: int = Field(default=1, ge=1, description="Minimum mapping unit, pixels.")


class OwnConfig(_Frozen):
    """A product of the user's own classes, by a head that `ringmoe fit` made."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9-]*$", max_length=40, description="Lower-case letters, digits and -: names the product."
    )
    head: Path = Field(description="The head's file.")
    min_confidence: int = Field(default=0, ge=0, le=100, description="Percent; less sure pixels get no class.")

    @field_validator("name")
    @classmethod
    def _is_no_other_product(cls, value: str) -> str:
        if value in PRODUCTS:
            raise ValueError(f"must not be one of {list(PRODUCTS)}, got {value!r}; choose another name")
        return value


class RegionConfig(_Frozen):
    """A region: where, when, from which catalogues, which products, to which folder."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64, description="Letters, digits, - and _: names the run."
    )
    area: AreaConfig
    resolution: Annotated[float, Field(gt=0, description="Metres; the bounds are snapped outward to it.")] = 10.0
    time: TimeConfig
    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    scenes: Path | None = Field(
        default=None, description="A scene set of an earlier run (scenes.parquet): it answers and nothing is searched."
    )
    completeness: CompletenessConfig = CompletenessConfig()
    products: tuple[str, ...] = Field(
        default=PRODUCTS, min_length=1, description="`land-cover`, `change`, and the names of `own`."
    )
    own: tuple[OwnConfig, ...] = Field(default=(), description="The user's own classes, each a product by its name.")
    output: Path = Field(description="Folder of the results, made where it is absent.")
    store: str | None = Field(
        default=None,
        description="`s3://bucket/prefix` puts the cube there, `?endpoint=https://host&region=name` where needed; "
        "credentials come from the environment. null: into the output folder.",
    )
    bands: BandsConfig = BandsConfig()
    max_cloud_cover: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="Percent; cloudier scenes are skipped as too_cloudy. null keeps all."
    )
    cube: CubeConfig = CubeConfig()
    radiometry: RadiometryConfig = RadiometryConfig()
    nbar: bool = Field(default=False, description="Reflectance as seen from the nadir, by the c-factor.")
    bandpass: bool = Field(default=False, description="Sentinel-2 reflectance in the bands of Landsat 8 OLI.")
    grd: GrdConfig = GrdConfig()
    speckle: SpeckleConfig | None = Field(default=None, description="null: radar power stays as measured.")
    mask: MaskConfig = MaskConfig()
    coregister: CoregisterConfig | None = Field(default=None, description="null: shifts are not looked at.")
    composite: CompositeConfig | None = Field(default=None, description="null: every date is kept and mapped.")
    inference: InferenceConfig = InferenceConfig()
    land_cover: LandCoverConfig = LandCoverConfig()
    change: ChangeConfig = ChangeConfig()
    max_novelty: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="Percent; products give no class where the place is more unlike the weights' training. null: "
        "the layer alone.",
    )
    budget: BudgetConfig | None = Field(default=None, description="Upper limits; null: none.")
    workers: int = Field(default=2, ge=1, le=256, description="Threads that read and that run the model.")

    @field_validator("products")
    @classmethod
    def _each_product_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"each product is named once, got {list(value)}; drop the repetition")
        return value

    @model_validator(mode="after")
    def _products_are_known(self) -> RegionConfig:
        own = [entry.name for entry in self.own]
        if len(set(own)) != len(own):
            raise ValueError(f"own: each name is given once, got {own}; rename one")
        for index, name in enumerate(self.products):
            if name not in (*PRODUCTS, *own):
                raise ValueError(
                    f"products[{index}] must be one of {[*PRODUCTS, *own]}, got {name!r}; correct it, or add it to own"
                )
        return self

    @property
    def tasks(self) -> tuple[Product, ...]:
        """The products that the weights themselves answer, in their fixed order."""
        return tuple(name for name in PRODUCTS if name in self.products)

    @property
    def own_products(self) -> tuple[OwnConfig, ...]:
        """The user's own classes that are asked for."""
        return tuple(entry for entry in self.own if entry.name in self.products)

    @field_validator("store")
    @classmethod
    def _store_is_on_s3(cls, value: str | None) -> str | None:
        if value is not None:
            from pipelines.cube.storage import shared_storage

            shared_storage(value)
        return value

    @field_validator("output")
    @classmethod
    def _output_is_no_file(cls, value: Path) -> Path:
        if value.is_file():
            raise ValueError(f"must be a folder, got the file {value}; name another folder")
        return value
