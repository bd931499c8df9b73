"""Which rasters of an item are bands of a sensor, in STAC 1.0 and in STAC 1.1."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from catalogs.errors import ItemError
from catalogs.fields import Document, fill_value, mapping, number, objects, text, texts
from catalogs.scenes import Asset
from catalogs.stated_file import stated_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalogs.providers import Provider
    from catalogs.sensors import Sensor

NOT_DATA = frozenset({"metadata", "overview", "thumbnail", "visual"})
"""Roles of files that carry a band's name or key and none of its values."""

RESOLUTION_SUFFIX = re.compile(r"_(\d+)m$")
"""Ending of keys such as `B02_20m` and `scl_60m`, the same band at several resolutions."""

Value = TypeVar("Value")

EPSG_CODE = re.compile(r"EPSG:(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BandAsset:
    """An asset that was recognised as one band."""

    key: str
    band: str
    trust: int
    """How the band was told, 0 the surest: its name, the key, an alias as its name, an alias as the key."""

    resolution: float
    """Pixel size as the item says it, infinite where it does not; only compared within one item."""

    asset: Document
    described: Document
    """The asset's one entry of `bands`, or of `eo:bands` and `raster:bands` together."""


def band_assets(document: Document, sensor: Sensor) -> tuple[BandAsset, ...]:
    """Returns one asset for each band of the sensor that the item has, sorted by band.

    A band's own name decides before its aliases; among equals the finest resolution, then the key.

    Raises:
        ItemError: A description has another form than STAC's.
    """
    chosen: dict[str, BandAsset] = {}
    for candidate in _candidates(document, sensor):
        rival = chosen.get(candidate.band)
        if rival is None or _order(candidate) < _order(rival):
            chosen[candidate.band] = candidate
    return tuple(chosen[band] for band in sorted(chosen))


def read_asset(found: BandAsset, properties: Document, provider: Provider, base: str) -> Asset:
    """Returns the record of a band's asset, its href resolved and checked.

    Values of the band win over those of the asset, and those over the item's (the last for the CRS only: STAC 1.1
    lets common metadata be stated once for all bands of an asset).

    Raises:
        ItemError: The href may not be followed, or a value has another form than STAC's.
    """
    places = (found.described, found.asset)
    if not text(found.asset, "href"):
        raise ItemError("unreadable", f"asset {found.key!r} needs an href, got none; correct the item")
    return Asset(
        band=found.band,
        href=provider.find(found.asset, base),
        epsg=_epsg(found.asset, properties),
        nodata=_first([fill_value(place, "nodata") for place in places]),
        scale=_first([number(place, "raster:scale", "scale") for place in places]),
        offset=_first([number(place, "raster:offset", "offset") for place in places]),
        unit=_first([text(place, "unit", "raster:unit") or None for place in places]),
        data_type=_first([text(place, "data_type", "raster:data_type") or None for place in places]),
        **stated_file(found.asset, properties),
    )


def without(document: Document, suffixes: tuple[str, ...]) -> Document:
    """Returns the item without the assets whose key ends in one of the suffixes."""
    assets = {
        key: asset for key, asset in mapping(document, "assets").items() if not (suffixes and key.endswith(suffixes))
    }
    return {**document, "assets": assets}


def _candidates(document: Document, sensor: Sensor) -> Iterator[BandAsset]:
    assets = mapping(document, "assets")
    for key in sorted(assets):
        asset = mapping(assets, key)
        if NOT_DATA & {role.lower() for role in texts(asset, "roles")}:
            continue
        bands = _described(asset)
        if len(bands) > 1:
            continue  # a picture of several bands, not one of them
        described = bands[0] if bands else {}
        band, trust = _recognise(text(described, "name"), key, sensor)
        if band:
            resolution = _resolution(described, asset, key)
            yield BandAsset(key=key, band=band, trust=trust, resolution=resolution, asset=asset, described=described)


def _described(asset: Document) -> tuple[Document, ...]:
    if "bands" in asset:
        return objects(asset, "bands")
    optical, raster = objects(asset, "eo:bands"), objects(asset, "raster:bands")
    count = max(len(optical), len(raster))
    padded = [(*entries, *({},) * (count - len(entries))) for entries in (optical, raster)]
    return tuple({**r, **o} for o, r in zip(*padded, strict=True))


def _recognise(name: str, key: str, sensor: Sensor) -> tuple[str, int]:
    bare = RESOLUTION_SUFFIX.sub("", key)
    for trust, spelling in enumerate((name, bare)):
        for band in sensor.bands:
            if spelling.lower() == band.id.lower():
                return band.id, trust
    for trust, spelling in enumerate((name, bare), start=2):
        for band in sensor.bands:
            if spelling.lower() in band.aliases:
                return band.id, trust
    return "", 0


def _resolution(described: Document, asset: Document, key: str) -> float:
    stated = [number(place, "raster:spatial_resolution", "spatial_resolution", "gsd") for place in (described, asset)]
    suffix = RESOLUTION_SUFFIX.search(key)
    return next((value for value in stated if value is not None), float(suffix[1]) if suffix else math.inf)


def _order(candidate: BandAsset) -> tuple[int, float, str]:
    return candidate.trust, candidate.resolution, candidate.key


def _epsg(asset: Document, properties: Document) -> int | None:
    for place in (asset, properties):
        code = EPSG_CODE.fullmatch(text(place, "proj:code"))
        if code:
            return int(code[1])
        plain = number(place, "proj:epsg")
        if plain is not None:
            return int(plain)
    return None


def _first(values: list[Value | None]) -> Value | None:
    return next((value for value in values if value is not None), None)
