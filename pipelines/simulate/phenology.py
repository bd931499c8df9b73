"""How green each pixel is on a day: double logistic seasons, catch crops, mowing and straw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from pipelines.simulate.cover import Cover, Season, kind_map

if TYPE_CHECKING:
    from pipelines.simulate.texture import FloatArray

DAYS_A_YEAR = 365.25
MOWN_SHARE = 0.40
REGROWTH_DAYS = 22.0
PLOUGH_LEAD_DAYS = 35.0
STUBBLE_DAYS = 38.0
"""Straw lies for some five weeks after harvest (France and Belgium, stubble cultivation)."""

LAST_HARVEST_DAY = 225.0
SOWN_DAY = 300.0
"""Fields harvested before mid August lie fallow until winter crops emerge at the end of October."""

LIMIT = 0.97


@dataclass(frozen=True, slots=True, kw_only=True)
class Fractions:
    """Cover fractions (y, x) that add up to one."""

    green: FloatArray
    dry: FloatArray
    ground: FloatArray


def fractions(cover: Cover, day: float) -> Fractions:
    """Returns green, dry and bare fractions on a day of the year (1 to 366).

    The dry fraction is dead plants the year round plus straw for some weeks after harvest, both as a share of what is
    not green.
    """
    green = green_cover(cover.season, day)
    dead = kind_map("dead", cover.kind)
    after = np.float32(1.0) * day - cover.season.end_day
    straw = _logistic((after + 5.0) / 5.0) * _logistic((STUBBLE_DAYS - after) / 6.0)
    share = np.minimum(dead + kind_map("stubble", cover.kind) * straw, np.float32(0.95))
    dry = (np.float32(1.0) - green) * share
    return Fractions(green=green, dry=dry, ground=np.float32(1.0) - green - dry)


def green_cover(season: Season, day: float) -> FloatArray:
    """Returns the green fraction (y, x) on a day of the year, within 0 to 0.97.

    A double logistic in the day (Beck et al. 2006, doi:10.1016/j.rse.2005.10.021) over a base, plus a catch crop from
    autumn until it is ploughed in before the next season, times recovery from the last mowings and the pixel's vigour.
    """
    rise = _logistic((day - season.start_day) / season.ramp_days)
    fall = _logistic((day - season.end_day) / season.ramp_days)
    regrown = np.float32(special.expit((day - SOWN_DAY) / 9.0))
    fallow = np.where(season.end_day < LAST_HARVEST_DAY, fall - np.minimum(fall, regrown), np.float32(0.0))
    green = season.base * (1.0 - fallow) + season.amplitude * (rise - fall)
    sown = _logistic((day - season.end_day - 62.0) / 9.0)
    kept = _logistic((season.start_day - PLOUGH_LEAD_DAYS - day) / 5.0)
    green = green + season.winter_cover * np.maximum(sown, kept)
    for mown_day in season.mowing_days:
        since = np.float32(day) - mown_day
        green = green * np.where(since > 0, 1.0 - MOWN_SHARE * np.exp(-np.maximum(since, 0) / REGROWTH_DAYS), 1.0)
    return np.asarray(np.clip(green * season.vigour, 0.0, LIMIT), dtype=np.float32)


def _logistic(value: FloatArray) -> FloatArray:
    return np.asarray(special.expit(value), dtype=np.float32)
