"""Drafts to files: GeoTIFFs, item documents, truth."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rasterio
from rasterio.control import GroundControlPoint

from pipelines.simulate.item import ASSET_KEYS, COLLECTIONS, GEOTIFF
from pipelines.simulate.torture.draft import RasterDraft, SceneDraft, TileSpan
from pipelines.simulate.torture.fault import FROM_LAST_TILE, FaultRule

if TYPE_CHECKING:
    from collections.abc import Iterable

HALF_TURN: Final = 180.0
STATED: Final = {
    "s2": {
        "platform": "sentinel-2a",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "sat:relative_orbit": 51,
        "sat:orbit_state": "descending",
        "eo:cloud_cover": 2.0,
    },
    "s1": {
        "platform": "sentinel-1a",
        "constellation": "sentinel-1",
        "instruments": ["c-sar"],
        "sat:relative_orbit": 88,
        "sat:orbit_state": "ascending",
        "sar:instrument_mode": "IW",
        "sar:frequency_band": "C",
        "sar:product_type": "GRD",
        "sar:polarizations": ["VV", "VH"],
    },
}


def write_scene(draft: SceneDraft, folder: Path) -> tuple[FaultRule, ...]:
    """Writes the files and the item of a draft below a catalogue's folder; returns the server's rules for them."""
    name = f"{COLLECTIONS[draft.group]}/{draft.folder or draft.id}"
    home = folder / name
    home.mkdir(parents=True)
    for band, raster in draft.rasters.items():
        write_raster(home / f"{band}.tif", raster)
    document = item_document(draft)
    if draft.edit is not None:
        draft.edit(document, {band: (home / f"{band}.tif").read_bytes() for band in draft.rasters})
    text = json.dumps(document, indent=1)
    path = home / f"{home.name}.json"
    path.write_text(draft.text(text) if draft.text is not None else text, encoding="utf-8")
    return tuple(_placed(rule, name, home) for rule in draft.rules)


def _placed(rule: FaultRule, name: str, home: Path) -> FaultRule:
    start = last_tile(home / rule.path).start if rule.from_byte == FROM_LAST_TILE else 0
    return rule.placed(name, start)


def write_raster(path: Path, raster: RasterDraft) -> None:
    """Writes a tiled GeoTIFF, then does to its bytes what the draft says."""
    pixels = raster.pixels if raster.pixels.ndim == 3 else raster.pixels[None]  # noqa: PLR2004 band, y, x
    place: dict[str, Any] = {"transform": raster.transform}
    if raster.crs is not None:
        place["crs"] = raster.crs
    if raster.gcps:
        points = [GroundControlPoint(row, col, x, y) for row, col, x, y in raster.gcps]
        place = {"gcps": points, "crs": "EPSG:4326"}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=pixels.shape[0],
        height=pixels.shape[1],
        width=pixels.shape[2],
        dtype=pixels.dtype,
        nodata=raster.nodata,
        compress="DEFLATE",
        tiled=True,
        blockxsize=raster.block,
        blockysize=raster.block,
        **place,
    ) as file:
        file.write(pixels)
    if raster.damage is not None:
        content = path.read_bytes()
        path.write_bytes(raster.damage(content, last_tile(path)))


def last_tile(path: Path) -> TileSpan:
    """Returns where the last inner tile of a GeoTIFF's first band lies."""
    with rasterio.open(path) as file:
        rows, cols = file.block_shapes[0]
        name = f"{(file.width - 1) // cols}_{(file.height - 1) // rows}"
        start = int(file.get_tag_item(f"BLOCK_OFFSET_{name}", "TIFF", bidx=1))
        size = int(file.get_tag_item(f"BLOCK_SIZE_{name}", "TIFF", bidx=1))
    return TileSpan(start=start, stop=start + size)


