"""Rasters of one scene as lazy arrays on the grid: the one file that knows stackstac.

What stackstac is told, and why its defaults are not used (0.5.1):

- epsg, bounds and resolution of the grid, bounds not snapped: an item that only has `proj:code` raises without them.
- `rescale=False` and the file's own dtype: by default it applies the item's scale to float64.
- A fill value of the dtype: a plain Python int is refused for uint16.
- Minimal items made here: relative hrefs and `datetime: null` are not understood, and the box it drops rasters by comes
  from the item, right or not. Every raster is read through; `resampling.misses_grid` says what lies outside.
- No error read as nodata, and a reader of our own (see `reader`), which also leaves a nodata value that only the item
  declares out of bilinear weights.
- Chunks of a fixed size where a raster is warped, so that no value hangs on the chunks of the cube.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import dask.array as da
import dask.base
import stackstac
from rasterio.enums import Resampling as RasterioResampling

from pipelines.cube.reader import GridReader

if TYPE_CHECKING:
    from pipelines.cube.load import Pixels, Plane
    from pipelines.grid import Block, TargetGrid

WARP_CHUNK: Final = 512
"""Side in pixels of the windows in which a warped raster is read, from the upper left of the grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackReader:
    """Reads blocks of one scene by lazy arrays."""

    arrays: Mapping[str, da.Array]
    """By band, dims (y, x) of the grid."""

    @classmethod
    def of(cls, planes: Mapping[str, Plane], grid: TargetGrid, chunk: int) -> StackReader:
        """Returns the reader of planes.

        Args:
            planes: By band.
            grid: The target.
            chunk: Side of a lazy chunk in pixels.
        """
        alike: dict[str, list[str]] = {}
        for band, plane in planes.items():
            same = (plane.resampling, plane.dtype, plane.fill, plane.declared_nodata)
            alike.setdefault(repr(same), []).append(band)
        arrays: dict[str, da.Array] = {}
        for bands in alike.values():
            stacked = _stack({band: planes[band] for band in bands}, grid, chunk)
            arrays |= {band: stacked[index] for index, band in enumerate(bands)}
        return cls(arrays=arrays)

    def read(self, block: Block) -> dict[str, Pixels]:
        """Returns the pixels of a block by band.

        Raises:
            RasterUnreadable: A raster is missing, truncated or damaged.
        """
        lazy = (array[block.slices] for array in self.arrays.values())
        pixels = dask.base.compute(*lazy, scheduler="synchronous")  # type: ignore[no-untyped-call]
        return dict(zip(self.arrays, pixels, strict=True))


def _stack(planes: Mapping[str, Plane], grid: TargetGrid, chunk: int) -> da.Array:
    """Stacks planes that share resampling, dtype and nodata; dims (band, y, x)."""
    first = next(iter(planes.values()))
    item = {
        "id": "scene",
        "properties": {"datetime": "1970-01-01T00:00:00Z", "proj:epsg": grid.epsg, "proj:bbox": list(grid.bounds)},
        "assets": {band: {"href": plane.asset.href} for band, plane in planes.items()},
    }
    stacked = stackstac.stack(
        [item],
        assets=list(planes),
        epsg=grid.epsg,
        bounds=grid.bounds,
        resolution=grid.resolution,
        snap_bounds=False,
        resampling=RasterioResampling[first.resampling.method],
        chunksize=WARP_CHUNK if first.resampling.note else chunk,
        dtype=first.dtype,
        fill_value=first.dtype.type(first.fill),
        rescale=False,
        sortby_date=False,
        xy_coords=False,
        properties=False,
        band_coords=False,
        errors_as_nodata=(),
        reader=functools.partial(GridReader, nodata=first.declared_nodata, kernel_scale=first.resampling.kernel_scale),
    )
    lazy: da.Array = stacked.data[0]
    return lazy
