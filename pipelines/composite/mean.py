"""The mean of the usable observations of a period: for radar, whose linear power may be averaged over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def mean(values: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Returns the mean over time, NaN where nothing is usable; sums are made in float64.

    Args:
        values: (time, band, y, x), linear, NaN where missing.
        usable: (time, y, x).

    Returns:
        (band, y, x) float32.
    """
    total = np.zeros(values.shape[1:], dtype=np.float64)
    count = np.zeros(values.shape[1:], dtype=np.uint16)
    for date in range(values.shape[0]):
        taken = usable[date] & ~np.isnan(values[date])
        np.add(total, values[date], out=total, where=taken)
        count += taken
    average = np.full(total.shape, np.nan)
    np.divide(total, count, out=average, where=count > 0)
    return average.astype(np.float32)
