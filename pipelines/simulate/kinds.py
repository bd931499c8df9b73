"""Kinds of surface: what each is made of and how it greens through the year.

Days are days of the year at 50 degrees north, rounded from the crop calendars of JRC MARS and of USDA FAS for
north-west Europe; those of grass and forest from the ranges of the MODIS land surface phenology (MCD12Q2) there.
Green fractions are such that the greenness index of closed crops and grass peaks at 0.8 to 0.9 and that of winter
grass lies at 0.5 to 0.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of surface."""

    name: str
    green: str = "leaf"
    dry: str = "straw"
    ground: str = "loam"
    """Materials: green cover, dead or leafless cover, and what lies between and below."""

    base: float = 0.0
    """Green fraction outside the season."""

    amplitude: float = 0.0
    """Green fraction gained in the season."""

    start_day: float = 100.0
    end_day: float = 280.0
    """Days of half rise and half fall."""

    day_spread: float = 8.0
    """Standard deviation of the parcels' shifts of both days."""

    ramp_days: float = 9.0
    """Time scale of the logistic rise and fall."""

    winter_cover: float = 0.0
    """Chance that a parcel bears a catch crop (green 0.5) from the end of its season till the next ploughing."""

    mowings: int = 0
    """Mowings in a season, each halves the green cover."""

    dead: float = 0.1
    """Share of the non-green cover that is dead plants the year round."""

    stubble: float = 0.0
    """Share of the non-green cover that is straw for some weeks after the season."""

    moist: float = 1.0
    """How much the ground darkens with moisture, 0 for sealed surfaces and water."""


KINDS: Final = (
    Kind(name="deciduous", green="broadleaf", dry="twigs", base=0.06, amplitude=0.86, start_day=115, end_day=298,
         ramp_days=7, dead=0.75, moist=0.3),
    Kind(name="conifer", green="needleleaf", dry="twigs", base=0.86, amplitude=0.06, start_day=120, end_day=300,
         dead=0.6, moist=0.2),
    Kind(name="shrub", green="broadleaf", dry="twigs", base=0.3, amplitude=0.45, start_day=108, end_day=295,
         dead=0.5),
    Kind(name="meadow", base=0.62, amplitude=0.3, start_day=85, end_day=305, day_spread=12, ramp_days=14, mowings=3,
         dead=0.35),
    Kind(name="pasture", base=0.58, amplitude=0.26, start_day=88, end_day=300, day_spread=14, ramp_days=16, mowings=1,
         dead=0.45),
    Kind(name="rough_grass", base=0.42, amplitude=0.34, start_day=105, day_spread=14, ramp_days=16, dead=0.7),
    Kind(name="winter_cereal", base=0.2, amplitude=0.64, start_day=82, end_day=188, winter_cover=0.22, stubble=0.7),
    Kind(name="spring_cereal", base=0.04, amplitude=0.82, start_day=112, end_day=202, winter_cover=0.35, stubble=0.7),
    Kind(name="rapeseed", base=0.34, amplitude=0.54, start_day=74, end_day=178, winter_cover=0.15, stubble=0.6),
    Kind(name="maize", base=0.03, amplitude=0.86, start_day=158, end_day=268, day_spread=9, winter_cover=0.3,
         stubble=0.45),
    Kind(name="root_crop", base=0.03, amplitude=0.9, start_day=148, end_day=284, day_spread=11, winter_cover=0.25,
         stubble=0.15),
    Kind(name="ley", base=0.5, amplitude=0.4, start_day=88, end_day=300, day_spread=12, ramp_days=12, mowings=3,
         dead=0.3),
    Kind(name="concrete_roof", ground="concrete", base=0.02, dead=0.02, moist=0.1),
    Kind(name="metal_roof", ground="metal_roof", base=0.01, dead=0.02, moist=0.05),
    Kind(name="tile_roof", ground="tile_roof", base=0.06, amplitude=0.08, dead=0.05, moist=0.1),
    Kind(name="dark_roof", ground="dark_roof", base=0.04, amplitude=0.05, dead=0.05, moist=0.1),
    Kind(name="asphalt", ground="asphalt", base=0.06, amplitude=0.06, dead=0.05, moist=0.15),
    Kind(name="bare_loam", base=0.06, amplitude=0.1, start_day=120, end_day=270, dead=0.15),
    Kind(name="bare_sand", ground="sand", base=0.05, amplitude=0.08, start_day=120, end_day=270, dead=0.12),
    Kind(name="gravel", ground="gravel", base=0.04, amplitude=0.08, start_day=120, end_day=270, dead=0.06),
    Kind(name="clear_water", ground="clear_water", dead=0.0, moist=0.0),
    Kind(name="turbid_water", ground="turbid_water", dead=0.0, moist=0.0),
    Kind(name="weedy_water", ground="turbid_water", base=0.03, amplitude=0.42, start_day=140, dead=0.05, moist=0.0),
    Kind(name="reed", green="reed", ground="turbid_water", base=0.1, amplitude=0.7, start_day=138, end_day=286,
         dead=0.6, moist=0.0),
    Kind(name="sedge", green="reed", ground="mud", base=0.26, amplitude=0.46, start_day=112, end_day=288, dead=0.55,
         moist=0.5),
    Kind(name="mud", ground="mud", base=0.06, amplitude=0.2, start_day=130, end_day=270, moist=0.5),
)  # fmt: skip

KIND_NAMES: Final = tuple(kind.name for kind in KINDS)


def kind_index(name: str) -> int:
    """Returns the row of a kind in `KINDS`."""
    return KIND_NAMES.index(name)
