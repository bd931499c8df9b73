"""One image out of the observations of a period, with what is left where none was usable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.composite.best_pixel import best_pixel
from pipelines.composite.mean import mean
from pipelines.composite.median import median
from pipelines.composite.medoid import medoid
from pipelines.schema import Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.composite.options import CompositeOptions

NO_SOURCE: Final = -1

_BADNESS: Final = (
    Reason.CLOUD_BUFFER,
    Reason.CIRRUS,
    Reason.SATURATED,
    Reason.BORDER,
    Reason.CLOUD_SHADOW,
    Reason.RADAR_SHADOW,
    Reason.LAYOVER,
    Reason.CLOUD,
)
"""From the least to the worst: of observations that are all unusable, the one whose worst reason is least is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """The dates of one period over one block, in order of time."""

    values: NDArray[np.float32]
    """(time, band, y, x), NaN where missing."""

    reason: NDArray[np.uint16]
    """(time, y, x)."""

    valid: NDArray[np.bool_]
    """(time, y, x)."""

    age: NDArray[np.float64]
    """(time,) distance from the middle of the period over half its length, -1 to 1."""

    clearance_px: NDArray[np.float32] | None = None
    """(time, y, x) distance to the nearest cloud, which the best pixel needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeImage:
    """What a period shows."""

    values: NDArray[np.float32]
    """(band, y, x). Where nothing was usable: the least bad observation, which `reason` names as unusable."""

    reason: NDArray[np.uint16]
    """(y, x) of the observation that was taken; of a mean or median, the bits that all usable ones share."""

    num_valid: NDArray[np.uint16]
    """(y, x): how many observations were usable."""

    source: NDArray[np.int16]
    """(y, x): index of the date that was taken, -1 for a mean or median and where there is no data."""


def composite_image(observations: Observations, options: CompositeOptions) -> CompositeImage:
    """Returns the composite of the observations of one period.

    Args:
        observations: At least one date.
        options: The method; its `halo_px` is the caller's to read and to cut off.
    """
    num_valid = observations.valid.sum(axis=0, dtype=np.uint16)
    fallback = least_bad(observations.reason)
    source = np.where(num_valid > 0, _source(observations, options), fallback).astype(np.int16)
    values, reason = _taken(observations, source)
    if options.method in {"mean", "median"}:
        average = mean if options.method == "mean" else median
        middle = average(observations.values, observations.valid)
        shared = np.bitwise_and.reduce(
            np.where(observations.valid, observations.reason, np.uint16(0xFFFF)), axis=0
        ).astype(np.uint16)
        seen = num_valid > 0
        values = np.where(seen, middle, values)
        reason = np.where(seen, shared, reason)
        source = np.where(seen, np.int16(NO_SOURCE), source)
    return CompositeImage(values=values, reason=reason, num_valid=num_valid, source=source)


def least_bad(reason: NDArray[np.uint16]) -> NDArray[np.int16]:
    """Returns which date has data and the least grave reason at each pixel, -1 where no date has data.

    Args:
        reason: (time, y, x) bits of `Reason`.
    """
    rank = np.zeros(reason.shape, dtype=np.uint8)
    for grade, bit in enumerate(_BADNESS, start=1):
        rank[(reason & np.uint16(int(bit))) != 0] = grade
    gone = np.uint16(int(Reason.NODATA | Reason.READ_FAILED | Reason.OUTSIDE_SWATH))
    worst = len(_BADNESS) + 1
    rank[(reason & gone) != 0] = worst
    chosen: NDArray[np.int16] = rank.argmin(axis=0).astype(np.int16)
    chosen[rank.min(axis=0) == worst] = NO_SOURCE
    return chosen


def _source(observations: Observations, options: CompositeOptions) -> NDArray[np.int16]:
    if options.method == "medoid":
        return medoid(observations.values, observations.valid)
    if options.method == "best-pixel":
        assert observations.clearance_px is not None, "the best pixel needs the distance to clouds"
        return best_pixel(observations.clearance_px, observations.valid, observations.age, options.weights)
    first: NDArray[np.int16] = observations.valid.argmax(axis=0).astype(np.int16)
    return first  # a mean or median only asks whether there is one


def _taken(observations: Observations, source: NDArray[np.int16]) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    index = np.maximum(source, 0).astype(np.intp)
    values = np.take_along_axis(observations.values, index[np.newaxis, np.newaxis], axis=0)[0]
    reason = np.take_along_axis(observations.reason, index[np.newaxis], axis=0)[0]
    nothing = source == NO_SOURCE
    everything = np.bitwise_or.reduce(observations.reason, axis=0)
    return (
        np.where(nothing, np.float32(np.nan), values),
        np.where(nothing, everything | np.uint16(int(Reason.NODATA)), reason).astype(np.uint16),
    )