def item_document(draft: SceneDraft) -> dict[str, Any]:
    """Returns the item of a draft as parsed JSON."""
    ring = draft.ring or draft.place.grid.footprint_wgs84()
    geometry, bbox = outline(ring)
    stated: dict[str, Any] = {
        "datetime": draft.time.isoformat().replace("+00:00", "Z"),
        **STATED[draft.group],
        "proj:code": f"EPSG:{draft.place.grid.epsg}",
        "s2:processing_baseline": draft.baseline or None,
        "earthsearch:boa_offset_applied": draft.flag,
        "grid:code": f"MGRS-{draft.tile}" if draft.tile else None,
    }
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": draft.id,
        "collection": COLLECTIONS[draft.group],
        "geometry": geometry,
        "bbox": bbox,
        "properties": {name: value for name, value in stated.items() if value is not None},
        "links": [
            {"rel": "root", "href": "../../catalog.json"},
            {"rel": "parent", "href": "../collection.json"},
            {"rel": "collection", "href": "../collection.json"},
        ],
        "assets": {ASSET_KEYS[band]: _asset(draft, band) for band in draft.rasters},
    }


def _asset(draft: SceneDraft, band: str) -> dict[str, Any]:
    raster = draft.rasters[band]
    fields: dict[str, Any] = {
        "href": f"./{band}.tif",
        "type": GEOTIFF,
        "roles": ["data"],
        "data_type": str(raster.pixels.dtype),
        "proj:shape": list(raster.pixels.shape[-2:]),
        "proj:transform": list(raster.transform)[:6],
        "bands": [{"name": band}],
    }
    if raster.nodata is not None:
        fields["nodata"] = "nan" if math.isnan(raster.nodata) else raster.nodata
    if draft.group == "s1":
        fields["unit"] = "1"
    elif band != "SCL":
        fields["raster:scale"] = 1e-4
        if draft.declared_offset is not None:
            fields["raster:offset"] = draft.declared_offset
    return fields


def outline(ring: Iterable[tuple[float, float]]) -> tuple[dict[str, Any], list[float]]:
    """Returns geometry and bbox of a ring, cut at the antimeridian where it crosses (RFC 7946, sections 3.1.9 and 5.2).

    Args:
        ring: (longitude, latitude), longitudes beyond 180 on the far side.
    """
    import shapely
    from shapely import affinity

    whole = shapely.Polygon(list(ring))
    west, south, east, north = whole.bounds
    if east <= HALF_TURN:
        return shapely.geometry.mapping(whole), [west, south, east, north]
    sides = [shapely.box(-HALF_TURN, -90, HALF_TURN, 90), shapely.box(HALF_TURN, -90, 3 * HALF_TURN, 90)]
    # a curved edge may touch the meridian beside: slivers without area are left out
    near, far = (max(shapely.get_parts(whole.intersection(side)), key=shapely.area) for side in sides)
    geometry = shapely.geometry.mapping(shapely.MultiPolygon([near, affinity.translate(far, xoff=-2 * HALF_TURN)]))
    return geometry, [west, south, east - 2 * HALF_TURN, north]


def write_truth(draft: SceneDraft, folder: Path) -> tuple[str, str] | None:
    """Writes the truth of a draft; returns the paths of values and reasons within the catalogue's folder."""
    if draft.truth is None:
        return None
    folder.joinpath("truth").mkdir(exist_ok=True)
    names = f"truth/{draft.id}.tif", f"truth/{draft.id}_reason.tif"
    grid = draft.place.grid
    for name, pixels, nodata in (
        (names[0], draft.truth.values, float("nan")),
        (names[1], draft.truth.reason[None], None),
    ):
        with rasterio.open(
            folder / name,
            "w",
            driver="GTiff",
            count=pixels.shape[0],
            height=grid.height,
            width=grid.width,
            dtype=pixels.dtype,
            nodata=nodata,
            crs=f"EPSG:{grid.epsg}",
            transform=rasterio.Affine(*grid.transform),
            compress="DEFLATE",
        ) as file:
            file.write(pixels)
    return names
