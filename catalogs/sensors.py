"""What is known about each sensor, read from the tables in `facts/`."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, get_args

from catalogs.sensor_product import Group, Product
from catalogs.sensor_response import SatelliteResponse

if TYPE_CHECKING:
    from catalogs.scenes import Scene

BandKind = Literal["reflectance", "power", "mask", "temperature", "number"]

SENSOR_NAMES = (
    "capella-xsar",
    "gaofen-2-pms",
    "gaofen-3-csar",
    "landsat-oli-tirs",
    "modis",
    "naip-aerial",
    "sentinel-1-csar",
    "sentinel-2-msi",
    "worldview-2",
    "worldview-3",
)
"""Every sensor that has a table, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One band or plane of a sensor."""

    id: str
    """The sensor's own id: `B02`, `VV`, `SCL`."""

    common_name: str
    """STAC common name, '' where there is none."""

    kind: BandKind
    """What a pixel means: reflectance, linear backscatter power, classes or bits, kelvin, or image numbers."""

    wavelength_nm: float | None
    """Centre, of the carrier for radar; None for a mask, and where it is not published."""

    fwhm_nm: float | None
    """Full width at half maximum of the response; None for radar and masks."""

    gsd_m: float
    """Nominal pixel spacing in metres."""

    nodata: float | None
    """Fill value of the sensor's own products; None where they have none."""

    aliases: tuple[str, ...]
    """Names that catalogues give the band or its asset, lower case."""

    source: tuple[str, ...]
    """Ids of the documents that the numbers are from, see `Sensor.sources`."""

    saturation_bit: int | None = None
    """Bit of the sensor's saturation plane that stands for this band."""

    radiance_gain: float | None = None
    """Gain of the band after the operator's calibration, on top of the factors in the image's own metadata."""

    radiance_offset: float | None = None
    """Likewise, W m-2 sr-1 um-1."""

    solar_irradiance: float | None = None
    """Mean irradiance of the sun over the band at one astronomical unit, W m-2 um-1."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(BandKind):
            raise ValueError(f"kind of a band is one of {get_args(BandKind)}, got {self.kind!r}; correct the facts")
        if self.gsd_m <= 0 or (self.wavelength_nm is not None and self.wavelength_nm <= 0):
            raise ValueError(f"gsd_m and wavelength_nm of {self.id} must be positive, got {self}; correct the facts")
        if not self.source:
            raise ValueError(f"every band names the source of its numbers, {self.id} does not; correct the facts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """One instrument type, the same on all its satellites."""

    name: str
    group: Group
    """Group of the cube that its scenes go to where no product says another."""

    constellations: tuple[str, ...]
    satellites: tuple[str, ...]
    instruments: tuple[str, ...]
    """As STAC writes them, lower case with hyphens."""

    collections: tuple[str, ...]
    """Ids of the collections that are known to hold its scenes."""

    bands: tuple[Band, ...]
    """In the sensor's own order."""

    attribution: str
    """The licensor's line, to be followed by the years of the data in brackets."""

    sources: tuple[tuple[str, str], ...]
    """(id, citation) of every document that the numbers are from."""

    center_frequency_ghz: float | None = None
    """Radar carrier; None for optical sensors."""

    scale: float | None = None
    """Physical value of one step of the digital number; None where it takes a calibration table."""

    offset: float | None = None
    """Physical value added after scaling, from `offset_since_baseline` on; before that it is 0."""

    offset_since_baseline: str = ""
    saturated: float | None = None
    """Digital number of a saturated pixel."""

    products: tuple[Product, ...] = ()
    responses: tuple[SatelliteResponse, ...] = ()
    """Of the satellites whose bands differ from each other."""

    repeat_days: int | None = None
    """Days until one satellite passes on the same track again; None where its path does not repeat or is not told."""

    foreign_satellites: tuple[str, ...] = ()
    """Satellites of other sensors whose scenes stand in the same collections."""

    foreign_instruments: tuple[str, ...] = ()
    """Instruments of other kinds that fly on the same satellites."""

    @property
    def polarisations(self) -> tuple[str, ...]:
        """Ids of the radar bands, empty for an optical sensor."""
        return tuple(band.id for band in self.bands if band.kind == "power")

    def band(self, band_id: str) -> Band:
        """Returns a band by its id.

        Raises:
            KeyError: The sensor has no such band.
        """
        for band in self.bands:
            if band.id == band_id:
                return band
        raise KeyError(f"{self.name} has the bands {[b.id for b in self.bands]}, got {band_id!r}; use one of them")

    def product(self, collection: str, product_type: str) -> Product | None:
        """Returns the product that an item holds, by its type and else by its collection; None where neither tells."""
        by_type = (product for product in self.products if product_type.upper() in product.types)
        by_collection = (product for product in self.products if collection in product.collections)
        return next(by_type, None) or next(by_collection, None)

    def wavelength_nm(self, band_id: str, satellite: str) -> float | None:
        """Returns the centre of a band on one satellite, that of the specification where none is known for it."""
        for response in self.responses:
            if response.satellite == satellite.lower() and band_id in response.wavelength_nm:
                return response.wavelength_nm[band_id]
        return self.band(band_id).wavelength_nm


