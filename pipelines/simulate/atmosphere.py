"""What the air does to an optical scene: clouds, their shadows, cirrus, haze, and a scene classification that errs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.simulate.spectra import CIRRUS, CLOUD, HAZE
from pipelines.simulate.texture import FloatArray, fractal_field, uniform

if TYPE_CHECKING:
    from pipelines.simulate.landscape import BoolArray, ByteArray

NODATA, DARK, SHADOW, VEGETATION, BARE, WATER, UNCLASSIFIED = 0, 2, 3, 4, 5, 6, 7
CLOUD_MEDIUM, CLOUD_HIGH, THIN_CIRRUS = 8, 9, 10
"""SCL values of a Level-2A product."""

CLEAR_CHANCE = 0.35
CIRRUS_CHANCE = 0.25
STRIP_CHANCE = 0.10
MISSED = (0.05, 0.15)
"""Share of clouds and shadows that the classification misses; Tarrio et al. 2020 (Sen2Cor omission of 5 to 15 %),
doi:10.1016/j.srs.2020.100010."""

CLOUD_BASE_M = (700.0, 2200.0)
SHADOW_DEPTH = 0.62
"""Share of light that a thick cloud takes away; the rest is sky light."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Atmosphere:
    """State of the air over the region on a date, all (y, x) and 0 to 1."""

    cloud: FloatArray
    """Opacity of clouds."""

    shadow: FloatArray
    """Share of the direct light taken by clouds."""

    cirrus: FloatArray
    haze: FloatArray
    missing: BoolArray
    """Outside the swath."""

    missed: BoolArray
    """Where the classification does not see cloud, cirrus or shadow."""


def make_atmosphere(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    cloud_cover: tuple[float, float],
    sun_azimuth_deg: float,
    sun_elevation_deg: float,
) -> Atmosphere:
    """Returns the air of one date.

    Args:
        rng: Source of clouds.
        shape: Rows and columns of 10 m pixels.
        cloud_cover: Least and largest cloud fraction of a scene that has clouds.
        sun_azimuth_deg: From north, clockwise.
        sun_elevation_deg: Above the horizon.
    """
    clear = rng.random() < CLEAR_CHANCE
    cover = 0.0 if clear else cloud_cover[0] + (cloud_cover[1] - cloud_cover[0]) * rng.beta(1.2, 1.8)
    field = fractal_field(rng, shape, exponent=3.2, longest_px=150)
    threshold = float(np.quantile(field, 1.0 - cover)) if cover > 0 else np.inf
    cloud = np.clip((field - threshold + 0.10) / 0.45, 0.0, 1.0) if cover > 0 else np.zeros(shape, dtype=np.float32)
    base_m = rng.uniform(*CLOUD_BASE_M)
    reach_px = base_m / np.tan(np.deg2rad(max(sun_elevation_deg, 8.0))) / 10.0
    rows = round(float(reach_px * np.cos(np.deg2rad(sun_azimuth_deg))))
    cols = round(float(-reach_px * np.sin(np.deg2rad(sun_azimuth_deg))))
    shadow = np.roll(cloud, (rows, cols), axis=(0, 1)) * (1.0 - cloud)
    thin = rng.random() < CIRRUS_CHANCE
    cirrus_field = uniform(fractal_field(rng, shape, exponent=3.6))
    cirrus = np.clip(cirrus_field - 0.5, 0, 1) * rng.uniform(0.2, 0.7) if thin else np.zeros(shape, dtype=np.float32)
    haze_level = rng.gamma(1.2, 0.03)
    haze = np.clip(haze_level * (1.0 + 0.5 * fractal_field(rng, shape, exponent=3.6)), 0.0, 0.6)
    return Atmosphere(
        cloud=cloud.astype(np.float32),
        shadow=shadow.astype(np.float32),
        cirrus=cirrus.astype(np.float32),
        haze=haze.astype(np.float32),
        missing=_strip(rng, shape),
        missed=uniform(fractal_field(rng, shape, exponent=3.0, longest_px=30)) < rng.uniform(*MISSED),
    )


