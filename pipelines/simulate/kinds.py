"""Kinds of surface: what each is made of, how it greens through the year and how it scatters C-band.

A land-cover class holds several kinds, and parcels of one class hold small inclusions of others. Days are days of the
year at 50 degrees north. Crop calendars: JRC MARS Crop Calendar and USDA FAS (north-west Europe). Land surface
phenology of grass and deciduous forest: MODIS MCD12Q2 ranges for Belgium and northern France.

Backscatter is sigma0 in dB near 38 degrees of incidence, bare and at full green cover, see `BACKSCATTER_SOURCES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BACKSCATTER_SOURCES: Final = (
    "Ulaby and Dobson 1989, Handbook of Radar Scattering Statistics for Terrain, C-band tables of soil, grass, shrubs, "
    "trees and roads; Vreugdenhil et al. 2018, Remote Sensing 10, 1396 and Khabbazan et al. 2019, Remote Sensing 11, 1887 "
    "(Sentinel-1 VV and VH of crops and grass through a season); Dostalova et al. 2018, Int. J. Remote Sensing 39, "
    "7738 (forest); Martinis and Rieke 2015, Remote Sensing 7, 7732 (open and flooded vegetation, water)"
)


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

    vv_bare: float = -11.5
    vv_full: float = -11.5
    vh_bare: float = -19.5
    vh_full: float = -18.0
    """Sigma0 in dB."""

    spread_db: float = 1.0
    """Standard deviation between parcels, dB."""

    grain_db: float = 1.2
    """Standard deviation between pixels of a parcel, the same on all dates, dB."""


KINDS: Final = (
    Kind(name="deciduous", green="broadleaf", dry="twigs", ground="loam", base=0.06, amplitude=0.86, start_day=115,
         end_day=298, ramp_days=7, dead=0.75, moist=0.3, vv_bare=-9.6, vv_full=-9.2, vh_bare=-14.6, vh_full=-14.6, spread_db=0.6),
    Kind(name="conifer", green="needleleaf", dry="twigs", ground="loam", base=0.86, amplitude=0.06, start_day=120, end_day=300,
         dead=0.6, moist=0.2, vv_bare=-10.0, vv_full=-9.8, vh_bare=-15.2, vh_full=-15.2, spread_db=0.6),
    Kind(name="shrub", green="broadleaf", dry="twigs", base=0.3, amplitude=0.45, start_day=108, end_day=295, dead=0.5,
         vv_bare=-10.8, vv_full=-10.4, vh_bare=-16.8, vh_full=-16.2),
    Kind(name="meadow", base=0.62, amplitude=0.3, start_day=85, end_day=305, day_spread=12, ramp_days=14, mowings=3, dead=0.35,
         vv_bare=-12.8, vv_full=-13.2, vh_bare=-19.6, vh_full=-19.2),
    Kind(name="pasture", base=0.58, amplitude=0.26, start_day=88, end_day=300, day_spread=14, ramp_days=16, mowings=1, dead=0.45,
         vv_bare=-12.8, vv_full=-13.0, vh_bare=-19.4, vh_full=-19.0),
    Kind(name="rough_grass", base=0.42, amplitude=0.34, start_day=105, end_day=280, day_spread=14, ramp_days=16, dead=0.7,
         vv_bare=-11.8, vv_full=-11.8, vh_bare=-18.4, vh_full=-17.6),
    Kind(name="winter_cereal", base=0.2, amplitude=0.64, start_day=82, end_day=188, day_spread=8, winter_cover=0.22, stubble=0.7,
         vv_bare=-10.8, vv_full=-14.0, vh_bare=-18.6, vh_full=-19.4),
    Kind(name="spring_cereal", base=0.04, amplitude=0.82, start_day=112, end_day=202, day_spread=8, winter_cover=0.35, stubble=0.7,
         vv_bare=-10.8, vv_full=-13.4, vh_bare=-18.8, vh_full=-18.8),
    Kind(name="rapeseed", base=0.34, amplitude=0.54, start_day=74, end_day=178, winter_cover=0.15, stubble=0.6,
         vv_bare=-10.8, vv_full=-10.0, vh_bare=-18.6, vh_full=-14.6),
    Kind(name="maize", base=0.03, amplitude=0.86, start_day=158, end_day=268, day_spread=9, winter_cover=0.3, stubble=0.45,
         vv_bare=-11.0, vv_full=-9.8, vh_bare=-18.8, vh_full=-15.4),
    Kind(name="root_crop", base=0.03, amplitude=0.90, start_day=148, end_day=284, day_spread=11, winter_cover=0.25, stubble=0.15,
         vv_bare=-10.8, vv_full=-9.4, vh_bare=-18.6, vh_full=-14.8),
    Kind(name="ley", base=0.5, amplitude=0.4, start_day=88, end_day=300, day_spread=12, ramp_days=12, mowings=3, dead=0.3,
         vv_bare=-12.0, vv_full=-12.2, vh_bare=-19.0, vh_full=-17.8),
    Kind(name="concrete_roof", ground="concrete", base=0.02, moist=0.1, dead=0.02, vv_bare=-4.5, vv_full=-6.0, vh_bare=-12.0,
         vh_full=-13.0, spread_db=1.5, grain_db=3.2),
    Kind(name="metal_roof", ground="metal_roof", base=0.01, moist=0.05, dead=0.02, vv_bare=-4.0, vv_full=-6.0, vh_bare=-12.0,
         vh_full=-13.0, spread_db=2.0, grain_db=3.5),
    Kind(name="tile_roof", ground="tile_roof", base=0.06, amplitude=0.08, moist=0.1, dead=0.05, vv_bare=-5.0, vv_full=-6.5,
         vh_bare=-12.2, vh_full=-13.0, spread_db=1.5, grain_db=3.2),
    Kind(name="dark_roof", ground="dark_roof", base=0.04, amplitude=0.05, moist=0.1, dead=0.05, vv_bare=-5.5, vv_full=-7.0,
         vh_bare=-12.8, vh_full=-13.5, spread_db=1.5, grain_db=3.2),
    Kind(name="asphalt", ground="asphalt", base=0.06, amplitude=0.06, moist=0.15, dead=0.05, vv_bare=-13.0, vv_full=-13.0,
         vh_bare=-20.5, vh_full=-20.0, grain_db=2.0),
    Kind(name="bare_loam", ground="loam", base=0.06, amplitude=0.10, start_day=120, end_day=270, dead=0.15, vv_bare=-11.8,
         vv_full=-12.0, vh_bare=-20.4, vh_full=-19.0, spread_db=1.4),
    Kind(name="bare_sand", ground="sand", base=0.05, amplitude=0.08, start_day=120, end_day=270, dead=0.12, vv_bare=-14.0,
         vv_full=-13.0, vh_bare=-22.0, vh_full=-20.0, spread_db=1.4),
    Kind(name="gravel", ground="gravel", base=0.04, amplitude=0.08, start_day=120, end_day=270, dead=0.06, vv_bare=-11.8,
         vv_full=-12.2, vh_bare=-20.0, vh_full=-19.0, spread_db=1.6, grain_db=1.8),
    Kind(name="clear_water", ground="clear_water", base=0.0, dead=0.0, moist=0.0, vv_bare=-19.0, vv_full=-14.0, vh_bare=-27.0,
         vh_full=-21.0, spread_db=0.3, grain_db=0.4),
    Kind(name="turbid_water", ground="turbid_water", base=0.0, dead=0.0, moist=0.0, vv_bare=-18.5, vv_full=-14.0, vh_bare=-26.5,
         vh_full=-21.0, spread_db=0.3, grain_db=0.4),
    Kind(name="weedy_water", green="leaf", ground="turbid_water", base=0.03, amplitude=0.42, start_day=140, end_day=280, dead=0.05,
         moist=0.0, vv_bare=-18.0, vv_full=-12.5, vh_bare=-26.0, vh_full=-19.5, spread_db=1.0),
    Kind(name="reed", green="reed", dry="straw", ground="turbid_water", base=0.10, amplitude=0.70, start_day=138, end_day=286,
         dead=0.60, moist=0.0, vv_bare=-11.0, vv_full=-9.8, vh_bare=-18.6, vh_full=-16.8, spread_db=1.2, grain_db=1.8),
    Kind(name="sedge", green="reed", dry="straw", ground="mud", base=0.26, amplitude=0.46, start_day=112, end_day=288, dead=0.55,
         moist=0.5, vv_bare=-10.4, vv_full=-10.2, vh_bare=-18.2, vh_full=-17.4, spread_db=1.2, grain_db=1.6),
    Kind(name="mud", ground="mud", base=0.06, amplitude=0.20, start_day=130, end_day=270, dead=0.1, moist=0.5, vv_bare=-13.5,
         vv_full=-12.5, vh_bare=-22.0, vh_full=-19.5, spread_db=1.4, grain_db=1.6),
)  # fmt: skip

KIND_NAMES: Final = tuple(kind.name for kind in KINDS)


def kind_index(name: str) -> int:
    """Returns the row of a kind in `KINDS`."""
    return KIND_NAMES.index(name)


COMPOSITION: Final[dict[int, dict[str, float]]] = {
    10: {"deciduous": 0.60, "conifer": 0.40},
    30: {"meadow": 0.45, "pasture": 0.35, "rough_grass": 0.20},
    40: {"winter_cereal": 0.34, "spring_cereal": 0.10, "rapeseed": 0.10, "maize": 0.24, "root_crop": 0.20, "ley": 0.02},
    50: {"concrete_roof": 0.18, "metal_roof": 0.12, "tile_roof": 0.34, "dark_roof": 0.16, "asphalt": 0.20},
    60: {"bare_loam": 0.42, "bare_sand": 0.38, "gravel": 0.20},
    80: {"clear_water": 0.55, "turbid_water": 0.45},
    90: {"reed": 0.50, "sedge": 0.50},
}
"""Main kinds of each land-cover class: the share of its parcels (of its pixels in a settlement)."""

INCLUSIONS: Final[dict[int, dict[str, float]]] = {
    10: {"rough_grass": 0.07, "shrub": 0.08, "bare_loam": 0.04, "sedge": 0.04, "meadow": 0.03},
    30: {
        "shrub": 0.06,
        "deciduous": 0.03,
        "bare_loam": 0.05,
        "sedge": 0.06,
        "ley": 0.05,
        "winter_cereal": 0.04,
        "gravel": 0.01,
    },
    40: {"rough_grass": 0.08, "meadow": 0.08, "bare_loam": 0.05, "mud": 0.03, "sedge": 0.02, "gravel": 0.01},
    50: {"meadow": 0.17, "deciduous": 0.12, "conifer": 0.04, "gravel": 0.07, "rough_grass": 0.05},
    60: {
        "rough_grass": 0.12,
        "shrub": 0.04,
        "mud": 0.05,
        "spring_cereal": 0.04,
        "concrete_roof": 0.02,
        "asphalt": 0.03,
    },
    80: {"weedy_water": 0.12, "mud": 0.04, "reed": 0.03},
    90: {"turbid_water": 0.10, "rough_grass": 0.08, "meadow": 0.06, "shrub": 0.05, "mud": 0.06},
}
"""Small patches (10 to 30 m) inside a class: what one pixel shows there is not what its surroundings are."""
