"""Rasters of one scene on the grid: what is read, and by which reader.

`windows` reads whole tiles by a reader of our own (`window_read`); `stackstac` goes by lazy arrays of Dask
(`lazy_stack`) and is the slower second opinion. Values that stand on the grid's lattice are the same bit for bit;
warped ones differ as `docs/reading.md` says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from pipelines.cube.checksum import require_as_stated
from pipelines.cube.errors import ReadFailed
from pipelines.cube.raster_file import RasterUnreadable, open_raster
from pipelines.cube.resampling import RasterHeader, Resampling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from catalogs.scenes import Asset
    from pipelines.cube.options import ReaderName
    from pipelines.cube.raster_geometry import RasterGeometry
    from pipelines.grid import Block, TargetGrid

    Pixels: TypeAlias = NDArray[np.integer] | NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """One raster of a scene and how it is read."""

    asset: Asset
    header: RasterHeader
    resampling: Resampling
    geometry: RasterGeometry | None = None
    """Where the grid falls on it, for a raster that no affine transform places; None goes by the header."""

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
    def stored_nodata(self) -> float | None:
        """Number that stands for nothing among the pixels as they are read: NaN aside, in floats the item's alone."""
        return self.asset.nodata if self.dtype.kind == "f" else self.fill

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


class BlockReader(Protocol):
    """Reads blocks of the planes of one scene, from any thread; can be sent to another process."""

    def read(self, block: Block) -> dict[str, Pixels]:
        """Returns the pixels of a block by band; raises RasterUnreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyScene:
    """The rasters of one scene on the grid; nothing is read before `read`."""

    scene_id: str
    planes: Mapping[str, Plane]
    """By band."""

    reader: BlockReader
    reader_name: ReaderName

    def read(self, block: Block) -> dict[str, Pixels]:
        """Returns the pixels of a block by band, each of its plane's dtype; not to be written to.

        Raises:
            ReadFailed: A raster is missing, truncated or damaged.
        """
        try:
            return self.reader.read(block)
        except RasterUnreadable as error:
            band = next((band for band, plane in self.planes.items() if plane.asset.href == error.href), "")
            raise ReadFailed(
                scene_id=self.scene_id, href=error.href, cause=error.cause, fault=error.fault, band=band
            ) from error


def read_header(asset: Asset, scene_id: str) -> RasterHeader:
    """Returns what a raster file says of itself.

    Raises:
        ReadFailed: It cannot be opened, holds several bands or has no CRS.
    """
    try:
        require_as_stated(asset)
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
        raise _unfit(asset, scene_id, f"a raster has one band, it has {count}")
    if not header.crs:
        raise _unfit(asset, scene_id, "it has no CRS, so its place is not known")
    return header


def _unfit(asset: Asset, scene_id: str, cause: str) -> ReadFailed:
    return ReadFailed(scene_id=scene_id, href=asset.href, cause=cause, fault="unfit", band=asset.band)


def open_scene(
    scene_id: str, planes: Mapping[str, Plane], grid: TargetGrid, *, chunk: int, reader: ReaderName = "windows"
) -> LazyScene:
    """Returns the rasters of a scene ready to be read on the grid.

    Args:
        scene_id: Id, for messages.
        planes: By band.
        grid: The target.
        chunk: Side of a lazy chunk in pixels; `windows` has none.
        reader: Who reads.

    Raises:
        ValueError: `stackstac` is to read a raster that no affine transform places.
    """
    if reader == "windows":
        from pipelines.cube.window_read import WindowReader

        return LazyScene(scene_id=scene_id, planes=planes, reader=WindowReader.of(planes, grid), reader_name=reader)
    placed = [band for band, plane in planes.items() if plane.geometry is not None]
    if placed:
        raise ValueError(f"stackstac reads rasters with an affine transform, {scene_id} {placed} has none; use windows")
    from pipelines.cube.lazy_stack import StackReader

    return LazyScene(scene_id=scene_id, planes=planes, reader=StackReader.of(planes, grid, chunk), reader_name=reader)
