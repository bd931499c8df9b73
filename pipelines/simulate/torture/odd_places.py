"""Entries whose pixels lie where a simple program does not expect them, or nowhere at all."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from pipelines.simulate.torture.land import OPTICAL, RADAR
from pipelines.simulate.torture.outcome import skipped
from pipelines.simulate.torture.place import ANTIMERIDIAN, MAIN, ONE_PIXEL, Place
from pipelines.simulate.torture.studio import field_raster, transform_of

if TYPE_CHECKING:
    from pipelines.simulate.torture.draft import RasterDraft, SceneDraft
    from pipelines.simulate.torture.studio import Studio

MARGIN_M = 400.0
WARPED = "the file's own header places its pixels: they are brought to the grid within a fiftieth of a pixel"


def odd_places(studio: Studio) -> list[SceneDraft]:
    """Returns the entries of geometry."""
    return [*_other_grids(studio), *_two_zones(studio), *_no_place(studio), *_regions(studio)]


def _other_grids(studio: Studio) -> list[SceneDraft]:
    zone = studio.field("next-utm-zone", "the files lie in the next UTM zone", WARPED)
    half = studio.field("half-pixel-off", "the files' pixels lie half a pixel off the grid", WARPED)
    turned = studio.field("rotated", "the files are turned by 20 degrees", WARPED)
    south = studio.field("south-up", "the first row of the files is the southernmost", WARPED)
    grid = MAIN.grid
    centre = Affine.translation((grid.x_min + grid.bounds[2]) / 2, (grid.y_max + grid.bounds[1]) / 2)
    tilted = centre @ Affine.rotation(20.0) @ Affine.scale(10.0, -10.0) @ Affine.translation(-110, -110)
    upside = Affine(10.0, 0.0, grid.x_min, 0.0, 10.0, grid.bounds[1])
    moved = transform_of(MAIN, 10.0) @ Affine.translation(-10.5, -10.5)
    code = f"EPSG:{grid.epsg}"
    return [
        replace(zone, rasters=_in_crs("EPSG:32632", MAIN)),
        replace(half, rasters={band: field_raster(code, moved, (150, 150), band) for band in OPTICAL}),
        replace(turned, rasters={band: field_raster(code, tilted, (220, 220), band) for band in OPTICAL}),
        replace(south, rasters={band: field_raster(code, upside, grid.shape, band) for band in OPTICAL}),
    ]


def _in_crs(crs: str, place: Place) -> dict[str, RasterDraft]:
    """Returns files of the field in another CRS that cover a place."""
    from pyproj import Transformer

    bounds = Transformer.from_crs(place.grid.epsg, crs, always_xy=True).transform_bounds(*place.grid.bounds)
    west, north = (math.floor((bounds[0] - MARGIN_M) / 10) * 10.0, math.ceil((bounds[3] + MARGIN_M) / 10) * 10.0)
    shape = (round((north - bounds[1] + MARGIN_M) / 10), round((bounds[2] - west + MARGIN_M) / 10))
    transform = Affine(10.0, 0.0, west, 0.0, -10.0, north)
    return {band: field_raster(crs, transform, shape, band, place) for band in OPTICAL}


def _two_zones(studio: Studio) -> list[SceneDraft]:
    wrong = "two tiles of one pass lie in two UTM zones"
    west = studio.field("two-zones-west", wrong, "both are brought to one grid and make one date")
    kept = {
        band: replace(raster, pixels=np.ascontiguousarray(raster.pixels[:, :80]))
        for band, raster in west.rasters.items()
    }
    later = west.time + timedelta(seconds=14)
    east = replace(west, id="two-zones-east", time=later, rasters=_in_crs("EPSG:32632", MAIN), tile="32ULB")
    return [replace(west, rasters=kept, tile="31UFS"), east]


def _no_place(studio: Studio) -> list[SceneDraft]:
    def nowhere(name: str, wrong: str, right: str) -> SceneDraft:
        return studio.optical(name, wrong, right)

    gcps = tuple(
        (float(row), float(col), 5.0 + col * 1e-4, 50.7 - row * 1e-4) for row in (0, 64, 128) for col in (0, 64, 128)
    )
    raw = studio.radar("gcp-only-numbers", "a GRD in radar geometry, with control points only", "it is not calibrated")
    power = studio.radar("gcp-only-power", "power in radar geometry, with control points only", "it is not geocoded")
    counts = {band: (raster.pixels * 1000 + 1).astype("uint16") for band, raster in raw.rasters.items()}
    for band in RADAR:
        raw = raw.with_raster(band, pixels=counts[band], nodata=0, gcps=gcps)
    return [
        nowhere("no-crs", "the files name no CRS", "where their pixels lie is not known")
        .with_rasters(crs=None)
        .ends(skipped("unreadable", "CRS")),
        nowhere("degrees-for-metres", "the files say that their metres are degrees", "no such place exists")
        .with_rasters(crs="EPSG:4326")
        .ends(skipped("outside")),
        replace(raw, edit=_no_unit).ends(skipped("uncalibrated")),
        power.with_rasters(gcps=gcps).ends(skipped("unreadable")),
    ]


def _no_unit(item: dict[str, object], _: object) -> None:
    assets = item["assets"]
    assert isinstance(assets, dict)
    for asset in assets.values():
        del asset["unit"]


def _regions(studio: Studio) -> list[SceneDraft]:
    crossing = "the item reaches over the antimeridian"
    near = studio.field("antimeridian-zone-1", crossing, "180 degrees is no end of the world", place=ANTIMERIDIAN)
    far = studio.field(
        "antimeridian-zone-60",
        "the files lie west of the antimeridian in UTM zone 60, the region east of it in zone 1",
        WARPED,
        place=ANTIMERIDIAN,
    )
    pixel = studio.field("one-pixel", "the region is one pixel", "it has a value like any other", place=ONE_PIXEL)
    size = ONE_PIXEL.grid
    around = Affine(10.0, 0.0, size.x_min - 160.0, 0.0, -10.0, size.y_max + 160.0)
    pixels = {band: field_raster(f"EPSG:{size.epsg}", around, (64, 64), band, ONE_PIXEL) for band in OPTICAL}
    nothing = studio.field(
        "one-pixel-of-nodata", "the region is one pixel, and it is nodata", "there is nothing to use", place=ONE_PIXEL
    )
    empty = {band: replace(raster, pixels=_without(raster.pixels)) for band, raster in pixels.items()}
    return [
        near,
        replace(far, rasters=_in_crs("EPSG:32660", ANTIMERIDIAN)),
        replace(pixel, rasters=pixels),
        replace(nothing, rasters=empty).ends(skipped("all_nodata")),
    ]


def _without(pixels: np.ndarray) -> np.ndarray:
    changed = pixels.copy()
    changed[16, 16] = 0
    return changed
