"""Sunlight and shadow on the top surface of an aerial image.

Azimuth counts from north (up in the image) clockwise; the image's x is east, its y is south. A thing of height h throws
a shadow of length h / tan(elevation) on flat ground, away from the sun.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.simulate.vhr.materials import grain_table, rgb_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.simulate.texture import FloatArray
    from pipelines.simulate.vhr.canvas import Canvas

SKY_SHARE: Final = (0.15, 0.19, 0.26)
"""Diffuse part of the light on level ground in red, green and blue under a clear sky, rounded from Bird and Riordan
1986, doi:10.1175/1520-0450(1986)025<0087:SSSMFD>2.0.CO;2, at 30 to 60 degrees of sun elevation: shadows are dark and
bluish."""

CROWN_OPACITY: Final = 0.8
"""Share of the direct light that a crown in leaf takes (leaf area index of 3 at an extinction of 0.5)."""

LEAST_STEP_M: Final = 0.1
"""A blocker must stand so much higher than its shadow line: less is the roughness of one surface."""

STEEPEST: Final = 1.6
"""Largest ratio of the direct light on a slope to that on level ground: crowns and roofs are no mirrors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sun:
    """Where the light comes from."""

    azimuth_deg: float
    elevation_deg: float

    @property
    def towards(self) -> tuple[float, float, float]:
        """Unit vector to the sun: x right, y down, z up."""
        azimuth, elevation = math.radians(self.azimuth_deg), math.radians(self.elevation_deg)
        flat = math.cos(elevation)
        return math.sin(azimuth) * flat, -math.cos(azimuth) * flat, math.sin(elevation)


def draw_sun(rng: np.random.Generator) -> Sun:
    """Returns a sun of a survey flight: elevation 28 to 62 degrees, from the east over the south to the west."""
    return Sun(azimuth_deg=float(rng.uniform(100.0, 260.0)), elevation_deg=float(rng.uniform(28.0, 62.0)))


def cast_shadow(blocker_m: FloatArray, ground_m: FloatArray, scale: float, sun: Sun) -> NDArray[np.bool_]:
    """Returns where blockers keep the sun off (y, x).

    Args:
        blocker_m: Height of what throws shadows, 0 where nothing does.
        ground_m: Height of what may lie in the shadow.
        scale: Pixels per metre.
        sun: Direction of the light.
    """
    shadow = np.zeros(blocker_m.shape, dtype=bool)
    highest = float(blocker_m.max())
    if highest <= 0:
        return shadow
    x, y, z = sun.towards
    flat = math.hypot(x, y)
    step_m = 1.0 / scale
    fall = z / flat * step_m
    size_y, size_x = blocker_m.shape
    for number in range(1, int(highest / fall) + 2):
        dx, dy = round(number * x / flat), round(number * y / flat)
        if abs(dx) >= size_x or abs(dy) >= size_y:
            break
        here = (slice(max(-dy, 0), size_y - max(dy, 0)), slice(max(-dx, 0), size_x - max(dx, 0)))
        there = (slice(max(dy, 0), size_y - max(-dy, 0)), slice(max(dx, 0), size_x - max(-dx, 0)))
        line = ground_m[here] + np.float32(number * fall + LEAST_STEP_M)
        shadow[here] |= blocker_m[there] > line
    return shadow


def shade(canvas: Canvas, sun: Sun) -> FloatArray:
    """Returns the share of the direct light that is kept off (y, x): 1 behind solid things, less behind crowns."""
    trees = canvas.is_tree()
    crowns = np.where(trees, canvas.top_m, np.float32(0.0))
    solid = np.where(trees, np.float32(0.0), canvas.top_m)
    scale = canvas.frame.scale
    hard = cast_shadow(solid, canvas.top_m, scale, sun)
    soft = cast_shadow(crowns, canvas.top_m, scale, sun)
    return np.maximum(hard.astype(np.float32), np.float32(CROWN_OPACITY) * soft)


def lit_reflectance(canvas: Canvas, shaded: FloatArray, sun: Sun, grain: FloatArray) -> FloatArray:
    """Returns what leaves the surface towards the sensor as reflectance (3, y, x).

    Args:
        canvas: The top surface.
        shaded: Share of the direct light that is kept off, see `shade`.
        sun: Direction of the light.
        grain: Unit-variance noise (y, x), scaled by each material's own grain.
    """
    x, y, z = sun.towards
    slope_x, slope_y = canvas.slope_x, canvas.slope_y
    facing = (z - x * slope_x - y * slope_y) / np.sqrt(1.0 + slope_x**2 + slope_y**2)
    direct = np.clip(facing / z, 0.0, STEEPEST) * (1.0 - shaded)
    level = canvas.gain * np.exp(grain_table()[canvas.material] * grain)
    colour = rgb_table()[canvas.material]
    out = np.empty((3, *direct.shape), dtype=np.float32)
    for band, sky in enumerate(SKY_SHARE):
        out[band] = colour[..., band] * level * ((1.0 - sky) * direct + sky)
    return out