def _strip(rng: np.random.Generator, shape: tuple[int, int]) -> BoolArray:
    """Returns a slanted edge of the swath in about one scene in ten, up to a third of the region."""
    if rng.random() >= STRIP_CHANCE:
        return np.zeros(shape, dtype=bool)
    side = 1.0 if rng.random() < 0.5 else -1.0  # noqa: PLR2004 west or east
    rows = np.arange(shape[0], dtype=np.float32)[:, None] / shape[0]
    cols = np.arange(shape[1], dtype=np.float32)[None, :] / shape[1]
    return np.asarray(side * (cols - 0.5 + 0.2 * (rows - 0.5)) > rng.uniform(0.22, 0.45), dtype=bool)


def through_air(reflectance: FloatArray, air: Atmosphere) -> FloatArray:
    """Returns reflectance (band, y, x) as an imperfect atmospheric correction leaves it."""
    lit = np.float32(1.0) - np.float32(SHADOW_DEPTH) * air.shadow
    kept = lit * (1.0 - 0.7 * air.haze) * (1.0 - air.cirrus) * (1.0 - air.cloud)
    layers = (
        (np.array(HAZE, dtype=np.float32), air.haze * (1.0 - air.cirrus) * (1.0 - air.cloud)),
        (np.array(CIRRUS, dtype=np.float32), air.cirrus * (1.0 - air.cloud)),
        (np.array(CLOUD, dtype=np.float32), air.cloud),
    )
    out = reflectance * kept
    for spectrum, weight in layers:
        if weight.any():
            out += spectrum[:, None, None] * weight
    return np.asarray(out, dtype=np.float32)


def classify(bands: dict[str, FloatArray], air: Atmosphere) -> ByteArray:
    """Returns the scene classification (y, x) at 20 m, with the errors of a real one.

    Args:
        bands: Reflectance at 20 m, at least B02, B03, B04, B8A, B11.
        air: The air at 10 m, of twice as many rows and columns.
    """
    cloud, shadow, cirrus = (_halve(plane) for plane in (air.cloud, air.shadow, air.cirrus))
    missed = air.missed[::2, ::2]
    red, infrared, shortwave = bands["B04"], bands["B8A"], bands["B11"]
    ndvi = (infrared - red) / np.maximum(infrared + red, np.float32(0.02))
    scl = np.where(ndvi > 0.36, VEGETATION, BARE).astype(np.uint8)  # noqa: PLR2004 Sen2Cor's own split is 0.36 to 0.4
    scl[(ndvi < 0.12) & (shortwave < 0.06) & (bands["B03"] > shortwave)] = WATER  # noqa: PLR2004
    scl[(infrared < 0.06) & (shortwave < 0.06) & (scl != WATER)] = DARK  # noqa: PLR2004
    scl[(shadow > 0.45) & ~missed] = SHADOW  # noqa: PLR2004
    scl[(cirrus > 0.12) & ~missed] = THIN_CIRRUS  # noqa: PLR2004
    scl[(cloud > 0.22) & ~missed] = CLOUD_MEDIUM  # noqa: PLR2004
    scl[(cloud > 0.60) & ~missed] = CLOUD_HIGH  # noqa: PLR2004
    bright = (bands["B02"] > 0.22) & (ndvi < 0.1) & (scl == BARE)  # noqa: PLR2004 white roofs pass for cloud
    scl[bright] = CLOUD_MEDIUM
    scl[air.missing[::2, ::2]] = NODATA
    return scl


def _halve(plane: FloatArray) -> FloatArray:
    rows, cols = plane.shape
    return np.asarray(plane.reshape(rows // 2, 2, cols // 2, 2).mean(axis=(1, 3)), dtype=np.float32)
