"""Rectangles of whole pixels that a grid is cut into for work."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.grid.errors import GridError


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Block:
    """A rectangle of pixels within a grid."""

    row: int
    """First row, from 0."""

    col: int
    """First column, from 0."""

    height: int
    """Number of rows."""

    width: int
    """Number of columns."""

    def __post_init__(self) -> None:
        if self.row < 0 or self.col < 0 or self.height < 1 or self.width < 1:
            raise GridError(f"a block lies within its grid and holds a pixel, got {self}; clip it first")

    @property
    def row_stop(self) -> int:
        """First row below the block."""
        return self.row + self.height

    @property
    def col_stop(self) -> int:
        """First column right of the block."""
        return self.col + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the block in a (y, x) array."""
        return slice(self.row, self.row_stop), slice(self.col, self.col_stop)


def blocks(shape: tuple[int, int], size: int) -> tuple[Block, ...]:
    """Returns the blocks of a grid in row-major order; those at the far edges may be smaller.

    Args:
        shape: (height, width) of the grid in pixels.
        size: Side of a whole block in pixels.

    Raises:
        GridError: The grid is empty or the size is not positive.
    """
    height, width = shape
    if height < 1 or width < 1 or size < 1:
        raise GridError(f"shape and block size must be positive, got {shape} and {size}; check chunk and area")
    return tuple(
        Block(row=row, col=col, height=min(size, height - row), width=min(size, width - col))
        for row in range(0, height, size)
        for col in range(0, width, size)
    )
