"""One scene ready to be read: its rule decided, its files opened, or the reason why it is skipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, cast

from catalogs.sensors import load_sensor
from pipelines.cube.errors import ReadFailed
from pipelines.cube.failures import skip_reason
from pipelines.cube.load import LazyScene, Plane, open_scene
from pipelines.cube.plane import overruled, plane_of
from pipelines.cube.recipe import Recipe, StepRun, crop, halo_of, run_of, with_halo
from pipelines.cube.resampling import misses_grid
from pipelines.cube.source_grd import GrdConversion, prepare_grd
from pipelines.cube.source_landsat import prepare_landsat
from pipelines.cube.source_modis import prepare_modis
from pipelines.cube.source_optical import OpticalConversion, prepare_optical, verify_optical
from pipelines.cube.source_radar import prepare_radar
from pipelines.cube.source_relative import prepare_relative
from pipelines.cube.source_slc import prepare_complex
from pipelines.cube.strips import convert_in_strips
from pipelines.cube.verdict import Contradicted
from pipelines.physics import Uncalibrated
from pipelines.physics.grd import GrdCalibration, takes_tables

if TYPE_CHECKING:
    from catalogs.scenes import Scene, SceneOutcome, SkipReason
    from catalogs.sensors import Sensor
    from pipelines.cube.coregister import Registration
    from pipelines.cube.grd_scene import GrdScene
    from pipelines.cube.layer import Layer
    from pipelines.cube.load import Pixels
    from pipelines.cube.options import ReaderName
    from pipelines.cube.verdict import OnContradiction
    from pipelines.grid import Block, TargetGrid
    from pipelines.schema import Group


class Skipped(Exception):  # noqa: N818 an outcome on its way up
    """The scene cannot be used; carries the reason for its outcome."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: SkipReason = reason

    def outcome(self, scene: Scene) -> SceneOutcome:
        """Returns the recorded skip of a scene."""
        return scene.skipped(self.reason, str(self))


class Conversion(Protocol):
    """How the stored numbers of one scene become the numbers of its group."""

    @property
    def rule_name(self) -> str:
        """Name of the radiometric rule."""

    @property
    def evidence(self) -> dict[str, object]:
        """What the rule rests on, JSON-able; `contradictions` lists what it overruled."""

    @property
    def planes(self) -> Mapping[str, Plane]:
        """The rasters that it reads, masks included, by band."""

    def convert(self, pixels: Mapping[str, Pixels], shape: tuple[int, int]) -> Layer:
        """Returns the layer of a block; raises ReadFailed where the pixels are not what the item says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A scene that can be read block by block."""

    scene: Scene
    bands: tuple[str, ...]
    """Bands of the cube; those that the scene lacks are filled."""

    lazy: LazyScene | GrdScene
    conversion: Conversion
    run: StepRun
    """Optional steps of physics."""

    notes: tuple[str, ...] = ()
    """What a reader should know besides how the pixels came to the grid."""

    registration: Registration | None = None
    """Where the scene lies against the reference of its group, None where it was not compared."""

    @property
    def rule_name(self) -> str:
        """Name of the radiometric rule."""
        return self.conversion.rule_name

    @property
    def evidence(self) -> dict[str, object]:
        """The rule, what the item said, and how the pixels came to the grid; JSON-able."""
        evidence = self.conversion.evidence
        told = [*_notes(self.lazy, self.bands), *self.notes, *self.run.notes, *_contradictions(evidence)]
        return {**evidence, "notes": told}

    @property
    def verdict(self) -> str:
        """What the pixels say of the rule (`pipelines.physics.pixels.PixelVerdict`), '' where nothing was asked."""
        pixels = self.conversion.evidence.get("pixels")
        return str(pixels["verdict"]) if isinstance(pixels, dict) else ""

    @property
    def incidence_deg(self) -> float:
        """Mean incidence angle over the grid where the scene's own annotations tell it, NaN elsewhere."""
        return self.conversion.incidence_deg if isinstance(self.conversion, GrdConversion) else float("nan")

    @property
    def processing(self) -> list[dict[str, object]]:
        """The optional steps with their parameters, applied or left out with why; JSON-able."""
        return self.run.record

    def read(self, block: Block) -> Layer:
        """Returns a block in the group's stored numbers, after the optional steps.

        The block is read with the halo of the steps, clipped to the grid, and cropped: no step can show a seam.

        Raises:
            ReadFailed: A raster is damaged, or does not hold what its item says.
        """
        outer = with_halo(block, halo_of(self.run.steps), self.run.grid.shape)
        pixels = self.lazy.read(outer)
        layer = convert_in_strips(self.conversion, pixels, (outer.height, outer.width))
        return crop(self.run.apply(layer, outer, pixels), outer, block)


_PREPARE: Final[Mapping[str, Callable[[Scene, tuple[str, ...], TargetGrid], Conversion]]] = {
    "l8": prepare_landsat,
    "modis": prepare_modis,
    "s1": prepare_radar,
    "s2": prepare_optical,
    "slc": prepare_complex,
    "vhr": prepare_relative,
}


