"""The fast reader: blocks of a scene by windows of its rasters, each warped at most once.

What stands on the grid's lattice is copied, larger pixels are repeated, whole numbers of smaller ones averaged; only
the rest is warped, by one map for all bands of a geometry. No value hangs on the block that it is read in: maps and
averages are anchored to the grid and the raster, never to the block.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipelines.cube.lattice import Lattice, lattice_of, read_copied
from pipelines.cube.raster_geometry import geometry_of
from pipelines.cube.resampling import covers_whole_pixels
from pipelines.cube.scratch import Scratch
from pipelines.cube.shrink import Shrink, read_shrunk
from pipelines.cube.tile_read import RasterPart, TileReader
from pipelines.cube.warp_read import Warp, read_warped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelines.cube.load import Pixels, Plane
    from pipelines.grid import Block, TargetGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneRead:
    """One raster and the way it comes to the grid."""

    part: RasterPart
    way: Lattice | Shrink | Warp


class Memory:
    """Scratch of each thread that reads; never sent to another process."""

    def __init__(self) -> None:
        self._local = threading.local()

    def __reduce__(self) -> tuple[type[Memory], tuple[()]]:
        return Memory, ()

    @property
    def scratch(self) -> Scratch:
        """That of this thread."""
        found: Scratch | None = getattr(self._local, "scratch", None)
        if found is None:
            found = self._local.scratch = Scratch()
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowReader:
    """Reads blocks of one scene from any thread."""

    grid: TargetGrid
    reads: Mapping[str, PlaneRead]
    """By band."""

    tiles: TileReader = field(default_factory=TileReader)
    memory: Memory = field(default_factory=Memory)

    @classmethod
    def of(cls, planes: Mapping[str, Plane], grid: TargetGrid) -> WindowReader:
        """Returns the reader of planes."""
        return cls(grid=grid, reads={band: plan_read(plane, grid) for band, plane in planes.items()})

    def read(self, block: Block) -> dict[str, Pixels]:
        """Returns the pixels of a block by band; not to be written to.

        Raises:
            RasterUnreadable: A raster is missing, truncated or damaged.
        """
        found: dict[str, Pixels] = {}
        alike: dict[Warp, list[str]] = {}
        for band, read in self.reads.items():
            if isinstance(read.way, Warp):
                alike.setdefault(read.way, []).append(band)
            elif isinstance(read.way, Lattice):
                found[band] = read_copied(self.tiles, read.part, read.way, block)
            else:
                rows, cols = (block.row, block.row_stop), (block.col, block.col_stop)
                found[band] = read_shrunk(self.tiles, read.part, read.way, rows, cols)
        for warp, bands in alike.items():
            parts = [self.reads[band].part for band in bands]
            scratch = self.memory.scratch
            warped = read_warped(self.tiles, parts, warp, grid=self.grid, block=block, scratch=scratch)
            found |= dict(zip(bands, warped, strict=True))
        return {band: found[band] for band in self.reads}


def plan_read(plane: Plane, grid: TargetGrid) -> PlaneRead:
    """Returns how a plane is read, decided from its header and its resampling alone."""
    header, resampling = plane.header, plane.resampling
    part = RasterPart(
        href=plane.asset.href,
        shape=header.shape,
        dtype=plane.dtype,
        fill=plane.fill,
        nodata=_other_nodata((header.nodata, plane.asset.nodata), plane.fill, plane.dtype),
    )
    geometry = plane.geometry or geometry_of(header, grid)
    if plane.geometry is None and resampling.method == "nearest" and covers_whole_pixels(header, grid):
        return PlaneRead(part=part, way=lattice_of(header, grid))
    if resampling.method == "average":
        a, _, c, _, e, f = header.transform
        row, col = round((grid.y_max - f) / e), round((grid.x_min - c) / a)
        return PlaneRead(part=part, way=Shrink(factor=round(grid.resolution / a), row=row, col=col))
    shrink = round(1 / resampling.kernel_scale) if resampling.method == "bilinear" else 1
    return PlaneRead(
        part=part, way=Warp(geometry=geometry, method=resampling.method, shape=header.shape, shrink=max(1, shrink))
    )


def _other_nodata(declared: Iterable[float | None], fill: float, dtype: np.dtype) -> tuple[float, ...]:
    """Returns values that stand for nothing besides the fill value, as far as the pixels' type holds them."""
    found = dict.fromkeys(float(value) for value in declared if value is not None)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return tuple(v for v in found if v != fill and v.is_integer() and limits.min <= v <= limits.max)
    return tuple(value for value in found if not np.isnan(value))
