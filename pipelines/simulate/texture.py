"""Random fields: correlated Gaussian noise, fractal noise, and their ranks in the unit interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, special

FloatArray = NDArray[np.float32]

COMPONENTS = (
    "landscape",
    "parcels",
    "texture",
    "calendar",
    "changes",
    "weather",
    "optical",
    "radar",
    "atmosphere",
    "slc",
    "vhr",
    "video",
    "landsat",
)
"""Parts of a simulation that draw random numbers, in the order of their seed's children: new ones go to the end."""


def generator(seed: int, component: str, index: int = 0) -> np.random.Generator:
    """Returns the random generator of one component of one region.

    Args:
        seed: The region's seed.
        component: One of `COMPONENTS`.
        index: Date index for components that draw anew for each date.
    """
    key = (COMPONENTS.index(component), index)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy=seed, spawn_key=key)))


def gaussian_field(rng: np.random.Generator, shape: tuple[int, int], sigma_px: float) -> FloatArray:
    """Returns a unit-variance, zero-mean Gaussian field (y, x) whose correlation is Gaussian.

    Args:
        rng: Source of white noise.
        shape: Rows and columns.
        sigma_px: Standard deviation of the smoothing kernel in pixels, at least 0; 0 gives white noise.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    if sigma_px == 0:
        return white
    kernel = gaussian_kernel(sigma_px, 0.0, radius=max(1, int(np.ceil(2.5 * sigma_px))))
    field = ndimage.correlate1d(white, kernel, axis=0, mode="wrap")
    field = ndimage.correlate1d(field, kernel, axis=1, mode="wrap")
    gain = float(np.square(kernel).sum())
    return np.asarray(field / np.float32(gain), dtype=np.float32)


def gaussian_kernel(sigma_px: float, shift_px: float, *, radius: int) -> NDArray[np.float64]:
    """Returns a normalised 1-D kernel, a Gaussian of `sigma_px` centred `shift_px` off the middle tap."""
    taps = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * np.square((taps - shift_px) / sigma_px))
    return np.asarray(kernel / kernel.sum(), dtype=np.float64)


def fractal_field(
    rng: np.random.Generator, shape: tuple[int, int], *, exponent: float, longest_px: float | None = None
) -> FloatArray:
    """Returns a periodic unit-variance field (y, x) whose power spectrum falls as frequency ** -exponent.

    Args:
        rng: Source of white noise.
        shape: Rows and columns.
        exponent: 2 is rough, 4 is smooth.
        longest_px: Longest wavelength in pixels that still grows; None is the field's own size.
    """
    white = fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]).astype(np.float32)
    floor = np.float32(1.0 / (longest_px or max(shape)))
    spectrum = np.maximum(frequency, floor) ** np.float32(-exponent / 2)
    spectrum[0, 0] = 0.0
    field = fft.irfft2(white * spectrum, s=shape)
    return np.asarray(field / field.std(), dtype=np.float32)


def ranked(field: FloatArray) -> FloatArray:
    """Returns the field as ranks in [0, 1): the share of pixels below each value (exact quantiles)."""
    order = np.argsort(field, axis=None, kind="stable")
    ranks = np.empty(field.size, dtype=np.float32)
    ranks[order] = np.arange(field.size, dtype=np.float32) / np.float32(field.size)
    return ranks.reshape(field.shape)


def uniform(field: FloatArray) -> FloatArray:
    """Returns a unit-variance Gaussian field as uniform values in (0, 1)."""
    return np.asarray(special.ndtr(field), dtype=np.float32)
