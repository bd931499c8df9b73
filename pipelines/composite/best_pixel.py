"""The best observation of a period: far from clouds and near the middle of the period."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pipelines.schema import Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.composite.options import Weights

_CLOUDY = np.uint16(int(Reason.CLOUD | Reason.CLOUD_SHADOW | Reason.CIRRUS))


def best_pixel(
    clearance_px: NDArray[np.float32], usable: NDArray[np.bool_], age: NDArray[np.float64], weights: Weights
) -> NDArray[np.int16]:
    """Returns which date scores best at each pixel, -1 where none is usable; the earliest of equals.

    score = distance * min(d, D) / D + timing * (1 - |age|): d is the distance in pixels to the nearest cloud, cirrus or
    shadow of the same date, D `weights.reach_px`. After the pixel-based compositing of Griffiths et al. (2013),
    doi:10.1109/JSTARS.2012.2228167, with a ramp in place of its sigmoid.

    Args:
        clearance_px: (time, y, x) of `cloud_distance`.
        usable: (time, y, x).
        age: (time,) distance from the middle of the period over half its length, -1 to 1.
        weights: What counts how much.
    """
    score = np.full(usable.shape, -np.inf, dtype=np.float32)
    for date in range(usable.shape[0]):
        clear = clearance_px[date] / np.float32(weights.reach_px)
        timing = np.float32(weights.timing * (1 - abs(float(age[date]))))
        score[date] = np.where(usable[date], np.float32(weights.distance) * clear + timing, -np.inf)
    chosen: NDArray[np.int16] = score.argmax(axis=0).astype(np.int16)
    chosen[~usable.any(axis=0)] = -1
    return chosen


def cloud_distance(reason: NDArray[np.uint16], *, reach_px: int) -> NDArray[np.float32]:
    """Returns the distance in pixels from the nearest cloud, cirrus or shadow, at most `reach_px`.

    Args:
        reason: (y, x) bits of `Reason`; a distance depends on `reach_px` pixels around it.
        reach_px: Distance from which on it no longer counts, at least 1.
    """
    cloudy = (reason & _CLOUDY) != 0
    if not cloudy.any():
        return np.full(reason.shape, reach_px, dtype=np.float32)
    distance: NDArray[np.float64] = ndimage.distance_transform_edt(~cloudy)
    return np.minimum(distance, reach_px).astype(np.float32)
