"""A product as a Zarr v3 group that plain xarray opens with its CRS, flags and types intact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from rasterio.crs import CRS
from zarr.codecs import BloscCodec

from pipelines.publish.placement import grid_of
from pipelines.publish.staging import whole_folder

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from pipelines.grid import TargetGrid

CHUNK_PX: Final = 512

CONVENTIONS: Final = tuple(
    {
        "uuid": uuid,
        "name": name,
        "schema_url": f"https://raw.githubusercontent.com/zarr-conventions/{name}/refs/tags/v0.1/schema.json",
        "spec_url": f"https://github.com/zarr-conventions/{name}/blob/v0.1/README.md",
        "description": description,
    }
    for uuid, name, description in (
        ("f17cb550-5864-4468-aeb7-f3180cfb622f", "proj", "Coordinate reference system information for geospatial data"),
        ("689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "spatial", "Spatial coordinate information"),
    )
)
"""The GeoZarr conventions that the attributes follow, as each asks to be declared (v0.1 of both)."""


def write_zarr(dataset: xr.Dataset, path: Path) -> None:
    """Writes a product as a plain Zarr v3 group without consolidated metadata, in one step.

    The CRS is said three times, for the three kinds of readers: CF (`spatial_ref`, named by `grid_mapping` of every
    variable and by `coordinates`), GDAL (`spatial_ref`, `GeoTransform`) and GeoZarr (`proj:`, `spatial:` on the group
    and on every array). No array has a `_FillValue`.

    Args:
        dataset: Layers (y, x) of a product, on an even grid.
        path: Folder to write or replace, its name ending in `.zarr`.

    Raises:
        PublishError: Not on a grid, or it cannot be written.
    """
    grid = grid_of(dataset)
    described = _described(dataset, grid)
    codec = BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")
    chunks = tuple(min(CHUNK_PX, size) for size in grid.shape)
    encoding: dict[str, dict[str, object]] = {
        str(name): {"compressors": codec, "chunks": chunks, "_FillValue": None} for name in described.data_vars
    }
    encoding |= {axis: {"_FillValue": None} for axis in ("x", "y")}
    with whole_folder(path) as draft:
        described.to_zarr(draft, mode="w", zarr_format=3, consolidated=False, encoding=encoding)


def _described(dataset: xr.Dataset, grid: TargetGrid) -> xr.Dataset:
    """The dataset with the CRS on everything, and no encoding from where it was read."""
    described = dataset.drop_encoding().copy()
    place = _place(grid)
    for array in described.data_vars.values():
        array.attrs = {**array.attrs, "grid_mapping": "spatial_ref", **place}
    a, b, c, d, e, f = grid.transform
    attrs = {
        **described["spatial_ref"].attrs,
        "crs_wkt": grid.crs_wkt,
        "spatial_ref": CRS.from_epsg(grid.epsg).to_wkt(),
        "GeoTransform": f"{c!r} {a!r} {b!r} {f!r} {d!r} {e!r}",
    }
    described = described.assign_coords(spatial_ref=((), np.int64(0), attrs))
    for axis in ("x", "y"):
        described[axis].attrs = {
            "standard_name": f"projection_{axis}_coordinate",
            "units": "m",
            "axis": axis.upper(),
            **described[axis].attrs,
        }
    conventions = {"zarr_conventions": list(CONVENTIONS), "spatial:registration": "pixel", "coordinates": "spatial_ref"}
    described.attrs = {**described.attrs, **place, **conventions}
    return described


def _place(grid: TargetGrid) -> dict[str, object]:
    return {
        "proj:code": f"EPSG:{grid.epsg}",
        "spatial:dimensions": ["y", "x"],
        "spatial:transform": list(grid.transform),
        "spatial:shape": list(grid.shape),
        "spatial:bbox": list(grid.bounds),
    }
