"""Small static catalogues of several sensors: real items, their files replaced by small made-up COGs."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS, Transformer

from catalogs import SceneQuery

if TYPE_CHECKING:
    from pipelines.grid import TargetGrid

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
"""The grid of MODIS land products: a sphere, no EPSG code."""

LANDSAT_BANDS = {
    "coastal": "SR_B1", "blue": "SR_B2", "green": "SR_B3", "red": "SR_B4", "nir08": "SR_B5", "swir16": "SR_B6",
    "swir22": "SR_B7",
}  # fmt: skip


def write_cog(path, pixels, *, crs, corner, size, nodata=None):
    """Writes a tiled GeoTIFF with its north-west corner at (x, y)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=pixels.shape[0], width=pixels.shape[1], dtype=pixels.dtype,
        crs=crs, transform=Affine(size, 0, corner[0], 0, -size, corner[1]), nodata=nodata, tiled=True,
        blockxsize=64, blockysize=64, compress="deflate",
    ) as file:  # fmt: skip
        file.write(pixels, 1)
    return path


def ring_of(crs, corner, size, shape):
    """The outline of a raster in degrees."""
    x, y = corner
    xs = [x, x + size * shape[1], x + size * shape[1], x, x]
    ys = [y, y, y - size * shape[0], y - size * shape[0], y]
    lon, lat = Transformer.from_crs(CRS.from_user_input(crs), 4326, always_xy=True).transform(xs, ys)
    return [[float(a), float(b)] for a, b in zip(lon, lat, strict=True)]


def place(item, *, crs, corner, size, shape):
    """Moves an item to where its raster lies."""
    ring = ring_of(crs, corner, size, shape)
    item["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    lons, lats = zip(*ring, strict=True)
    item["bbox"] = [min(lons), min(lats), max(lons), max(lats)]
    item["links"] = []
    item["properties"].pop("proj:transform", None)
    item["properties"].pop("proj:shape", None)
    return item


def landsat_numbers(seed, shape):
    """Digital numbers over the valid range of the product, with some below zero reflectance and some fill."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(7273, 43636, shape).astype("uint16")
    numbers[0, :3] = (1, 65535, 0)
    return numbers


def landsat_item(folder, original, *, crs="EPSG:32613", corner=(449085.0, 4581915.0), shape=(40, 50), bands=None,
                 qa=None, radsat=None):  # fmt: skip
    """Writes a Landsat item of real form with small rasters of its own; returns its document."""
    item = place(copy.deepcopy(original), crs=crs, corner=corner, size=30, shape=shape)
    item["properties"]["proj:epsg"] = CRS.from_user_input(crs).to_epsg()
    assets = item["assets"]
    planes = {"qa_pixel": np.full(shape, 21824, "uint16") if qa is None else qa,
              "qa_radsat": np.zeros(shape, "uint16") if radsat is None else radsat,
              "lwir11": np.full(shape, 44000, "uint16")}  # fmt: skip
    for seed, key in enumerate(LANDSAT_BANDS):
        planes[key] = landsat_numbers(seed, shape) if bands is None else bands[key]
    item["assets"] = {}
    for key, pixels in planes.items():
        nodata = assets[key]["raster:bands"][0].get("nodata")
        path = write_cog(folder / item["id"] / f"{key}.tif", pixels, crs=crs, corner=corner, size=30, nodata=nodata)
        item["assets"][key] = {**assets[key], "href": f"./{path.name}"}
    return item


def modis_item(folder, item_id, *, corner, shape=(24, 24), state=None, bands=None, collection="modis-09A1-061"):
    """Writes an item of an 8-day composite on the sinusoidal grid; returns its document."""
    size = 463.3127165279165
    rng = np.random.default_rng(7)
    item = place(
        {
            "type": "Feature", "stac_version": "1.0.0", "id": item_id, "collection": collection,
            "properties": {
                "datetime": None, "start_datetime": "2021-06-10T00:00:00Z", "end_datetime": "2021-06-17T23:59:59Z",
                "platform": "terra", "instruments": ["modis"], "proj:epsg": None,
            },
            "assets": {},
        },
        crs=SINUSOIDAL, corner=corner, size=size, shape=shape,
    )  # fmt: skip
    names = ("sur_refl_b01", "sur_refl_b02")
    made_up = {name: rng.integers(-100, 16000, shape).astype("int16") for name in names}
    planes = made_up if bands is None else dict(bands)
    if state is not None:
        planes["sur_refl_state_500m"] = state
    for key, pixels in planes.items():
        nodata = 65535 if key.endswith("500m") else -28672
        path = write_cog(
            folder / item_id / f"{key}.tif", pixels, crs=SINUSOIDAL, corner=corner, size=size, nodata=nodata
        )
        raster = {"data_type": str(pixels.dtype), "nodata": nodata}
        if not key.endswith("500m"):
            raster |= {"scale": 0.0001}
        item["assets"][key] = {"href": f"./{path.name}", "raster:bands": [raster], "roles": ["data"]}
    return item


def write_catalog(folder, *items):
    """Writes items beside their files and a catalogue that links to them; returns its path."""
    folder = Path(folder)
    links = []
    for item in items:
        path = folder / item["id"] / "item.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(item))
        links.append({"rel": "item", "href": f"./{item['id']}/item.json"})
    document = {"type": "Catalog", "id": "made", "stac_version": "1.0.0", "description": "made", "links": links}
    path = folder / "catalog.json"
    path.write_text(json.dumps(document))
    return path


def query_of(grid: TargetGrid, *collections, years=(2000, 2030)):
    """Everything of the collections over a grid."""
    return SceneQuery(
        bbox=grid.bbox_wgs84(),
        footprint=grid.footprint_wgs84(),
        start=datetime(years[0], 1, 1, tzinfo=UTC),
        end=datetime(years[1], 1, 1, tzinfo=UTC),
        collections=collections,
    )


def values_of(path):
    """A raster's first band as stored."""
    with rasterio.open(path) as file:
        return file.read(1)
