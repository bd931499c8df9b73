"""Half windows along edges: the statistics that the refined Lee filter is made of.

Nine squares of 3 x 3 are laid into the window around a pixel. The strongest of four gradients between their means says
how an edge runs, and the middle square's nearer neighbour across it, on which side of the edge the pixel lies. Of the
eight halves of the window (four straight, four triangular, each with the middle line) that one is used.

Lee 1981, doi:10.1016/S0146-664X(81)80018-4, for a window of 7; other odd windows lay the squares at the same places of
the window, so that the outer ones touch its border.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from pipelines.physics.window import LocalMoments, Window, local_moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

Number = TypeVar("Number", np.float64, np.int16)

HALVES: Final = ("left", "right", "up", "down", "up_right", "down_left", "up_left", "down_right")
"""Which part of the window each half covers, the middle line or diagonal included."""

_SQUARE: Final = Window(height=3, width=3)


def half_window_moments(values: NDArray[np.float64], window: int) -> LocalMoments:
    """Returns mean and variance over the half window chosen at each pixel.

    Args:
        values: (y, x), NaN is missing.
        window: Side in pixels, odd, at least 5.
    """
    choice = choose_halves(values, window)
    absent = np.isnan(values)
    if absent.any():
        counts = _half_sums((~absent).astype(np.int16), window)
        values = np.where(absent, 0.0, values)
    else:
        counts = _whole_counts(values.shape, window)
    count = _chosen(counts, choice)
    with np.errstate(divide="ignore", invalid="ignore"):  # nothing present in the half: NaN
        mean = _chosen(_half_sums(values, window), choice) / count
        square = _chosen(_half_sums(values * values, window), choice) / count
    variance = np.maximum(square - mean * mean, 0.0)
    return LocalMoments(mean=mean, variance=variance, count=count.astype(np.int32))


def choose_halves(values: NDArray[np.float64], window: int) -> NDArray[np.int8]:
    """Returns for each pixel the index in HALVES of the half window on its side of the strongest edge.

    A square without any value counts as the middle one: what is missing is no edge. Of equal gradients the first of
    vertical, horizontal, falling and rising edge wins, and of equal sides the first of the pair.
    """
    squares = _square_means(values, (window - 3) // 2)
    (a, b, c), (d, e, f), (g, h, i) = squares
    gradients = np.abs(
        [c + f + i - (a + d + g), a + b + c - (g + h + i), b + c + f - (d + g + h), a + b + d - (f + h + i)]
    )
    direction = np.argmax(gradients, axis=0)
    pairs = ((d, f), (b, h), (c, g), (a, i))
    choice = np.zeros(values.shape, dtype=np.int8)
    for index, (first, second) in enumerate(pairs):
        here = direction == index
        choice[here] = 2 * index + (np.abs(second - e) < np.abs(first - e))[here]
    return choice


def _square_means(values: NDArray[np.float64], step: int) -> list[list[NDArray[np.float64]]]:
    """Means of the 3 x 3 squares around the pixel at -step, 0, +step along y and x, the middle where one is empty."""
    height, width = values.shape
    means = np.pad(local_moments(np.pad(values, 1, constant_values=np.nan), _SQUARE).mean, step, constant_values=np.nan)
    # padded by 1 so that a square whose centre lies just outside keeps the values that it touches
    middle = means[1 + step : 1 + step + height, 1 + step : 1 + step + width]
    rows = []
    for dy in (-step, 0, step):
        row = []
        for dx in (-step, 0, step):
            mean = means[1 + step + dy : 1 + step + dy + height, 1 + step + dx : 1 + step + dx + width]
            row.append(np.where(np.isnan(mean), middle, mean))
        rows.append(row)
    return rows


def _half_sums(values: NDArray[Number], window: int) -> list[NDArray[Number]]:
    """Sums over each of HALVES, by sums along rows that end or begin at every column of the window."""
    half = window // 2
    height, width = values.shape
    padded = np.pad(values, half)
    columns = [padded[:, j : j + width] for j in range(window)]
    first = [columns[0]]  # first[k]: columns 0 to k
    last = [columns[-1]]  # last[k]: columns -1 - k to -1
    for k in range(1, window):
        first.append(first[-1] + columns[k])
        last.append(last[-1] + columns[-1 - k])

    def stack(rows: list[NDArray[Number]]) -> NDArray[Number]:
        total = rows[0][:height].copy()
        for j, row in enumerate(rows[1:], start=1):
            total += row[j : j + height]
        return total

    whole = first[-1]
    up = [whole] * (half + 1)
    down = whole[half : half + height].copy()
    for j in range(half + 1, window):
        down += whole[j : j + height]
    return [
        stack([first[half]] * window),
        stack([last[half]] * window),
        stack(up),
        down,
        stack([last[window - 1 - j] for j in range(window)]),  # up_right: row j from column j on
        stack([first[j] for j in range(window)]),  # down_left: row j up to column j
        stack([first[window - 1 - j] for j in range(window)]),  # up_left
        stack([last[j] for j in range(window)]),  # down_right
    ]


@functools.lru_cache(maxsize=8)
def _whole_counts(shape: tuple[int, int], window: int) -> list[NDArray[np.int16]]:
    """Values in each half where none is missing: less only along the edges. Shared, never written to."""
    return _half_sums(np.ones(shape, dtype=np.int16), window)


def _chosen(sums: list[NDArray[Number]], choice: NDArray[np.int8]) -> NDArray[Number]:
    total = sums[0].copy()
    for index, candidate in enumerate(sums[1:], start=1):
        np.copyto(total, candidate, where=choice == index)
    return total
