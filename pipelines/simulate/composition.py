"""Which kinds of surface a land-cover class is made of, and which small patches it encloses."""

from __future__ import annotations

from typing import Final

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
    80: {"weedy_water": 0.10, "mud": 0.02, "reed": 0.02},
    90: {"turbid_water": 0.10, "rough_grass": 0.08, "meadow": 0.06, "shrub": 0.05, "mud": 0.06},
}
"""Small patches (10 to 30 m) inside a class: what one pixel shows there is not what its surroundings are."""

NEW_INCLUSIONS: Final[dict[int, dict[str, float]]] = INCLUSIONS | {
    50: {"bare_loam": 0.12, "gravel": 0.08, "meadow": 0.12},
}
"""The same just after a change: a new quarter has yards and lawns, its trees are yet to grow."""
