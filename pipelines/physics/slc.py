"""Single-look complex images: power, looks, the coherence of a pair and the covariance of two polarisations.

All averages are over linear power or complex products, never over decibels, amplitudes or phases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.physics.window import Window, window_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Multilooked:
    """Power averaged over blocks of pixels."""

    power: NDArray[np.float32]
    """(y, x) of the blocks; NaN where a block holds no value."""

    count: NDArray[np.int32]
    """Values averaged; less than a whole block along the last row and column and around missing pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coherence:
    """Complex coherence of a pair of images."""

    value: NDArray[np.complex64]
    """(y, x): the magnitude is the coherence, 0 to 1, the angle the interferometric phase; NaN where either lacks a
    value in the whole window or has no power in it."""

    count: NDArray[np.int32]
    """Pairs of pixels averaged: less at the edges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DualCovariance:
    """Covariance matrix of two polarisations, averaged over a window: [[c11, c12], [conj(c12), c22]]."""

    c11: NDArray[np.float32]
    """<|co|^2>, power of the co-polarised channel (VV or HH)."""

    c22: NDArray[np.float32]
    """<|cross|^2>, power of the cross-polarised channel."""

    c12: NDArray[np.complex64]
    """<co conj(cross)>."""


def power_of(
    slc: NDArray[np.complexfloating], *, calibration: NDArray[np.floating] | float = 1.0
) -> NDArray[np.float32]:
    """Returns |S|^2 / A^2, float32; NaN stays NaN.

    Args:
        slc: Complex pixels of any shape.
        calibration: A of the product's table at each pixel, or 1 for power in digital numbers squared. 0 means that the
            table holds no value there: NaN.
    """
    gain = np.asarray(calibration, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        power = (slc.real.astype(np.float64) ** 2 + slc.imag.astype(np.float64) ** 2) / gain**2
    return np.where(gain > 0, power, np.nan).astype(np.float32)


def multilook(power: NDArray[np.floating], *, azimuth: int, range_: int) -> Multilooked:
    """Returns the mean power of blocks of azimuth x range pixels.

    Averaging n independent pixels multiplies the looks by n; neighbours of an oversampled image are not independent, so
    measure the looks of the result. The last row and column of blocks hold what is left.

    Args:
        power: (y, x) linear power with azimuth along y, NaN is missing.
        azimuth: Pixels along y.
        range_: Pixels along x.

    Raises:
        ValueError: A block without pixels.
    """
    if azimuth < 1 or range_ < 1:
        raise ValueError(f"a block holds at least one pixel, got {azimuth} x {range_}; use 1 x 4 for an IW SLC")
    present = ~np.isnan(power)
    total = _block_sum(np.where(present, power, 0.0).astype(np.float64), azimuth, range_)
    count = _block_sum(present.astype(np.int32), azimuth, range_)
    with np.errstate(invalid="ignore"):  # 0 / 0 where a block holds no value
        return Multilooked(power=(total / count).astype(np.float32), count=count.astype(np.int32))


def coherence(first: NDArray[np.complexfloating], second: NDArray[np.complexfloating], window: Window) -> Coherence:
    """Returns <S1 conj(S2)> / sqrt(<|S1|^2> <|S2|^2>) in a window around each pixel.

    The magnitude is biased upward, the more the fewer independent pixels a window holds: see
    `coherence_without_signal`. A phase ramp within the window (topography, flat earth) lowers it: take it out before.

    Args:
        first: (y, x) complex pixels, NaN is missing.
        second: The other date on the same pixels.
        window: Pixels averaged, azimuth along y.

    Raises:
        ValueError: The images differ in shape.
    """
    if first.shape != second.shape or first.ndim != 2:  # noqa: PLR2004 y and x
        raise ValueError(f"a pair lies on the same pixels (y, x), got {first.shape} and {second.shape}; co-register it")
    sums = _products(first, second, window)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = sums.cross / np.sqrt(sums.first * sums.second)
    return Coherence(
        value=np.where((sums.first > 0) & (sums.second > 0), value, np.nan).astype(np.complex64), count=sums.count
    )


def coherence_without_signal(num_looks: float) -> float:
    """Returns the mean magnitude of the coherence of two images that have nothing in common.

    Gamma(L) Gamma(3/2) / Gamma(L + 1/2), about sqrt(pi / (4 L)): Touzi et al. 1999, doi:10.1109/36.739146, equation 11
    at coherence 0. A measured value near it says nothing.

    Args:
        num_looks: Independent pixels in the window, at least 1; of an oversampled image fewer than its pixels.

    Raises:
        ValueError: Fewer than one.
    """
    if not num_looks >= 1:
        raise ValueError(f"a window holds at least one independent pixel, got {num_looks}; use a larger one")
    return math.exp(math.lgamma(num_looks) + math.lgamma(1.5) - math.lgamma(num_looks + 0.5))


def dual_covariance(
    co: NDArray[np.complexfloating], cross: NDArray[np.complexfloating], window: Window
) -> DualCovariance:
    """Returns the covariance matrix C2 of a dual-polarised image, averaged over a window around each pixel.

    Args:
        co: (y, x) complex pixels of VV (or HH), NaN is missing.
        cross: VH (or HV) on the same pixels.
        window: Pixels averaged.

    Raises:
        ValueError: The images differ in shape.
    """
    if co.shape != cross.shape or co.ndim != 2:  # noqa: PLR2004 y and x
        raise ValueError(f"two channels share their pixels (y, x), got {co.shape} and {cross.shape}; crop them alike")
    sums = _products(co, cross, window)
    with np.errstate(invalid="ignore"):  # 0 / 0 where the whole window is missing
        return DualCovariance(
            c11=(sums.first / sums.count).astype(np.float32),
            c22=(sums.second / sums.count).astype(np.float32),
            c12=(sums.cross / sums.count).astype(np.complex64),
        )


def degree_of_polarisation(covariance: DualCovariance) -> NDArray[np.float32]:
    """Returns m = sqrt(1 - 4 det C2 / tr(C2)^2), 0 (unpolarised) to 1; NaN where there is no power.

    Barakat 1977, doi:10.1016/0030-4018(77)90292-9.
    """
    first, second = _eigenvalues(covariance)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ((first - second) / (first + second)).astype(np.float32)


def entropy(covariance: DualCovariance) -> NDArray[np.float32]:
    """Returns H = -sum p_i log2 p_i of the two eigenvalues' shares, 0 (one mechanism) to 1; NaN without power.

    Cloude and Pottier 1997, doi:10.1109/36.551935, with two channels in place of three.
    """
    eigenvalues = np.stack(_eigenvalues(covariance))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = eigenvalues / eigenvalues.sum(axis=0)
        terms = np.where(shares > 0, shares * np.log2(shares), 0.0)
    return np.where(np.isnan(shares[0]), np.nan, -terms.sum(axis=0)).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Products:
    """Window sums over the pixels that both images have."""

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    cross: NDArray[np.complex128]
    count: NDArray[np.int32]


def _products(first: NDArray[np.complexfloating], second: NDArray[np.complexfloating], window: Window) -> _Products:
    present = ~(np.isnan(first) | np.isnan(second))
    a = np.where(present, first, 0).astype(np.complex128)
    b = np.where(present, second, 0).astype(np.complex128)
    return _Products(
        first=window_sum(a.real**2 + a.imag**2, window),
        second=window_sum(b.real**2 + b.imag**2, window),
        cross=window_sum(a * b.conj(), window),
        count=window_sum(present.astype(np.int32), window),
    )


def _eigenvalues(covariance: DualCovariance) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Larger and smaller one, the smaller not below 0: rounding may put it there."""
    c11, c22 = covariance.c11.astype(np.float64), covariance.c22.astype(np.float64)
    spread = np.hypot(c11 - c22, 2.0 * np.abs(covariance.c12.astype(np.complex128)))
    return (c11 + c22 + spread) / 2.0, np.maximum((c11 + c22 - spread) / 2.0, 0.0)


def _block_sum(values: NDArray[np.float64] | NDArray[np.int32], azimuth: int, range_: int) -> NDArray[np.float64]:
    rows, cols = np.arange(0, values.shape[0], azimuth), np.arange(0, values.shape[1], range_)
    summed: NDArray[np.float64] = np.add.reduceat(np.add.reduceat(values, rows, axis=0), cols, axis=1)
    return summed
