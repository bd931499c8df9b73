"""Which images of two modalities show one state of the ground.

Legend: B places, T, S dates of the two modalities, N places that have a pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ringmoe_core.series import Series

DAYS_PER_YEAR: Final = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class DatePairs:
    """One pair of images a place, at the places that have one."""

    row_N: Tensor
    """Index of the place."""

    first_N: Tensor
    """Date of the first modality."""

    second_N: Tensor
    """Date of the second."""


def nearest_dates(first: Series, second: Series, max_days: float) -> DatePairs:
    """For each place the two images that are nearest in time, where both have data and lie within `max_days`.

    Time is the age where both series have one, else the day of the year, which takes dates a year apart for the same.
    """
    gap_BTS = _gaps_days(first, second)
    usable_BTS = _live(first)[:, :, None] & _live(second)[:, None]
    # a hair more: three days held as a fraction of the year are not exactly three
    gap_BTS = torch.where(usable_BTS & (gap_BTS <= max_days + 1e-2), gap_BTS, torch.inf)
    least_B, flat_B = gap_BTS.flatten(1).min(1)
    row_N = torch.isfinite(least_B).nonzero()[:, 0]
    flat_N = flat_B[row_N]
    return DatePairs(
        row_N=row_N,
        first_N=torch.div(flat_N, second.num_dates, rounding_mode="floor"),
        second_N=flat_N % second.num_dates,
    )


def _gaps_days(first: Series, second: Series) -> Tensor:
    if first.age_BT is not None and second.age_BT is not None:
        return (first.age_BT[:, :, None] - second.age_BT[:, None]).abs().float() * DAYS_PER_YEAR
    gap = (first.day_BT[:, :, None] - second.day_BT[:, None]).abs().float()
    return torch.minimum(gap, 1 - gap) * DAYS_PER_YEAR


def _live(series: Series) -> Tensor:
    return series.valid_BTHW.flatten(2).any(-1) & series.present_BTC.any(-1)
