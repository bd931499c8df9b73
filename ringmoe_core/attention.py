"""Self-attention inside windows of a token grid, with a learned bias for each relative position.

Legend: N images, h, w token grid, D channels, A heads, E channels of a head, X windows of an image, n tokens of a
window.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

MASKED = -1e4
"""Added to the score of a forbidden pair: finite, so that no row of a softmax is empty, and exactly zero after it."""


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
def window_mask(plan: WindowPlan) -> NDArray[np.float32]:
    """0 for pairs that may see each other and MASKED for the rest, (X, n, n).

    Tokens see each other when both are real, or both padding, and neither is across the edge that the shift wraps over.
    """
    (rows, columns), (down, across) = plan.padded, plan.window
    row_part, column_part = (
        np.where(np.arange(size) < size - side, 0, np.where(np.arange(size) < size - move, 1, 2))
        if move
        else np.zeros(size)
        for size, side, move in zip(plan.padded, plan.window, plan.shift, strict=True)
    )
    region = row_part[:, None] * 3 + column_part[None, :]
    real = np.zeros(plan.padded, dtype=bool)
    real[: plan.grid[0], : plan.grid[1]] = True
    region = np.where(np.roll(real, (-plan.shift[0], -plan.shift[1]), (0, 1)), region, -1)
    cut = region.reshape(rows // down, down, columns // across, across).transpose(0, 2, 1, 3).reshape(-1, down * across)
    return np.where(cut[:, :, None] == cut[:, None, :], 0.0, MASKED).astype(np.float32)


class WindowAttention(nn.Module):
    """Multi-head attention of each token to the tokens of its window."""

    def __init__(self, dim: int, head_dim: int, window: int, *, shifted: bool, kind: str = "bias") -> None:
        super().__init__()
        self.num_heads = dim // head_dim
        self.window = window
        self.shifted = shifted
        self.qkv = nn.Linear(dim, 3 * dim)
        self.projection = nn.Linear(dim, dim)
        self.bias_table_RA = nn.Parameter(torch.empty((2 * window - 1) ** 2, self.num_heads))

    def forward(self, tokens_NhwD: Tensor, live_Nhw: Tensor | None = None) -> Tensor:
        """Attended tokens, same shape."""
        N, h, w, D = tokens_NhwD.shape
        plan = plan_windows((h, w), self.window, shifted=self.shifted)
        (rows, columns), (down, across), (move_y, move_x) = plan.padded, plan.window, plan.shift
        if plan.padded != plan.grid:
            tokens_NhwD = functional.pad(tokens_NhwD, (0, 0, 0, columns - w, 0, rows - h))
        if plan.shift != (0, 0):
            tokens_NhwD = tokens_NhwD.roll((-move_y, -move_x), (1, 2))
        A = self.num_heads
        cut = (N, rows // down, down, columns // across, across, 3, A, D // A)
        query, key, value = self.qkv(tokens_NhwD).reshape(cut).permute(5, 0, 1, 3, 6, 2, 4, 7).flatten(5, 6)
        attended = self._attend(query, key, value, plan)  # (N, down, across, A, n, E)
        mixed_NhwD: Tensor = attended.reshape(*attended.shape[:4], *plan.window, D // A)
        mixed_NhwD = self.projection(mixed_NhwD.permute(0, 1, 4, 2, 5, 3, 6).reshape(N, rows, columns, D))
        if plan.shift != (0, 0):
            mixed_NhwD = mixed_NhwD.roll((move_y, move_x), (1, 2))
        if plan.padded != plan.grid:
            mixed_NhwD = mixed_NhwD[:, :h, :w]
        return mixed_NhwD

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, plan: WindowPlan) -> Tensor:
        """Attention on (N, down, across, A, n, E); windows join the heads' axis where each has its own mask."""
        shape = query.shape
        bias = self._bias(plan).to(query.dtype)
        if plan.needs_mask:
            mask_Xnn = torch.from_numpy(window_mask(plan)).to(bias)
            bias = (bias + mask_Xnn[:, None]).flatten(0, 1)  # (X A, n, n)
            query, key, value = (part.flatten(1, 3) for part in (query, key, value))
        else:
            query, key, value = (part.flatten(0, 2) for part in (query, key, value))
        if uses_fused_kernel(query, bias):
            result = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias[None])
        else:
            scores = torch.matmul(query * shape[-1] ** -0.5, key.transpose(-1, -2)) + bias
            result = torch.matmul(scores.softmax(-1), value)
        return result.reshape(shape)

    def _bias(self, plan: WindowPlan) -> Tensor:
        index = torch.from_numpy(relative_index(plan.window, self.window)).to(self.bias_table_RA.device)
        num = plan.window[0] * plan.window[1]
        return self.bias_table_RA.index_select(0, index).t().reshape(self.num_heads, num, num)


def uses_fused_kernel(query: Tensor, bias: Tensor) -> bool:
    """Whether the fused attention kernel is the faster one.

    On a CPU without matrix units it is for float32 and is not for bfloat16, and it has no gradient for a bias; on an
    accelerator it always is.
    """
    if query.device.type != "cpu":
        return True
    return query.dtype == torch.float32 and not (bias.requires_grad and torch.is_grad_enabled())
