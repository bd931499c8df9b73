"""Tiny scenes written as real GeoTIFFs, with their records as a search would give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from catalogs import Asset, Scene, SceneSet
from pipelines.grid import TargetGrid

GRID = TargetGrid(epsg=32631, resolution=10.0, x_min=664000.0, y_max=5612000.0, width=40, height=30)
FIRST = datetime(2021, 3, 1, 10, 50, 31, 24000, tzinfo=UTC)


def write_raster(path, pixels, *, epsg=GRID.epsg, corner=(GRID.x_min, GRID.y_max), size=10.0, nodata=None, **options):
    """Writes a north-up single-band GeoTIFF; corner is (x_min, y_max)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "dtype": pixels.dtype,
    }
    transform = Affine(size, 0.0, corner[0], 0.0, -size, corner[1])
    with rasterio.open(path, "w", crs=f"EPSG:{epsg}", transform=transform, nodata=nodata, **profile, **options) as file:
        file.write(pixels, 1)
    return str(path)


def digital_numbers(seed, shape=GRID.shape, low=200, high=6000):
    """Random digital numbers, none of them 0."""
    return np.random.default_rng(seed).integers(low, high, shape).astype("uint16")


def scene_of(scene_id, assets, *, sensor="sentinel-2-msi", time=FIRST, **facts):
    """A scene's record, a single acquisition."""
    collection = "sentinel-2-l2a" if sensor == "sentinel-2-msi" else "sentinel-1-grd"
    return Scene(
        id=scene_id,
        collection=collection,
        sensor=sensor,
        time=time,
        time_start=facts.pop("time_start", time),
        time_end=facts.pop("time_end", time),
        footprint=GRID.footprint_wgs84(),
        assets=tuple(sorted(assets, key=lambda asset: asset.band)),
        **facts,
    )


def optical_scene(folder, scene_id, *, day=0, bands=None, scl=None, nodata=0, seed=None, facts=None, **raster):
    """A Sentinel-2 scene with B02 and B04 of random numbers, or the given arrays."""
    seed = day if seed is None else seed
    bands = {"B02": digital_numbers(seed), "B04": digital_numbers(1000 + seed)} if bands is None else bands
    assets = [
        Asset(band=band, href=write_raster(Path(folder) / scene_id / f"{band}.tif", pixels, nodata=nodata, **raster))
        for band, pixels in bands.items()
    ]
    if scl is not None:
        href = write_raster(Path(folder) / scene_id / "SCL.tif", scl.astype("uint8"), **raster)
        assets.append(Asset(band="SCL", href=href))
    facts = {"offset_applied": True, "platform": "sentinel-2a", **(facts or {})}
    return scene_of(scene_id, assets, time=facts.pop("time", FIRST + timedelta(days=day)), **facts)


def radar_scene(folder, scene_id, *, day=0, bands=None, unit="1", nodata=float("nan"), facts=None, **raster):
    """A Sentinel-1 scene with VV and VH of random linear power, or the given arrays."""
    rng = np.random.default_rng(day)
    bands = {b: rng.gamma(4.0, 0.02, GRID.shape).astype("float32") for b in ("VV", "VH")} if bands is None else bands
    assets = [
        Asset(
            band=band,
            href=write_raster(Path(folder) / scene_id / f"{band}.tif", pixels, nodata=nodata, **raster),
            unit=unit,
            nodata=nodata,
            data_type=str(pixels.dtype),
        )
        for band, pixels in bands.items()
    ]
    facts = {"platform": "sentinel-1a", "orbit_direction": "ascending", "relative_orbit": 88, **(facts or {})}
    time = facts.pop("time", FIRST + timedelta(days=day, hours=6))
    return scene_of(scene_id, assets, sensor="sentinel-1-csar", time=time, **facts)


def scene_set(*scenes):
    """The answer of a search, in its order."""
    return SceneSet(scenes=tuple(sorted(scenes, key=lambda scene: (scene.time, scene.collection, scene.id))))


def truncate(href, share=0.5):
    """Cuts a file short, as a broken download does."""
    path = Path(href)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