@functools.cache
def load_sensor(name: str) -> Sensor:
    """Returns the facts about one sensor.

    Args:
        name: One of `SENSOR_NAMES`.

    Raises:
        KeyError: There is no table of that name.
    """
    if name not in SENSOR_NAMES:
        raise KeyError(f"a sensor is one of {list(SENSOR_NAMES)}, got {name!r}; use a known one or add its facts")
    table = tomllib.loads(resources.files("catalogs").joinpath("facts", f"{name}.toml").read_text(encoding="utf-8"))
    radiometry = table.get("radiometry", {})
    return Sensor(
        name=table["name"],
        group=table["group"],
        constellations=tuple(table["constellations"]),
        satellites=tuple(table["satellites"]),
        instruments=tuple(table["instruments"]),
        collections=tuple(table["collections"]),
        bands=tuple(_band(entry, radiometry) for entry in table["bands"]),
        attribution=table["attribution"],
        sources=tuple(table["sources"].items()),
        center_frequency_ghz=table.get("radar", {}).get("center_frequency_ghz"),
        scale=radiometry.get("scale"),
        offset=radiometry.get("offset"),
        offset_since_baseline=radiometry.get("offset_since_baseline", ""),
        saturated=radiometry.get("saturated"),
        products=tuple(_product(entry) for entry in table["products"]),
        responses=tuple(
            SatelliteResponse(**{"fwhm_nm": {}, **entry, "source": tuple(entry["source"])})
            for entry in table.get("responses", ())
        ),
        repeat_days=table.get("orbit", {}).get("repeat_days"),
        foreign_satellites=tuple(table.get("foreign_satellites", ())),
        foreign_instruments=tuple(table.get("foreign_instruments", ())),
    )


def sensors_of(collection: str, properties: Mapping[str, object]) -> tuple[Sensor, ...]:
    """Returns the sensors that an item holds data of, none where they are unknown.

    A collection id that a table lists decides, unless the item names a satellite that the table knows as another
    sensor's. Otherwise the item's `platform` or `constellation` does, unless the item names an instrument that the
    table knows as another one on that satellite; where it has neither of them, its `instruments` do.

    Args:
        collection: Id of the item's collection, '' where it has none.
        properties: The item's properties.
    """
    sensors = tuple(load_sensor(name) for name in SENSOR_NAMES)
    by_collection = tuple(sensor for sensor in sensors if collection in sensor.collections)
    if by_collection:
        platform = _spelling(properties.get("platform"))
        return tuple(sensor for sensor in by_collection if platform not in sensor.foreign_satellites)
    listed = properties.get("instruments")
    instruments = {_spelling(entry) for entry in listed} if isinstance(listed, (list, tuple)) else set()
    named = {_spelling(properties.get(field)) for field in ("platform", "constellation")} - {""}
    if named:
        by_name = (sensor for sensor in sensors if named & {*sensor.satellites, *sensor.constellations})
        return tuple(
            sensor
            for sensor in by_name
            if instruments & set(sensor.instruments) or not instruments & set(sensor.foreign_instruments)
        )
    return tuple(sensor for sensor in sensors if instruments & set(sensor.instruments))


def sensor_of(collection: str, properties: Mapping[str, object]) -> Sensor:
    """Returns the one sensor that an item holds data of, decided as in `sensors_of`.

    Raises:
        ValueError: No table fits, or more than one does.
    """
    found = sensors_of(collection, properties)
    if len(found) == 1:
        return found[0]
    told = {name: properties.get(name) for name in ("platform", "constellation", "instruments")}
    raise ValueError(
        f"an item belongs to one of the sensors {list(SENSOR_NAMES)}, collection {collection!r} with {told} fits "
        f"{[sensor.name for sensor in found]}; add the collection to the sensor's facts"
    )


def group_of(scene: Scene) -> Group:
    """Returns the group of a cube that a scene goes to.

    Raises:
        ValueError: No group takes its product; a search leaves such scenes out.
    """
    sensor = load_sensor(scene.sensor)
    product = sensor.product(scene.collection, scene.product_type)
    if product is None:
        return sensor.group
    if product.group is None:
        raise ValueError(
            f"a scene goes to a group of the cube, {product.id} of {sensor.name} ({product.quantity}) to none, got "
            f"{scene.id}; take another product"
        )
    return product.group


def _product(entry: Mapping[str, Any]) -> Product:
    lists = {name: tuple(entry[name]) for name in ("types", "collections", "source") if name in entry}
    return Product(**{**entry, **lists})


def _band(entry: Mapping[str, Any], radiometry: Mapping[str, Any]) -> Band:
    nodata = entry.get("nodata") if entry["kind"] == "mask" else entry.get("nodata", radiometry.get("nodata"))
    return Band(
        id=entry["id"],
        common_name=entry["common_name"],
        kind=entry["kind"],
        wavelength_nm=entry.get("wavelength_nm"),
        fwhm_nm=entry.get("fwhm_nm"),
        gsd_m=entry["gsd_m"],
        nodata=nodata,
        aliases=tuple(entry["aliases"]),
        source=tuple(entry["source"]),
        saturation_bit=entry.get("saturation_bit"),
        radiance_gain=entry.get("radiance_gain"),
        radiance_offset=entry.get("radiance_offset"),
        solar_irradiance=entry.get("solar_irradiance"),
    )


def _spelling(value: object) -> str:
    # Planetary Computer writes `Sentinel 2` and `Sentinel-2A`, others `sentinel-2` and `sentinel-2a`
    return value.lower().replace(" ", "-").replace("_", "-") if isinstance(value, str) else ""
