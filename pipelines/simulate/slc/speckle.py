"""Fully developed polarimetric speckle of a given covariance, with the resolution of a focused radar image.

The impulse response is that of a processor that weights 80 % of the sampled band by a Hamming window of coefficient
0.75 (Sentinel-1 product definition S1-RS-MDA-52-7440: 0.70 to 0.75; ESA and CSA products are sampled 1.1 to 1.5
times as finely as they resolve). Neighbouring pixels are therefore correlated, as in a real single-look image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    ComplexArray = NDArray[np.complex64]

PROCESSED_BAND: Final = 0.8
"""Share of the sampling frequency."""

HAMMING: Final = 0.75
RADIUS_PX: Final = 8
"""Taps on either side; what is left out holds less than 0.1 % of the energy."""


def impulse_response() -> NDArray[np.float64]:
    """Returns the one-dimensional impulse response h, real and even, of sum h^2 = 1."""
    frequency = np.linspace(-0.5, 0.5, 4001) * PROCESSED_BAND
    weight = HAMMING + (1.0 - HAMMING) * np.cos(2.0 * np.pi * frequency / PROCESSED_BAND)
    taps = np.arange(-RADIUS_PX, RADIUS_PX + 1)
    response = (weight * np.cos(2.0 * np.pi * taps[:, None] * frequency)).mean(axis=1)
    return np.asarray(response / np.sqrt(np.square(response).sum()))


def correlation() -> NDArray[np.float64]:
    """Returns the correlation of white speckle at lags 0, 1, ... pixels along one axis."""
    response = impulse_response()
    return np.asarray(np.correlate(response, response, "full")[len(response) - 1 :])


def equivalent_samples(num_px: int) -> float:
    """Returns how many independent samples a large area of `num_px` pixels holds: num_px / sum |correlation|^2."""
    lags = correlation()
    per_axis = 1.0 + 2.0 * float(np.square(lags[1:]).sum())
    return num_px / per_axis**2


def resolved(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the covariance (y, x, 3, 3) as the sensor resolves it: averaged with weights h^2."""
    weight = np.square(impulse_response())
    out = ndimage.correlate1d(covariance, weight, axis=0, mode="nearest")
    return np.asarray(ndimage.correlate1d(out, weight, axis=1, mode="nearest"))


def circular_noise(rng: np.random.Generator, count: int, shape: tuple[int, int]) -> ComplexArray:
    """Returns circular Gaussian noise (count, y, x) of unit power, with the correlation of the impulse response."""
    wide = (count, shape[0] + 2 * RADIUS_PX, shape[1] + 2 * RADIUS_PX)
    parts = rng.standard_normal((2, *wide), dtype=np.float32)
    response = impulse_response()
    inner = slice(RADIUS_PX, -RADIUS_PX)
    parts = ndimage.correlate1d(parts, response, axis=2, mode="constant")[:, :, inner]
    parts = ndimage.correlate1d(parts, response, axis=3, mode="constant")[..., inner]
    return np.asarray((parts[0] + 1j * parts[1]) * np.float32(np.sqrt(0.5)), dtype=np.complex64)


def coloured(factor: ComplexArray, white: ComplexArray) -> ComplexArray:
    """Returns targets (3, y, x) of covariance L L^H.

    Args:
        factor: Lower triangular L (y, x, 3, 3).
        white: (3, y, x), unit power, independent between channels.
    """
    return np.asarray(np.einsum("yxij,jyx->iyx", factor, white, optimize=False), dtype=np.complex64)
