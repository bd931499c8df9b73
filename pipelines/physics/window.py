"""Sums over a moving window that know what is missing, and give a pixel the same value whatever block it is read in.

Running sums (scipy's `uniform_filter`) are quicker for wide windows but carry rounding along the row: the same pixel of
two overlapping blocks differs in its last bits, and a chunk boundary shows. Here every pixel adds its own neighbours in
one fixed order, by doubling: a window of 7 takes 4 additions along each axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Number = TypeVar("Number", np.float64, np.complex128, np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Size of a moving window, odd along both axes, centred on its pixel."""

    height: int
    """Pixels along y: azimuth, in radar geometry."""

    width: int
    """Pixels along x: range, in radar geometry."""

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or self.height % 2 == 0 or self.width % 2 == 0:
            raise ValueError(
                f"a window is odd along both axes, got {self.height} x {self.width}; use one more or one less"
            )

    @property
    def size(self) -> int:
        """Pixels in a whole window."""
        return self.height * self.width


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMoments:
    """Mean and variance of the values present in the window of each pixel; NaN where none is present."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    """Mean of squares less square of the mean, never below 0."""

    count: NDArray[np.int32]
    """Values present."""


def window_sum(values: NDArray[Number], window: Window) -> NDArray[Number]:
    """Returns the sum over the window of each pixel; beyond the edge lies nothing, so windows there hold less.

    Args:
        values: (y, x), no NaN: put 0 where a value is missing.
        window: Its size.
    """
    rows, cols = window.height // 2, window.width // 2
    padded = np.pad(values, ((rows, rows), (cols, cols)))
    return _row_sum(_row_sum(padded, window.height).T, window.width).T


def local_moments(values: NDArray[np.floating], window: Window) -> LocalMoments:
    """Returns mean and variance around each pixel over the values that are present.

    Args:
        values: (y, x), NaN is missing.
        window: Its size.
    """
    present = ~np.isnan(values)
    filled = np.where(present, values, 0.0).astype(np.float64)
    count = window_sum(present.astype(np.int32), window)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 is NaN where no value is present
        mean = window_sum(filled, window) / count
        square = window_sum(filled * filled, window) / count
    return LocalMoments(mean=mean, variance=np.maximum(square - mean * mean, 0.0), count=count)


def _row_sum(padded: NDArray[Number], length: int) -> NDArray[Number]:
    """Sums `length` rows from each row on; the result has length - 1 rows less."""
    num = padded.shape[0] - length + 1
    total: NDArray[Number] | None = None
    power, reach, done = padded, 1, 0  # power[i] is the sum of `reach` rows from i on
    rest = length
    while rest:
        if rest & 1:
            part = power[done : done + num]
            total = part.copy() if total is None else total + part
            done += reach
        rest >>= 1
        if rest:
            power = power[:-reach] + power[reach:]
            reach *= 2
    assert total is not None
    return total
