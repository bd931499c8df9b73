"""The medoid: the one observation that lies nearest to all the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRIP_VALUES: Final = 1 << 16
"""Pixels of a strip over all dates: the distances stay in the processor's cache."""


def medoid(values: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Returns which date is the medoid of the usable ones at each pixel, -1 where there is none.

    It minimises the sum of Euclidean distances over the bands to the other usable observations, so that the spectrum
    is one that was really seen (Flood 2013, doi:10.3390/rs5126481, section 2). A band that one of two observations
    lacks is left out of their distance, which is then scaled up to all bands. The earliest of equals is taken: of two
    observations, always the first.

    Args:
        values: (time, band, y, x), NaN where missing.
        usable: (time, y, x).

    Returns:
        (y, x) int16.
    """
    num_dates, _, height, width = values.shape
    chosen = np.empty((height, width), dtype=np.int16)
    rows = max(1, STRIP_VALUES // max(1, num_dates * width))
    for top in range(0, height, rows):
        strip = slice(top, top + rows)
        chosen[strip] = _medoid(values[:, :, strip], usable[:, strip])
    return chosen


def _medoid(values: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.int16]:
    num_dates = values.shape[0]
    total = np.zeros(usable.shape, dtype=np.float32)
    for first in range(num_dates):
        for second in range(first + 1, num_dates):
            distance = _distance(values[first], values[second])
            both = usable[first] & usable[second]
            np.add(total[first], distance, out=total[first], where=both)
            np.add(total[second], distance, out=total[second], where=both)
    total[~usable] = np.inf
    chosen: NDArray[np.int16] = total.argmin(axis=0).astype(np.int16)
    chosen[~usable.any(axis=0)] = -1
    return chosen


def _distance(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    squared = (first - second) ** 2
    missing = np.isnan(squared)
    distance: NDArray[np.float32]
    if not missing.any():
        distance = np.sqrt(squared.sum(axis=0))
        return distance
    num_bands, shared = squared.shape[0], (~missing).sum(axis=0)
    mean = np.where(missing, 0, squared).sum(axis=0) / np.maximum(shared, 1)
    # two observations without a common band cannot be compared: as far apart as can be, yet finite
    distance = np.where(shared > 0, np.sqrt(mean * num_bands), np.float32(1e6)).astype(np.float32)
    return distance
