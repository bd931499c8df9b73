"""Writes the real pairs as a static STAC catalogue: the pixels as published, one item a patch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pystac
from pyproj import Transformer
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster

from flows.bigearthnet_archive import ArchiveError, Patch, read_pairs

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

OPTICAL, RADAR = "sentinel-2-l2a", "sentinel-1-grd"
LICENSE: Final = "CDLA-Permissive-1.0"
ATTRIBUTION: Final = (
    "BigEarthNet-MM (Sumbul et al. 2021, doi:10.1109/MGRS.2021.3089174); "
    "contains modified Copernicus Sentinel data 2017-2018"
)
EXTENSIONS: Final = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RealPlace:
    """One place with a pair of patches, as a region can name it."""

    name: str
    epsg: int
    bounds: tuple[float, float, float, float]
    """x_min, y_min, x_max, y_max in metres."""

    start: datetime
    end: datetime
    """First and last acquisition of the pair."""

    labels: tuple[str, ...]
    """CORINE classes of the patch."""

    notes: tuple[str, ...]
    """What is odd about the pair."""


def write_real_catalog(folder: Path) -> tuple[Path, tuple[RealPlace, ...]]:
    """Writes GeoTIFFs, items, two collections and `catalog.json`, and returns its path with the places.

    Args:
        folder: Where to write; made where absent.

    Raises:
        ArchiveError: As `read_pairs`, or a raster is not where its labels say.
    """
    catalog = pystac.Catalog(id="bigearthnet-examples", description="Six real Sentinel-1/Sentinel-2 pairs of 1.2 km")
    items: dict[str, list[pystac.Item]] = {RADAR: [], OPTICAL: []}
    places = []
    for radar, optical in read_pairs():
        pair = [_write_item(folder, RADAR, radar), _write_item(folder, OPTICAL, optical)]
        for item in pair:
            items[str(item.collection_id)].append(item)
        places.append(_place(radar, optical, pair[1]))
    for collection_id, members in items.items():
        collection = _collection(collection_id, members)
        collection.add_items(members)
        catalog.add_child(collection)
    catalog.normalize_and_save(str(folder), catalog_type=pystac.CatalogType.SELF_CONTAINED)
    return folder / "catalog.json", tuple(places)


def _write_item(folder: Path, collection: str, patch: Patch) -> pystac.Item:
    target = folder / collection / patch.name
    target.mkdir(parents=True, exist_ok=True)
    assets, epsg = {}, None
    for band, data in patch.bands.items():
        with MemoryFile(data) as memory, memory.open() as source:
            if tuple(source.bounds) != patch.bounds:
                raise ArchiveError(
                    f"{patch.name} {band} must lie at {patch.bounds}, got {tuple(source.bounds)}; reinstall"
                )
            epsg = source.crs.to_epsg()
            copy_raster(source, target / f"{band}.tif", driver="COG", COMPRESS="DEFLATE", OVERVIEWS="NONE")
            assets[band] = _asset(band, source)
    assert epsg is not None, "a patch holds bands"
    geometry, bbox = _footprint(patch.bounds, epsg)
    properties = {"proj:code": f"EPSG:{epsg}"} | _properties(collection, patch)
    item = pystac.Item(
        id=patch.name, geometry=geometry, bbox=bbox, datetime=patch.time, properties=properties, collection=collection
    )
    item.stac_extensions.extend(EXTENSIONS)
    item.assets |= assets
    return item


def _asset(band: str, source: DatasetReader) -> pystac.Asset:
    fields: dict[str, Any] = {
        "bands": [{"name": band}],
        "data_type": source.dtypes[0],
        "proj:shape": list(source.shape),
        "proj:transform": list(source.transform)[:6],
        "gsd": source.res[0],
    }
    if band in {"VV", "VH"}:
        fields |= {"unit": "dB"}
    else:
        fields |= {"unit": "1", "nodata": 0, "raster:scale": 1e-4, "raster:offset": 0}
    roles = ["data"]
    return pystac.Asset(href=f"./{band}.tif", media_type=pystac.MediaType.COG, roles=roles, extra_fields=fields)


def _properties(collection: str, patch: Patch) -> dict[str, Any]:
    common: dict[str, Any] = {
        "platform": f"sentinel-{patch.name[1:3].lower()}",
        "license": LICENSE,
        "bigearthnet:labels": list(patch.labels),
        "bigearthnet:source": patch.source,
    }
    if patch.time_note:
        common["bigearthnet:time_note"] = patch.time_note
    if collection == RADAR:
        polarizations = sorted(patch.bands, reverse=True)
        return common | {
            "constellation": "sentinel-1",
            "instruments": ["c-sar"],
            "sar:instrument_mode": "IW",
            "sar:frequency_band": "C",
            "sar:polarizations": polarizations,
            "sar:product_type": "GRD",
        }
    match = re.search(r"_N(\d\d)(\d\d)_R(\d{3})_T(\w{5})_", patch.source)
    if match is None:
        raise ArchiveError(f"{patch.name} must name its source product in full, got {patch.source!r}; reinstall")
    return common | {
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "s2:processing_baseline": f"{match[1]}.{match[2]}",
        "sat:relative_orbit": int(match[3]),
        "grid:code": f"MGRS-{match[4]}",
    }


def _footprint(bounds: tuple[float, float, float, float], epsg: int) -> tuple[dict[str, Any], list[float]]:
    x_min, y_min, x_max, y_max = bounds
    to_degrees = Transformer.from_crs(epsg, 4326, always_xy=True)
    corners = [(x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max), (x_min, y_min)]
    ring = [[round(value, 7) for value in to_degrees.transform(*corner)] for corner in corners]
    longitudes, latitudes = zip(*ring, strict=True)
    bbox = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
    return {"type": "Polygon", "coordinates": [ring]}, bbox


def _collection(collection_id: str, items: list[pystac.Item]) -> pystac.Collection:
    boxes = [item.bbox for item in items if item.bbox is not None]
    times = [item.datetime for item in items if item.datetime is not None]
    kind = "surface reflectance x 10000" if collection_id == OPTICAL else "backscatter in dB"
    extent = pystac.Extent(
        pystac.SpatialExtent([list(box) for box in boxes]), pystac.TemporalExtent([[min(times), max(times)]])
    )
    return pystac.Collection(
        id=collection_id,
        description=f"Example patches of BigEarthNet-MM, {kind}, as published. {ATTRIBUTION}.",
        extent=extent,
        license=LICENSE,
    )


def _place(radar: Patch, optical: Patch, item: pystac.Item) -> RealPlace:
    if radar.bounds != optical.bounds:
        raise ArchiveError(
            f"the patches of a pair share their bounds, {radar.name} and {optical.name} do not; reinstall"
        )
    tile = str(item.properties["grid:code"]).removeprefix("MGRS-").lower()
    return RealPlace(
        name=f"real-{tile}-{optical.time:%Y%m%d}-{'-'.join(optical.name.rsplit('_', 2)[1:])}",
        epsg=int(str(item.properties["proj:code"]).removeprefix("EPSG:")),
        bounds=optical.bounds,
        start=min(radar.time, optical.time),
        end=max(radar.time, optical.time),
        labels=optical.labels,
        notes=tuple(f"{patch.name}: {patch.time_note}" for patch in (radar, optical) if patch.time_note),
    )
