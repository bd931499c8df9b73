"""One layer as a cloud-optimised GeoTIFF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.io import MemoryFile

from pipelines.publish.errors import PublishError
from pipelines.publish.flags import bits_of, flags_of, is_classes, nodata_of
from pipelines.publish.staging import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import xarray as xr

    from pipelines.grid import TargetGrid

BLOCK_PX: Final = 512
"""Side of an internal tile; layers larger than it get overviews until one fits."""

_OPAQUE: Final = 255
_PALETTE_DTYPE: Final = np.dtype("uint8")


def write_cog(layer: xr.DataArray, path: Path, *, grid: TargetGrid, tags: Mapping[str, str]) -> None:
    """Writes a layer (y, x) as a COG: tiles of 512, overviews, nodata, colour table, unit, AREA; in one step.

    Overviews take the most frequent value of classes, the nearest of bits and dates, the average of everything else.

    Args:
        layer: Values with the CF attributes of a product's layer; computed here where lazy.
        path: File to write or replace.
        grid: Where the pixels lie.
        tags: Metadata of the file: title, origin, licence.

    Raises:
        PublishError: Dims or size do not match the grid, the type is not one of GeoTIFF, or it cannot be written.
    """
    if layer.dims != ("y", "x") or layer.shape != grid.shape:
        raise PublishError(
            f"a COG is one layer (y, x) of {grid.shape}, got {layer.dims} {layer.shape}; write each layer"
        )
    if layer.dtype.kind not in "iuf" or layer.dtype.itemsize > 4:  # noqa: PLR2004 64-bit TIFF readers are rare
        raise PublishError(
            f"a COG holds integers or floats of up to 32 bits, got {layer.dtype}; convert {layer.name!r}"
        )
    with MemoryFile(ext=".tif") as target, _in_memory(layer, grid, tags) as source:
        rasterio.shutil.copy(source, target.name, driver="COG", **_options(layer))
        write_whole(path, bytes(target.getbuffer()))


def _in_memory(layer: xr.DataArray, grid: TargetGrid, tags: Mapping[str, str]) -> rasterio.io.DatasetWriter:
    """The layer as an open dataset in memory, with all its metadata."""
    dataset = rasterio.open(
        "",
        "w",
        driver="MEM",
        height=grid.height,
        width=grid.width,
        count=1,
        dtype=layer.dtype.name,
        crs=rasterio.CRS.from_epsg(grid.epsg),
        transform=rasterio.Affine(*grid.transform),
        nodata=nodata_of(layer),
    )
    dataset.write(layer.to_numpy(), 1)
    dataset.set_band_description(1, str(layer.attrs.get("long_name", layer.name)))
    if "units" in layer.attrs:
        dataset.set_band_unit(1, str(layer.attrs["units"]))
    if is_classes(layer) and layer.dtype == _PALETTE_DTYPE:
        dataset.write_colormap(
            1, {flag.value: (*flag.rgb, 0 if flag.is_nodata else _OPAQUE) for flag in flags_of(layer)}
        )
    dataset.update_tags(AREA_OR_POINT="Area", layer=str(layer.name), **tags)
    dataset.update_tags(1, **_flag_tags(layer))
    return dataset


def _flag_tags(layer: xr.DataArray) -> dict[str, str]:
    """The meaning of every value or bit, for readers without the STAC item."""
    listed = flags_of(layer) or bits_of(layer)
    tags = {f"flag_{flag.value}": flag.name for flag in listed}
    for name in ("reference_date", "comment"):
        if name in layer.attrs:
            tags[name] = str(layer.attrs[name])
    return tags


def _options(layer: xr.DataArray) -> dict[str, str | int]:
    if is_classes(layer):
        resampling = "MODE"
    else:
        resampling = "NEAREST" if bits_of(layer) or "reference_date" in layer.attrs else "AVERAGE"
    return {
        "BLOCKSIZE": BLOCK_PX,
        "COMPRESS": "DEFLATE",
        "PREDICTOR": "NO" if is_classes(layer) else "YES",
        "OVERVIEW_RESAMPLING": resampling,
        "NUM_THREADS": "ALL_CPUS",
    }
