"""Rasters that stand on the lattice of the grid: their stored values are copied, larger pixels repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.cube.resampling import RasterHeader
    from pipelines.cube.tile_read import RasterPart, TileReader
    from pipelines.grid import Block, TargetGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of a raster on the grid."""

    first: int
    """Pixel of the grid where the raster begins; may be negative."""

    repeat: int
    """Pixels of the grid that a raster pixel covers."""

    def covered(self, start: int, stop: int, length: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Returns the raster pixels under pixels start..stop of the grid, and which of the latter they cover.

        Args:
            start: First pixel of the grid.
            stop: The one after the last.
            length: Of the raster in its own pixels.
        """
        inner = (max(start, self.first), min(stop, self.first + length * self.repeat))
        if inner[0] >= inner[1]:
            return (0, 0), (start, start)
        return ((inner[0] - self.first) // self.repeat, -(-(inner[1] - self.first) // self.repeat)), inner


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Both axes."""

    rows: Axis
    cols: Axis


def lattice_of(header: RasterHeader, grid: TargetGrid) -> Lattice:
    """Returns the place of a raster whose pixels cover whole pixels of the grid (`resampling.covers_whole_pixels`)."""
    a, _, c, _, e, f = header.transform
    return Lattice(
        rows=Axis(first=round((grid.y_max - f) / grid.resolution), repeat=round(-e / grid.resolution)),
        cols=Axis(first=round((c - grid.x_min) / grid.resolution), repeat=round(a / grid.resolution)),
    )


def read_copied(tiles: TileReader, part: RasterPart, lattice: Lattice, block: Block) -> NDArray[Any]:
    """Returns the pixels of a block as they are stored; not to be written to.

    Raises:
        RasterUnreadable: With the fault.
    """
    rows, inner_rows = lattice.rows.covered(block.row, block.row_stop, part.shape[0])
    cols, inner_cols = lattice.cols.covered(block.col, block.col_stop, part.shape[1])
    if rows[0] >= rows[1] or cols[0] >= cols[1]:
        return np.full((block.height, block.width), part.fill, dtype=part.dtype)
    pixels = tiles.window(part, rows, cols)
    pixels = _repeated(pixels, 0, lattice.rows, rows, inner_rows)
    pixels = _repeated(pixels, 1, lattice.cols, cols, inner_cols)
    if pixels.shape == (block.height, block.width):
        return pixels
    whole = np.full((block.height, block.width), part.fill, dtype=part.dtype)
    into_rows = slice(inner_rows[0] - block.row, inner_rows[1] - block.row)
    whole[into_rows, inner_cols[0] - block.col : inner_cols[1] - block.col] = pixels
    return whole


def _repeated(
    pixels: NDArray[Any], number: int, axis: Axis, own: tuple[int, int], inner: tuple[int, int]
) -> NDArray[Any]:
    if axis.repeat == 1:
        return pixels
    skip = inner[0] - axis.first - own[0] * axis.repeat
    wanted = slice(skip, skip + inner[1] - inner[0])
    repeated: NDArray[Any] = np.repeat(pixels, axis.repeat, axis=number)
    return repeated[wanted] if number == 0 else repeated[:, wanted]
