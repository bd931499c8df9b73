"""Rasters of one scene as lazy arrays on the grid: the one file that knows the reader, stackstac.

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
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import dask.array as da
import dask.base
import numpy as np
import stackstac
from rasterio.enums import Resampling as RasterioResampling

from pipelines.cube.errors import ReadFailed
from pipelines.cube.raster_file import RasterUnreadable, open_raster
from pipelines.cube.reader import GridReader
from pipelines.cube.resampling import RasterHeader, Resampling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from catalogs.scenes import Asset
    from pipelines.grid import Block, TargetGrid

    Pixels: TypeAlias = NDArray[np.integer] | NDArray[np.floating]

WARP_CHUNK: Final = 512
"""Side in pixels of the windows in which a warped raster is read, from the upper left of the grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """One raster of a scene and how it is read."""

    asset: Asset
    header: RasterHeader
    resampling: Resampling

    @property
    def dtype(self) -> np.dtype:
        """Type it is read as: floats, uint8 and uint16 as they are, other integers as int32, complex as complex64."""
        if self.header.dtype.startswith("complex"):  # CInt16 is no type of numpy's
            return np.dtype("complex64")
        stored = np.dtype(self.header.dtype)
        return stored if stored.kind == "f" or stored in (np.dtype("uint8"), np.dtype("uint16")) else np.dtype("int32")

    @property
    def fill(self) -> float:
        """Value where the raster has none: NaN in floats, else the item's nodata, else the file's, else 0."""
        if self.dtype.kind in "fc":
            return math.nan
        declared = self.header.nodata if self.asset.nodata is None else self.asset.nodata
        return 0.0 if declared is None or not self._holds(declared) else float(declared)

    @property
    def declared_nodata(self) -> float | None:
        """The item's nodata where the raster's type can hold it, for a file that has none of its own."""
        nodata = self.asset.nodata
        return nodata if nodata is not None and self._holds(nodata) else None

    def _holds(self, number: float) -> bool:
        if self.dtype.kind in "fc":
            return True
        stored = np.dtype(self.header.dtype)
        limits = np.iinfo(stored)
        return math.isfinite(number) and limits.min <= number <= limits.max and number == int(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyScene:
    """The rasters of one scene on the grid; nothing is read before `read`."""

    scene_id: str
    planes: Mapping[str, Plane]
    """By band."""

    arrays: Mapping[str, da.Array]
    """By band, dims (y, x) of the grid."""

    def read(self, block: Block) -> dict[str, Pixels]:
        """Returns the pixels of a block by band, each of its plane's dtype.

        Raises:
            ReadFailed: A raster is missing, truncated or damaged.
        """
        names = list(self.arrays)
        lazy = (self.arrays[name][block.slices] for name in names)
        try:
            pixels = dask.base.compute(*lazy, scheduler="synchronous")  # type: ignore[no-untyped-call]
        except RasterUnreadable as error:
            band = next((band for band, plane in self.planes.items() if plane.asset.href == error.href), "")
            raise ReadFailed(
                scene_id=self.scene_id, href=error.href, cause=error.cause, fault=error.fault, band=band
            ) from error
        return dict(zip(names, pixels, strict=True))


def read_header(asset: Asset, scene_id: str) -> RasterHeader:
    """Returns what a raster file says of itself.

    Raises:
        ReadFailed: It cannot be opened, holds several bands or has no CRS.
    """
    try:
        with open_raster(asset.href) as raster:
            crs, count = raster.crs, raster.count
            header = RasterHeader(
                epsg=crs.to_epsg() if crs else None,
                crs=crs.to_string() if crs else "",
                transform=tuple(raster.transform)[:6],
                shape=(raster.height, raster.width),
                dtype=raster.dtypes[0],
                nodata=raster.nodata,
                tile=raster.block_shapes[0],
            )
    except RasterUnreadable as error:
        raise ReadFailed(
            scene_id=scene_id, href=asset.href, cause=error.cause, fault=error.fault, band=asset.band
        ) from error
    if count != 1:
        raise ReadFailed(scene_id=scene_id, href=asset.href, cause=f"a raster has one band, it has {count}")
    if not header.crs:
        raise ReadFailed(scene_id=scene_id, href=asset.href, cause="it has no CRS, so its place is not known")
    return header


def open_scene(scene_id: str, planes: Mapping[str, Plane], grid: TargetGrid, *, chunk: int) -> LazyScene:
    """Returns the rasters of a scene as lazy arrays on the grid.

    Args:
        scene_id: Id, for messages.
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
    return LazyScene(scene_id=scene_id, planes=planes, arrays=arrays)


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
