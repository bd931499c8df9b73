"""Blending of overlapping windows: smooth weights, and the strip in which windows are summed in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipelines.inference.channels import FloatArray
    from pipelines.inference.forward import WindowAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRows:
    """Rows that no later window touches, blended."""

    top: int
    """First pixel row of the grid."""

    land_cover: FloatArray
    """Probability (class, y, x), NaN where no window with data lies."""

    change: FloatArray
    """Probability (split, change_class, y, x), NaN likewise."""

    novelty: FloatArray
    """Percent (1, y, x), NaN likewise; (0, y, x) where not asked."""


def window_weights(window: int, stride: int) -> FloatArray:
    """Returns the weight of each pixel of a window, float32 (y, x), in (0, 1].

    Separable: w(y) w(x) with w(i) = r(i) r(window - 1 - i) and the raised cosine r(i) = sin^2(pi/2 (i + 1/2) / n)
    over the first n = window - stride pixels, 1 behind them. Half-pixel centres keep the outermost weight above 0
    and make neighbours sum to 1 where two overlap.

    Args:
        window: Side in pixels.
        stride: Pixels between windows, 1 to `window`.
    """
    index = np.arange(window)
    overlap = window - stride
    ramp = np.ones(window)
    if overlap:
        ramp = np.sin(np.pi / 2 * np.minimum((index + 0.5) / overlap, 1.0)) ** 2
    line = ramp * ramp[::-1]
    return np.outer(line, line).astype(np.float32)


class Strip:
    """Weighted sums over the rows of one lattice row; slides down the grid.

    Windows must be added in the lattice's row-major order: floating-point sums depend on it, and so does the promise
    that a map is the same however the work is cut. Memory is (classes + splits x change classes + 1) float32 values
    for each of `window` x `width` pixels, whatever the height of the grid.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int],
        weights: FloatArray,
        num_classes: int,
        change: tuple[int, int],
        novelty: bool = False,
    ) -> None:
        """Starts an empty strip.

        Args:
            shape: (height, width) of the grid in pixels.
            weights: As `window_weights` gives them.
            num_classes: Land-cover classes, 0 where not asked.
            change: (splits, change classes), zeros where not asked.
            novelty: Whether it is asked.
        """
        self._shape = shape
        self._weights = weights
        rows = weights.shape[0]
        self._top = 0
        self._land_cover = np.zeros((num_classes, rows, shape[1]), dtype=np.float32)
        self._change = np.zeros((*change, rows, shape[1]), dtype=np.float32)
        self._novelty = np.zeros((int(novelty), rows, shape[1]), dtype=np.float32)
        self._weight = np.zeros((rows, shape[1]), dtype=np.float32)

    def start(self, top: int) -> None:
        """Begins at a pixel row, which may be negative; everything summed before is forgotten."""
        self._top = top
        for sums in (self._land_cover, self._change, self._novelty, self._weight):
            sums[...] = 0

    def add(self, answer: WindowAnswer) -> None:
        """Adds one window's probabilities, its window in the lattice row that the strip stands at.

        Raises:
            ValueError: The window belongs to another lattice row.
        """
        window = answer.window
        if window.top != self._top:
            raise ValueError(f"the strip stands at row {self._top}, got a window at {window.top}; add in lattice order")
        inside = window.inside(self._shape)
        rows = slice(inside.row - window.top, inside.row_stop - window.top)
        cols = slice(inside.col - window.left, inside.col_stop - window.left)
        to = (..., rows, slice(inside.col, inside.col_stop))
        weight = self._weights[rows, cols]
        self._land_cover[to] += answer.land_cover[..., rows, cols] * weight
        self._change[to] += answer.change[..., rows, cols] * weight
        self._novelty[to] += answer.novelty[..., rows, cols] * weight
        self._weight[to] += weight

    def finish(self, next_top: int) -> FinishedRows:
        """Returns the rows above `next_top` and slides there.

        Args:
            next_top: Pixel row of the next lattice row's windows; the grid's height (or more) after the last.
        """
        done = next_top - self._top
        skip = max(0, -self._top)
        rows = slice(skip, max(skip, min(done, self._shape[0] - self._top)))
        with np.errstate(invalid="ignore"):
            finished = FinishedRows(
                top=self._top + skip,
                land_cover=self._land_cover[:, rows] / self._weight[rows],
                change=self._change[:, :, rows] / self._weight[rows],
                novelty=self._novelty[:, rows] / self._weight[rows],
            )
        for sums in (self._land_cover, self._change, self._novelty, self._weight):
            kept = max(0, sums.shape[-2] - done)
            sums[..., :kept, :] = sums[..., sums.shape[-2] - kept :, :].copy()
            sums[..., kept:, :] = 0
        self._top = next_top
        return finished
