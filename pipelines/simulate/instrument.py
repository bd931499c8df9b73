"""What the imager makes of a scene: point spread, misregistration, band resolution, noise and digital numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.simulate.spectra import BAND_GSD, BANDS
from pipelines.simulate.texture import FloatArray, gaussian_kernel

CountArray = NDArray[np.uint16]

POINT_SPREAD_PX = {10: 0.55, 20: 0.75, 60: 1.2}
"""Sigma of the optical point spread in 10 m pixels, before the average over the band's own pixel: a modulation transfer
of 0.15 to 0.3 at Nyquist (Sentinel-2 MSI performance, Gascon et al. 2017, doi:10.3390/rs9060584)."""

QUANTIFICATION = 10_000
OFFSET_COUNTS = 1_000
"""Since processing baseline 04.00 a Level-2A number is 10000 times reflectance plus 1000."""

SIGNAL_TO_NOISE = 120.0
NOISE_FLOOR = 0.0015
"""Noise of one pixel: 1/120 of the signal plus 0.0015 (MSI signal-to-noise is 89 to 168 at reference radiance)."""


def observe_bands(
    rng: np.random.Generator, reflectance: FloatArray, shift_px: tuple[float, float]
) -> dict[str, FloatArray]:
    """Returns every band at its own resolution.

    Args:
        rng: Source of sensor noise.
        reflectance: (band, y, x) at 10 m, in the order of `BANDS`.
        shift_px: Misregistration (x, y) in 10 m pixels: content moves right and down by it.
    """
    seen = {}
    for row, band in enumerate(BANDS):
        gsd = BAND_GSD[band]
        plane = spread(reflectance[row], POINT_SPREAD_PX[gsd], shift_px)
        plane = block_mean(plane, gsd // 10)
        noise = rng.standard_normal(plane.shape, dtype=np.float32)
        seen[band] = plane + noise * (plane / np.float32(SIGNAL_TO_NOISE) + np.float32(NOISE_FLOOR))
    return seen


def spread(plane: FloatArray, sigma_px: float, shift_px: tuple[float, float]) -> FloatArray:
    """Returns the plane (y, x) blurred by a Gaussian of `sigma_px`, its content moved right and down by (x, y)."""
    shift_x, shift_y = shift_px
    radius = int(np.ceil(2.2 * sigma_px + 1.0))
    kernel_x = gaussian_kernel(sigma_px, shift_x, radius=radius)
    kernel_y = gaussian_kernel(sigma_px, shift_y, radius=radius)
    out = ndimage.correlate1d(plane, kernel_x[::-1], axis=1, mode="nearest")
    return np.asarray(ndimage.correlate1d(out, kernel_y[::-1], axis=0, mode="nearest"), dtype=np.float32)


def block_mean(plane: FloatArray, factor: int) -> FloatArray:
    """Returns means over blocks; the last row and column of blocks repeat the edge where the size is no multiple."""
    if factor == 1:
        return plane
    rows, cols = (-(-size // factor) for size in plane.shape)
    extra = (rows * factor - plane.shape[0], cols * factor - plane.shape[1])
    padded = np.pad(plane, ((0, extra[0]), (0, extra[1])), mode="edge") if any(extra) else plane
    return np.asarray(padded.reshape(rows, factor, cols, factor).mean(axis=(1, 3)), dtype=np.float32)


def at_20m(bands: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Returns the 10 m and 20 m bands at 20 m, for the scene classification."""
    return {band: block_mean(plane, 20 // BAND_GSD[band]) for band, plane in bands.items() if BAND_GSD[band] <= 20}  # noqa: PLR2004


def to_counts(reflectance: FloatArray, missing: NDArray[np.bool_], *, offset_left: bool) -> CountArray:
    """Returns digital numbers, 0 where missing, else 1 to 65535.

    Args:
        reflectance: Any shape; negative is legal.
        missing: The same shape.
        offset_left: Whether the product's offset of 1000 is still in the numbers.
    """
    counts = np.rint(reflectance * np.float32(QUANTIFICATION)) + np.float32(OFFSET_COUNTS if offset_left else 0)
    counts = np.clip(counts, 1, 65535)
    counts[missing] = 0
    return np.asarray(counts, dtype=np.uint16)


def missing_at(missing: NDArray[np.bool_], gsd: int) -> NDArray[np.bool_]:
    """Returns the missing pixels of a band: those with any missing 10 m pixel inside."""
    factor = gsd // 10
    if factor == 1:
        return missing
    return np.asarray(block_mean(missing.astype(np.float32), factor) > 0, dtype=bool)
