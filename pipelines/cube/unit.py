"""Units of work: a date of a group, cut into blocks of whole stored chunks.

Planning touches no array. A unit can be repeated without harm: it writes whole chunks, and no other unit writes them.
"""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass

from pipelines.grid import Block

_SAME_PX = 1e-6
"""Two edges nearer than this, in pixels of the cube, are one."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Unit:
    """One block of one date: what a worker reads, converts and writes in one go."""

    group: str
    """Group of the cube."""

    date: int
    """Index along time in the draft that is written."""

    block: Block
    """Whole chunks of the group's images."""

    def __post_init__(self) -> None:
        if not self.group or self.date < 0:
            raise ValueError(f"a unit lies in a group at an index from 0, got {self.group!r} and {self.date}; plan it")


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterTiling:
    """Where the inner tiles of a raster lie on the cube's grid: each can only be decoded as a whole."""

    height: float
    """Rows of a tile in pixels of the cube, a fraction where the raster's pixels are not those of the cube."""

    width: float
    """Columns, likewise."""

    row: float = 0.0
    """Row of any edge between two tiles, in pixels of the cube from the grid's first row; may be negative."""

    col: float = 0.0
    """Column, likewise."""

    def __post_init__(self) -> None:
        if not (self.height > 0 and self.width > 0):
            raise ValueError(f"a raster's tile holds a pixel, got {self.height} x {self.width}; read it from the file")


def plan_units(
    group: str,
    date: int,
    *,
    shape: tuple[int, int],
    chunk: int,
    side: int,
    tiling: RasterTiling | None = None,
) -> tuple[Unit, ...]:
    """Returns the units of a date in row-major order; together they cover the grid exactly once.

    Each is as large as `side` allows. Where edges of the raster's tiles fall on edges of chunks, the cuts are laid
    there, so that no tile is decoded by two units.

    Args:
        group: Group of the cube.
        date: Index along time.
        shape: (height, width) of the grid in pixels.
        chunk: Side of a stored chunk in pixels.
        side: Longest side of a unit in pixels; at least one chunk is taken, and whole chunks only.
        tiling: Inner tiles of the rasters to read, None where not known.

    Raises:
        ValueError: The grid is empty, or chunk or side are not positive.
    """
    height, width = shape
    if min(height, width, chunk, side) < 1:
        raise ValueError(f"shape, chunk and side are positive, got {shape}, {chunk} and {side}; check area and chunk")
    rows = _cuts(height, chunk, side, None if tiling is None else (tiling.height, tiling.row))
    cols = _cuts(width, chunk, side, None if tiling is None else (tiling.width, tiling.col))
    return tuple(
        Unit(group=group, date=date, block=Block(row=top, col=left, height=bottom - top, width=right - left))
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(cols)
    )


def smallest_blocks(block: Block, chunk: int) -> tuple[Block, ...]:
    """Returns the single chunks that a block of whole chunks is made of, in row-major order.

    Args:
        block: A unit's block: its first row and column are multiples of the chunk.
        chunk: Side of a stored chunk in pixels.
    """
    return tuple(
        Block(row=row, col=col, height=min(chunk, block.row_stop - row), width=min(chunk, block.col_stop - col))
        for row in range(block.row, block.row_stop, chunk)
        for col in range(block.col, block.col_stop, chunk)
    )


def _cuts(length: int, chunk: int, side: int, tiles: tuple[float, float] | None) -> tuple[int, ...]:
    """Returns the edges of the units along one axis, from 0 to its length."""
    most = max(chunk, side // chunk * chunk)
    aligned = _aligned_edges(length, chunk, tiles)
    cuts = [0]
    while cuts[-1] + most < length:
        end = cuts[-1] + most
        nearest = bisect.bisect_right(aligned, end) - 1
        cuts.append(aligned[nearest] if nearest >= 0 and aligned[nearest] > cuts[-1] else end)
    return (*cuts, length)


def _aligned_edges(length: int, chunk: int, tiles: tuple[float, float] | None) -> list[int]:
    """Returns the edges of chunks within an axis that are edges of tiles too."""
    if tiles is None:
        return []
    size, first = tiles
    offsets = ((edge, (edge - first) % size) for edge in range(chunk, length, chunk))
    return [edge for edge, offset in offsets if min(offset, size - offset) < _SAME_PX]
