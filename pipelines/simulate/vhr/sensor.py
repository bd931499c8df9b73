"""What an aerial or satellite camera makes of the light: haze, point spread, sampling and noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from pipelines.simulate.texture import FloatArray, gaussian_kernel
from pipelines.simulate.vhr.ground import OVERSAMPLING

if TYPE_CHECKING:
    from numpy.typing import NDArray

POINT_SPREAD_PX: Final = 0.55
"""Sigma before the average over the pixel, which gives a modulation transfer of about 0.14 at Nyquist (WorldView and
Pleiades: 0.1 to 0.2)."""

SIGNAL_TO_NOISE: Final = 90.0
NOISE_FLOOR: Final = 0.0012
"""Noise is 1/90 of the signal plus 0.0012 reflectance (some 11 bits and 100 to 1 at typical radiance)."""

AIRLIGHT: Final = (0.6, 0.8, 1.2)
"""Colour of thin haze, rising to the blue as the wavelength to the power of -1.3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """State of the air, one for an image."""

    haze: float
    """Reflectance that haze adds in the green, 0 to 0.03."""

    gain: tuple[float, float, float]
    """What is left wrong in the calibration of each band, around 1."""


def draw_sky(rng: np.random.Generator) -> Sky:
    """Returns the air of one image."""
    red, green, blue = rng.normal(1.0, 0.03, 3)
    return Sky(haze=float(rng.gamma(1.5, 0.005)), gain=(float(red), float(green), float(blue)))


def observe(
    rng: np.random.Generator, light: FloatArray, sky: Sky, shift_px: tuple[float, float] = (0.0, 0.0)
) -> FloatArray:
    """Returns reflectance (3, y, x) as the product has it.

    Args:
        rng: Source of the sensor's noise.
        light: (3, y, x) on fine pixels.
        sky: The air.
        shift_px: Content moves right and down by it (x, y), in pixels.
    """
    sigma = POINT_SPREAD_PX * OVERSAMPLING
    radius = int(np.ceil(2.5 * sigma + OVERSAMPLING * max(abs(shift_px[0]), abs(shift_px[1]))))
    kernel_x = gaussian_kernel(sigma, shift_px[0] * OVERSAMPLING, radius=radius)
    kernel_y = gaussian_kernel(sigma, shift_px[1] * OVERSAMPLING, radius=radius)
    seen = ndimage.correlate1d(light, kernel_x[::-1], axis=2, mode="nearest")
    seen = block_mean(ndimage.correlate1d(seen, kernel_y[::-1], axis=1, mode="nearest"))
    airlight = np.float32(sky.haze) * np.array(AIRLIGHT, dtype=np.float32)
    gain = np.array(sky.gain, dtype=np.float32)
    seen = (seen * np.float32(1.0 - 2.0 * sky.haze) + airlight[:, None, None]) * gain[:, None, None]
    noise = rng.standard_normal(seen.shape, dtype=np.float32)
    return np.asarray(seen + noise * (seen / np.float32(SIGNAL_TO_NOISE) + np.float32(NOISE_FLOOR)), dtype=np.float32)


def block_mean(values: FloatArray) -> FloatArray:
    """Returns the means (..., y, x) over the fine pixels of each pixel."""
    *front, rows, cols = values.shape
    step = OVERSAMPLING
    return np.asarray(values.reshape(*front, rows // step, step, cols // step, step).mean(axis=(-3, -1)), np.float32)


def nearest(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns codes (y, x) of one fine pixel of each pixel."""
    return values[OVERSAMPLING // 2 :: OVERSAMPLING, OVERSAMPLING // 2 :: OVERSAMPLING].copy()
