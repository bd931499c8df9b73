"""Windows on one lattice anchored to the grid: what a model sees never depends on how work is cut."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.grid.block import Block, blocks
from pipelines.grid.errors import GridError


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A square of pixels at a place of the lattice; it may reach beyond the grid, there it is missing."""

    row: int
    """Index of the lattice row."""

    col: int
    """Index of the lattice column."""

    top: int
    """First pixel row, negative where the window starts above the grid."""

    left: int
    """First pixel column, negative where the window starts left of the grid."""

    size: int
    """Side in pixels."""

    def inside(self, shape: tuple[int, int]) -> Block:
        """Returns the part of the window that lies on a grid of (height, width) pixels."""
        row, col = max(self.top, 0), max(self.left, 0)
        height = min(self.top + self.size, shape[0]) - row
        return Block(row=row, col=col, height=height, width=min(self.left + self.size, shape[1]) - col)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowGroup:
    """Windows that go through the model as one batch, fixed by the lattice alone."""

    row: int
    col: int
    windows: tuple[Window, ...]
    """In row-major order of the lattice; fewer at the far edges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Windows of one size at one stride over a grid, the first starting (window - stride) // 2 before it.

    Each window answers best for its core, the central stride x stride pixels; the cores tile the plane from the
    grid's first pixel on, so that every pixel of the grid is covered.

    Example:
        On 200 pixels with windows of 128 at a stride of 96 the rows start at -16, 80 and 176.
    """

    height: int
    """Rows of the grid in pixels."""

    width: int
    """Columns of the grid in pixels."""

    window: int
    """Side of a window in pixels."""

    stride: int
    """Pixels from one window to the next, at most the window."""

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise GridError(f"a lattice covers at least one pixel, got {self.height} x {self.width}; check the grid")
        if not 1 <= self.stride <= self.window:
            raise GridError(f"stride must be 1 to window ({self.window}), got {self.stride}; choose a smaller stride")

    @property
    def rows(self) -> tuple[int, ...]:
        """First pixel row of each lattice row, ascending."""
        return self._starts(self.height)

    @property
    def cols(self) -> tuple[int, ...]:
        """First pixel column of each lattice column, ascending."""
        return self._starts(self.width)

    def windows(self) -> tuple[Window, ...]:
        """Returns all windows in row-major order."""
        num_cols = len(self.cols)
        return tuple(self._window(row, col) for row in range(len(self.rows)) for col in range(num_cols))

    def groups(self, size: int) -> tuple[WindowGroup, ...]:
        """Returns the windows in fixed groups of size x size lattice places, in row-major order.

        Args:
            size: Lattice rows and columns of a group.

        Raises:
            GridError: The size is not positive.
        """
        if size < 1:
            raise GridError(f"a group holds at least one window, got size {size}; use 1 or more")
        places = blocks((len(self.rows), len(self.cols)), size)
        return tuple(
            WindowGroup(
                row=place.row // size,
                col=place.col // size,
                windows=tuple(
                    self._window(row, col)
                    for row in range(place.row, place.row_stop)
                    for col in range(place.col, place.col_stop)
                ),
            )
            for place in places
        )

    def overlapping(self, block: Block) -> tuple[Window, ...]:
        """Returns the windows that share a pixel with a block, in row-major order."""
        rows = self._touching(block.row, block.row_stop, len(self.rows))
        cols = self._touching(block.col, block.col_stop, len(self.cols))
        return tuple(self._window(row, col) for row in rows for col in cols)

    def rows_complete_after(self, window_row: int) -> int:
        """Returns how many grid rows, from the top, no later window touches once lattice rows 0..window_row are done.

        Args:
            window_row: Index of the last lattice row done; -1 before the first.

        Raises:
            GridError: No such lattice row.
        """
        rows = self.rows
        if not -1 <= window_row < len(rows):
            raise GridError(
                f"window_row must be -1 to {len(rows) - 1}, got {window_row}; count lattice rows, not pixels"
            )
        if window_row == len(rows) - 1:
            return self.height
        return min(max(rows[window_row + 1], 0), self.height)

    @property
    def _first(self) -> int:
        return -((self.window - self.stride) // 2)

    def _starts(self, extent: int) -> tuple[int, ...]:
        return tuple(self._first + index * self.stride for index in range(-(-extent // self.stride)))

    def _touching(self, start: int, stop: int, count: int) -> range:
        """Indices of the windows along one axis that share a pixel with start..stop."""
        first = (start - self._first - self.window) // self.stride + 1
        last = (stop - self._first - 1) // self.stride
        return range(max(first, 0), min(last + 1, count))

    def _window(self, row: int, col: int) -> Window:
        top, left = self._first + row * self.stride, self._first + col * self.stride
        return Window(row=row, col=col, top=top, left=left, size=self.window)