def prepare(
    scene: Scene,
    *,
    group: str,
    bands: tuple[str, ...],
    grid: TargetGrid,
    chunk: int,
    recipe: Recipe = Recipe(),  # noqa: B008 frozen
    on_contradiction: OnContradiction = "quarantine",
    reader: ReaderName = "windows",
) -> Source:
    """Returns a scene ready to be read: its rule decided from the item, its headers read.

    Args:
        scene: The scene.
        group: One of `pipelines.schema.GROUPS`.
        bands: Bands of the cube's group.
        grid: The target.
        chunk: Side of a lazy chunk in pixels.
        recipe: Optional steps of physics.
        on_contradiction: What to do where the pixels contradict the radiometric rule.
        reader: Who reads the rasters.

    Raises:
        Skipped: `missing_asset` where it carries none of the bands, `uncalibrated`, `outside`,
            `quarantined`, or by what could not be read `unreadable`, `damaged` or `refused`.
    """
    if not any(scene.asset(band) for band in bands):
        held = [asset.band for asset in scene.assets]
        raise Skipped("missing_asset", f"a scene carries one of the bands {list(bands)}, {scene.id} has {held}")
    sensor = load_sensor(scene.sensor)
    product = sensor.product(scene.collection, scene.product_type)
    if product is not None and product.mask and group != "s2" and scene.asset(product.mask) is None:
        raise Skipped("missing_asset", f"a {product.id} scene carries its mask {product.mask}, {scene.id} does not")
    run = run_of(recipe, scene, group=cast("Group", group), bands=bands, grid=grid)
    try:
        if group == "s1" and takes_tables(scene):
            calibration = recipe.grd if isinstance(recipe.grd, GrdCalibration) else GrdCalibration()
            conversion: Conversion = prepare_grd(scene, bands, grid, calibration)
        else:
            conversion = _PREPARE[group](scene, bands, grid)
        planes = {**conversion.planes, **_step_planes(run, conversion.planes)}
        if _misses(conversion) or all(misses_grid(planes[band].header, grid) for band in bands if band in planes):
            raise Skipped("outside", f"a scene touches the grid {grid.bounds} of EPSG:{grid.epsg}, {scene.id} does not")
        if isinstance(conversion, OpticalConversion):
            conversion = verify_optical(scene, conversion, grid, on_contradiction)
        lazy = (
            conversion.reader
            if isinstance(conversion, GrdConversion)
            else open_scene(scene.id, planes, grid, chunk=chunk, reader=reader)
        )
    except Contradicted as error:
        raise Skipped("quarantined", str(error)) from error
    except Uncalibrated as error:
        raise Skipped("uncalibrated", str(error)) from error
    except ReadFailed as error:
        raise Skipped(skip_reason(error.fault), str(error)) from error
    return Source(scene=scene, bands=bands, lazy=lazy, conversion=conversion, run=run, notes=_left_out(scene, sensor))


def _misses(conversion: Conversion) -> bool:
    """Tells whether an image without a CRS lies beside the grid."""
    return isinstance(conversion, GrdConversion) and conversion.reader.misses_grid


def _left_out(scene: Scene, sensor: Sensor) -> tuple[str, ...]:
    """Tells of the bands that are no quantity of the group."""
    kinds = {band.id: band.kind for band in sensor.bands}
    warm = [asset.band for asset in scene.assets if kinds.get(asset.band) == "temperature"]
    return (f"{' '.join(warm)} left out: a temperature in kelvin, the group holds reflectance",) if warm else ()


def _step_planes(run: StepRun, held: Mapping[str, Plane]) -> dict[str, Plane]:
    """Returns the planes that the steps need and the conversion does not read itself."""
    wanted = {band for step in run.steps for band in step.planes} - set(held)
    assets = [asset for asset in run.scene.assets if asset.band in wanted]
    return {asset.band: plane_of(run.scene, asset, run.grid, "class") for asset in assets}


def _notes(lazy: LazyScene | GrdScene, bands: tuple[str, ...]) -> list[str]:
    """Lists how pixels came to the grid, what items said of it in vain, and which bands are missing."""
    by_note: dict[str, list[str]] = {}
    for band, plane in lazy.planes.items():
        for note in (plane.resampling.note, *(overruled(plane) if isinstance(lazy, LazyScene) else ())):
            if note:
                by_note.setdefault(note, []).append(band)
    absent = [band for band in bands if band not in lazy.planes]
    without = [f"without {' '.join(absent)}"] if absent else []
    return [*(f"{note}: {' '.join(named)}" for note, named in by_note.items()), *without]


def _contradictions(evidence: Mapping[str, object]) -> list[str]:
    contradictions = evidence.get("contradictions", [])
    assert isinstance(contradictions, list)
    return contradictions
