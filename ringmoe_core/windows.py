"""How a token grid is padded, shifted and cut into windows, and which tokens of a window belong together.

Legend: N images, h, w token grid, D channels, X windows of an image, n tokens of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

MASKED = -1e4
"""Added to the score of a forbidden pair: finite, so that no row of a softmax is empty, and exactly zero after it."""

UNREAL = -1
"""Token and region of padding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """How a grid is padded, shifted and cut into windows; integers only."""

    grid: tuple[int, int]
    """Rows and columns of tokens."""

    window: tuple[int, int]
    """Rows and columns of a window, never more than the grid's."""

    shift: tuple[int, int]
    """Rows and columns by which windows are moved."""

    @property
    def padded(self) -> tuple[int, int]:
        """The grid rounded up to whole windows."""
        return self.grid[0] + -self.grid[0] % self.window[0], self.grid[1] + -self.grid[1] % self.window[1]

    @property
    def counts(self) -> tuple[int, int]:
        """Windows down and across."""
        return self.padded[0] // self.window[0], self.padded[1] // self.window[1]

    @property
    def num_tokens(self) -> int:
        """Tokens of a window."""
        return self.window[0] * self.window[1]

    @property
    def needs_mask(self) -> bool:
        """Whether some pair of tokens inside a window must not see each other."""
        return self.padded != self.grid or self.shift != (0, 0)


def plan_windows(grid: tuple[int, int], window: int, *, shifted: bool) -> WindowPlan:
    """The plan of a grid; a window shrinks to a smaller grid, and only grids larger than it are shifted."""
    rows, columns = min(window, grid[0]), min(window, grid[1])
    shift = tuple(side // 2 if shifted and size > side else 0 for size, side in zip(grid, (rows, columns), strict=True))
    return WindowPlan(grid=grid, window=(rows, columns), shift=(shift[0], shift[1]))


@lru_cache(maxsize=64)
def relative_index(window: tuple[int, int], largest: int) -> NDArray[np.int64]:
    """Row of the bias table for each pair of tokens, flat (n * n).

    The table of a window of side `largest` serves every smaller one: offsets are counted from its centre.
    """
    rows, columns = (axis.ravel() for axis in np.indices(window))
    down = rows[:, None] - rows[None, :] + largest - 1
    across = columns[:, None] - columns[None, :] + largest - 1
    return np.ascontiguousarray((down * (2 * largest - 1) + across).ravel())


@lru_cache(maxsize=64)
def window_tokens(plan: WindowPlan) -> NDArray[np.int32]:
    """Flat position in the grid of each token of each window, UNREAL for padding, (X, n)."""
    flat = np.full(plan.padded, UNREAL, dtype=np.int32)
    flat[: plan.grid[0], : plan.grid[1]] = np.arange(plan.grid[0] * plan.grid[1]).reshape(plan.grid)
    return _cut(np.roll(flat, (-plan.shift[0], -plan.shift[1]), (0, 1)), plan)


@lru_cache(maxsize=64)
def window_regions(plan: WindowPlan) -> NDArray[np.int32]:
    """Number of the part of its window that each token is in, (X, n); tokens of one part see each other.

    Padding is the part UNREAL; the edge that the shift wraps over divides the others.
    """
    row_part, column_part = (
        np.where(np.arange(size) < size - side, 0, np.where(np.arange(size) < size - move, 1, 2))
        if move
        else np.zeros(size, dtype=np.int64)
        for size, side, move in zip(plan.padded, plan.window, plan.shift, strict=True)
    )
    region = _cut((row_part[:, None] * 3 + column_part[None, :]).astype(np.int32), plan)
    return np.where(window_tokens(plan) == UNREAL, np.int32(UNREAL), region)


@lru_cache(maxsize=64)
def window_mask(plan: WindowPlan) -> NDArray[np.float32]:
    """0 for pairs that may see each other and MASKED for the rest, (X, n, n)."""
    region = window_regions(plan)
    return np.where(region[:, :, None] == region[:, None, :], 0.0, MASKED).astype(np.float32)


def shift_grid(values_NhwD: Tensor, plan: WindowPlan) -> Tensor:
    """A grid padded with zeros to whole windows and moved so that windows start at its corner."""
    rows, columns = plan.padded
    if plan.padded != plan.grid:
        values_NhwD = functional.pad(values_NhwD, (0, 0, 0, columns - plan.grid[1], 0, rows - plan.grid[0]))
    return values_NhwD if plan.shift == (0, 0) else values_NhwD.roll((-plan.shift[0], -plan.shift[1]), (1, 2))


def unshift_grid(values_NhwD: Tensor, plan: WindowPlan) -> Tensor:
    """What `shift_grid` was given, from what it made."""
    if plan.shift != (0, 0):
        values_NhwD = values_NhwD.roll(plan.shift, (1, 2))
    return values_NhwD if plan.padded == plan.grid else values_NhwD[:, : plan.grid[0], : plan.grid[1]]


def cut_tokens(values_Nhw: Tensor, plan: WindowPlan) -> Tensor:
    """One value a token, by windows: (N, X, n), zero for padding."""
    (down, across), N = plan.window, values_Nhw.shape[0]
    shifted = shift_grid(values_Nhw[..., None], plan)
    cut = shifted.reshape(N, plan.counts[0], down, plan.counts[1], across).transpose(2, 3)
    return cut.reshape(N, -1, plan.num_tokens)


def _cut(values: NDArray[np.int32], plan: WindowPlan) -> NDArray[np.int32]:
    (rows, columns), (down, across) = plan.padded, plan.window
    cut = values.reshape(rows // down, down, columns // across, across).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(cut.reshape(-1, down * across))
