"""STAC items, as they come, to scenes.

Items are read as JSON and never through classes that would fetch a schema, a parent or a collection on the way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalogs.acquisition import acquisition_id, landsat_tier
from catalogs.annotations import annotations_of
from catalogs.assets import BandAsset, band_assets, read_asset, without
from catalogs.errors import ItemError
from catalogs.fields import Document, boolean, mapping, number, objects, text
from catalogs.footprint import Ring, item_rings, outline
from catalogs.instants import Period, optional_instant, parse_instant, period_of
from catalogs.scenes import Asset, Scene
from catalogs.sensors import sensors_of

if TYPE_CHECKING:
    from catalogs.providers import Provider
    from catalogs.sensors import Sensor

PRODUCT_URI = re.compile(r"_N(?P<major>\d{2})(?P<minor>\d{2})_R(?P<orbit>\d{3})_T(?P<tile>\w{5})_")
"""Sentinel-2 product name after S2-PDGS-TAS-DI-PSD: baseline, relative orbit and tile stand in it."""

RADAR_LEVEL = ("sar:product_type", "processing:level")
OPTICAL_LEVEL = ("landsat:correction", "processing:level", "s2:product_type")
GENERATED = ("s2:generation_time", "s1:processing_datetime", "landsat:product_generated", "processing:datetime")
RIGHT_ANGLE_DEG = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundItem:
    """An item as a catalogue gave it, before anything in it is believed."""

    id: str
    """Its id, or the href that led to it where it could not be read."""

    collection: str
    """As the item says it, or the collection that it was found in."""

    href: str
    """Path or address of the item: relative hrefs in it start here."""

    document: Document
    """The parsed JSON, empty where it could not be read."""

    problem: str = ""
    """Why it could not be read: rule, offending value, fix."""

    terms: str = ""
    """Licence and providers of its collection, in words."""


def read_scenes(found: FoundItem, provider: Provider, *, required_bands: tuple[str, ...] = ()) -> tuple[Scene, ...]:
    """Returns the scenes of one item: one for each sensor that it holds bands of.

    An item of a single sensor gives a scene of its own id. One that pairs sensors (as BigEarthNet's do) gives a scene
    for each, `<id>#<group>`, with the time and platform that its assets state.

    Args:
        found: The item.
        provider: Whose hrefs are allowed.
        required_bands: Bands that a scene must have, as far as its sensor knows them.

    Raises:
        ItemError: `unreadable` where the item breaks STAC, its sensor is unknown or an href may not be followed;
            `missing_asset` where no band, or not every required one, is there.
    """
    version = text(found.document, "stac_version")
    if not version.startswith("1."):
        raise ItemError("unreadable", f"stac_version must be 1.0 or 1.1, got {version!r}; upgrade the item")
    properties = mapping(found.document, "properties")
    document = without(found.document, provider.ignored_suffixes)
    sensors = sensors_of(found.collection, properties)
    if not sensors:
        raise ItemError(
            "unreadable",
            f"the sensor must be known, collection {found.collection!r} and the item's platform "
            f"{text(properties, 'platform')!r} name none",
        )
    chosen = {sensor.name: band_assets(document, sensor) for sensor in sensors}
    lacking = {sensor.name: _lacking(chosen[sensor.name], sensor, required_bands) for sensor in sensors}
    complete = [sensor for sensor in sensors if not lacking[sensor.name]]
    if not complete:
        raise ItemError("missing_asset", "; ".join(lacking.values()))
    ring = outline(item_rings(document))
    alone = sum(bool(bands) for bands in chosen.values()) == 1
    return tuple(_read_scene(found, provider, sensor, chosen[sensor.name], ring, alone=alone) for sensor in complete)


def _lacking(chosen: tuple[BandAsset, ...], sensor: Sensor, required: tuple[str, ...]) -> str:
    present = {found.band for found in chosen}
    known = {band.id for band in sensor.bands}
    lacking = sorted((set(required) & known) - present)
    if lacking:
        return f"{sensor.name} must have the bands {lacking}, the item has {sorted(present)}"
    if not any(band.id in present and band.kind != "mask" for band in sensor.bands):
        return f"{sensor.name} must have a band that holds values, the item has {sorted(present)}"
    return ""


def _read_scene(
    found: FoundItem, provider: Provider, sensor: Sensor, chosen: tuple[BandAsset, ...], ring: Ring, *, alone: bool
) -> Scene:
    properties = mapping(found.document, "properties")
    product_type = text(properties, *(RADAR_LEVEL if sensor.polarisations else OPTICAL_LEVEL))
    product = sensor.product(found.collection, product_type)
    if product is not None and product.group is None:
        raise ItemError(
            "uncalibrated", f"{product.id} of {sensor.name} ({product.quantity}) has no place in a cube; take another"
        )
    assets = _assets(found, provider, sensor, chosen)
    name = PRODUCT_URI.search(f"{text(properties, 's2:product_uri')} {found.id}_")
    period = _period(properties, chosen)
    return Scene(
        id=found.id if alone else f"{found.id}#{sensor.group}",
        collection=found.collection,
        sensor=sensor.name,
        time=period.time,
        time_start=period.start,
        time_end=period.end,
        footprint=ring,
        assets=tuple(sorted(assets, key=_band)),
        platform=_shared_text(chosen, "platform") or text(properties, "platform"),
        orbit_direction=text(properties, "sat:orbit_state"),
        relative_orbit=_whole(number(properties, "sat:relative_orbit")) or (int(name["orbit"]) if name else None),
        processing_baseline=_baseline(properties) or (f"{name['major']}.{name['minor']}" if name else ""),
        offset_applied=boolean(properties, "earthsearch:boa_offset_applied"),
        tile=_tile(properties) or (name["tile"] if name else ""),
        cloud_cover=number(properties, "eo:cloud_cover"),
        sun_azimuth_deg=number(properties, "view:sun_azimuth", "s2:mean_solar_azimuth"),
        sun_elevation_deg=_sun_elevation(properties),
        view_azimuth_deg=number(properties, "view:azimuth"),
        view_incidence_deg=number(properties, "view:incidence_angle"),
        item_href=_own_href(found),
        product_type=product_type,
        acquisition_id=acquisition_id(found.id, properties),
        generated=optional_instant(properties, *GENERATED),
        tier=landsat_tier(found.id, properties),
        annotations=annotations_of(found.document, provider, found.href),
    )


def _assets(found: FoundItem, provider: Provider, sensor: Sensor, chosen: tuple[BandAsset, ...]) -> tuple[Asset, ...]:
    """Every band's asset; a plane beside the sensor's own classes (a cloud probability) only where it can be read."""
    properties = mapping(found.document, "properties")
    optional = [band.id for band in sensor.bands if band.kind == "mask"][1:]
    assets = []
    for band in chosen:
        try:
            assets.append(read_asset(band, properties, provider, found.href))
        except ItemError:
            # Earth Search: the cloud plane of sentinel-2-l2a is in a bucket whose reader pays, all the rest is not
            if band.band not in optional:
                raise
    return tuple(assets)


def _band(asset: Asset) -> str:
    return asset.band


def _period(properties: Document, chosen: tuple[BandAsset, ...]) -> Period:
    own = _shared_text(chosen, "datetime")
    if own:
        instant = parse_instant(own)
        return Period(instant, instant, instant)
    return period_of(properties)


def _shared_text(chosen: tuple[BandAsset, ...], field: str) -> str:
    values = {text(band.asset, field) for band in chosen}
    return values.pop() if len(values) == 1 else ""


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _baseline(properties: Document) -> str:
    software = mapping(properties, "processing:software")
    stated = text(properties, "s2:processing_baseline", "processing:version") or text(software, "Sentinel-1 IPF")
    return stated or text(properties, "landsat:collection_number")


def _tile(properties: Document) -> str:
    """MGRS tile as five characters, WRS path and row as six digits, or the slice of a radar pass."""
    code = text(properties, "grid:code")
    if code.startswith("MGRS-"):
        return code.removeprefix("MGRS-").zfill(5)
    if code.startswith("WRS2-"):
        return code.removeprefix("WRS2-")
    path, row = text(properties, "landsat:wrs_path"), text(properties, "landsat:wrs_row")
    if path and row:
        return f"{path.zfill(3)}{row.zfill(3)}"
    stated = text(properties, "s2:mgrs_tile", "sentinel:mgrs")
    zone = properties.get("mgrs:utm_zone")
    square = text(properties, "mgrs:latitude_band") + text(properties, "mgrs:grid_square")
    if stated or (zone is not None and square):
        return (stated or f"{zone}{square}").zfill(5)
    return text(properties, "s1:slice_number")


def _sun_elevation(properties: Document) -> float | None:
    elevation = number(properties, "view:sun_elevation")
    zenith = number(properties, "s2:mean_solar_zenith")
    return RIGHT_ANGLE_DEG - zenith if elevation is None and zenith is not None else elevation


def _own_href(found: FoundItem) -> str:
    links = objects(found.document, "links")
    own = next((text(link, "href") for link in links if link.get("rel") == "self"), "")
    return own if "://" in own else found.href
