"""Reflectance of surfaces in red, green and blue, one table, with its sources.

Approximate, in steps of 0.005, at about 655, 555 and 475 nm; what lies between neighbouring objects and pixels is drawn
by the two spreads. Sources: as in `pipelines.simulate.spectra` (splib07: Kokaly et al. 2017, doi:10.3133/ds1035; Herold
et al. 2004, doi:10.1016/j.rse.2004.02.013 for roofs, roads and parking lots; Bukata et al. 1995 for water; PROSAIL for
plants), paints and plastics from the man-made chapter of splib07. Roofs, roads, soil and ripe crops overlap on purpose,
as do dark roofs, shadow, water and needleleaf.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One surface."""

    rgb: tuple[float, float, float]
    spread: float
    """Log-normal spread of the brightness between objects or patches."""

    grain: float
    """Log-normal spread between pixels of half a metre."""


_ROWS: Final = {
    #                 red    green  blue   spread grain
    "lawn":          (0.055, 0.080, 0.035, 0.22, 0.12),  # PROSAIL over soil
    "meadow":        (0.075, 0.090, 0.045, 0.25, 0.18),
    "dry_grass":     (0.135, 0.120, 0.070, 0.22, 0.14),  # splib07 dry grass and leaf
    "crop_green":    (0.045, 0.075, 0.032, 0.25, 0.10),
    "crop_pale":     (0.085, 0.105, 0.050, 0.22, 0.10),
    "crop_ripe":     (0.200, 0.160, 0.090, 0.18, 0.10),
    "soil":          (0.130, 0.100, 0.070, 0.25, 0.12),  # splib07 soil
    "sand":          (0.260, 0.205, 0.140, 0.20, 0.10),
    "gravel":        (0.200, 0.180, 0.150, 0.20, 0.16),  # splib07 limestone
    "mud":           (0.085, 0.072, 0.052, 0.20, 0.10),
    "asphalt":       (0.090, 0.088, 0.082, 0.28, 0.08),  # Herold
    "old_asphalt":   (0.155, 0.148, 0.135, 0.18, 0.09),
    "concrete":      (0.250, 0.235, 0.205, 0.16, 0.07),
    "paving":        (0.190, 0.165, 0.140, 0.18, 0.12),
    "marking":       (0.480, 0.480, 0.460, 0.10, 0.10),  # worn road paint
    "clear_water":   (0.020, 0.032, 0.035, 0.30, 0.08),  # Bukata
    "turbid_water":  (0.070, 0.080, 0.058, 0.22, 0.06),
    "green_water":   (0.035, 0.055, 0.035, 0.28, 0.08),
    "foam":          (0.300, 0.320, 0.320, 0.20, 0.30),
    "reed":          (0.080, 0.080, 0.045, 0.25, 0.22),
    "broadleaf":     (0.035, 0.058, 0.025, 0.26, 0.16),
    "needleleaf":    (0.025, 0.038, 0.020, 0.24, 0.16),
    "autumn_leaf":   (0.090, 0.072, 0.032, 0.26, 0.16),
    "tile_roof":     (0.180, 0.100, 0.072, 0.25, 0.08),  # Herold
    "brown_roof":    (0.115, 0.085, 0.068, 0.25, 0.08),
    "dark_roof":     (0.070, 0.068, 0.064, 0.28, 0.07),
    "grey_roof":     (0.165, 0.160, 0.150, 0.24, 0.07),
    "metal_roof":    (0.310, 0.305, 0.290, 0.22, 0.05),
    "white_roof":    (0.480, 0.470, 0.450, 0.14, 0.05),
    "gravel_roof":   (0.215, 0.195, 0.165, 0.20, 0.12),
    "green_roof":    (0.080, 0.090, 0.050, 0.22, 0.14),
    "glass":         (0.050, 0.055, 0.062, 0.20, 0.05),
    "white_paint":   (0.550, 0.550, 0.540, 0.10, 0.04),
    "silver_paint":  (0.300, 0.305, 0.310, 0.15, 0.04),
    "grey_paint":    (0.130, 0.132, 0.136, 0.20, 0.04),
    "black_paint":   (0.040, 0.040, 0.042, 0.25, 0.06),
    "red_paint":     (0.260, 0.055, 0.045, 0.20, 0.04),
    "blue_paint":    (0.050, 0.085, 0.200, 0.20, 0.04),
    "green_paint":   (0.055, 0.120, 0.075, 0.20, 0.04),
    "orange_paint":  (0.380, 0.180, 0.060, 0.15, 0.04),
    "wood_deck":     (0.210, 0.160, 0.105, 0.20, 0.10),
    "rust":          (0.170, 0.085, 0.055, 0.20, 0.12),
}  # fmt: skip

MATERIALS: Final = {name: Material(rgb=row[:3], spread=row[3], grain=row[4]) for name, row in _ROWS.items()}
MATERIAL_NAMES: Final = tuple(MATERIALS)

CAR_PAINTS: Final = {
    "white_paint": 0.26, "grey_paint": 0.20, "black_paint": 0.20, "silver_paint": 0.16, "blue_paint": 0.08,
    "red_paint": 0.07, "green_paint": 0.02, "orange_paint": 0.01,
}  # fmt: skip
"""Shares of colours of new cars, rounded from Axalta's Global Automotive Color Popularity Report 2022, Europe."""

HOUSE_ROOFS: Final = {"tile_roof": 0.34, "brown_roof": 0.22, "dark_roof": 0.22, "grey_roof": 0.18, "green_roof": 0.04}
HALL_ROOFS: Final = {
    "grey_roof": 0.26, "metal_roof": 0.22, "gravel_roof": 0.20, "white_roof": 0.14, "dark_roof": 0.14,
    "green_roof": 0.04,
}  # fmt: skip
"""Chosen, not counted: no survey of roofs by colour is at hand."""


def material_index(name: str) -> int:
    """Returns the row of a material in `MATERIAL_NAMES`."""
    return MATERIAL_NAMES.index(name)


def rgb_table() -> NDArray[np.float32]:
    """Returns reflectance (material, 3) in red, green, blue."""
    return np.array([material.rgb for material in MATERIALS.values()], dtype=np.float32)


def grain_table() -> NDArray[np.float32]:
    """Returns the spread between pixels (material,)."""
    return np.array([material.grain for material in MATERIALS.values()], dtype=np.float32)


def draw_gain(rng: np.random.Generator, name: str) -> float:
    """Returns a factor on the brightness of one object of a material."""
    return float(np.exp(rng.normal(0.0, MATERIALS[name].spread)))


def draw_material(rng: np.random.Generator, shares: dict[str, float]) -> str:
    """Returns a material in proportion to its share."""
    weights = np.array(list(shares.values()))
    return list(shares)[int(rng.choice(len(weights), p=weights / weights.sum()))]
