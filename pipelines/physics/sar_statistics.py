"""Statistics of SAR power and what fully developed speckle should give: looks and log-cumulants.

Power of L looks over uniform ground of mean mu is Gamma distributed with shape L and scale mu / L. Then

    equivalent number of looks   mean^2 / variance = L
    k1 = ln mu + psi(L) - ln L,  k2 = psi'(L),  k3 = psi''(L)

with psi the digamma function and k the cumulants of ln power (log-cumulants): Nicolas 2002 (in English as
arXiv:1612.07207), Anfinsen and Eltoft 2011, doi:10.1109/TGRS.2010.2103945. Texture adds to k2 and moves k3:
K-distributed power has k2 = psi'(L) + psi'(nu) and k3 = psi''(L) + psi''(nu), so that k2 above psi'(L) says that the
ground is not uniform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_SAMPLE: Final = 3
"""Values below which a third cumulant means nothing."""

MIN_WINDOW_SHARE: Final = 0.9
"""Share of a window that must hold a value for its looks to count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCumulants:
    """First three cumulants of the natural logarithm of power; NaN where the sample is too small."""

    k1: float
    """Mean, nepers."""

    k2: float
    """Variance, nepers squared."""

    k3: float
    """Third central moment, nepers cubed."""

    num_used: int = 0
    num_without_log: int = 0
    """Values at or below 0 (removed noise), which have no logarithm and are left out: where they are many, the
    cumulants describe the bright end only."""


def equivalent_looks(power: NDArray[np.floating]) -> float:
    """Returns mean^2 / variance over all values present; NaN for fewer than three.

    It is the number of looks where the ground is uniform, and less where it is not.

    Args:
        power: Linear power of any shape, NaN is missing.
    """
    values = _present(power)
    if values.size < MIN_SAMPLE:
        return math.nan
    variance = values.var()
    return float(values.mean() ** 2 / variance) if variance > 0 else math.inf


def local_looks(power: NDArray[np.floating], window: int) -> NDArray[np.float64]:
    """Returns mean^2 / variance (of the sample, n - 1) in each of the disjoint square windows, NaN where one has holes.

    Args:
        power: (y, x) linear power, NaN is missing.
        window: Side in pixels; rows and columns beyond the last whole window are left out.

    Raises:
        ValueError: The window is smaller than 2, or no whole one fits.
    """
    rows, cols = power.shape[0] // window if window > 1 else 0, power.shape[1] // window if window > 1 else 0
    if not rows or not cols:
        raise ValueError(f"a window of at least 2 pixels fits into the image, got {window} in {power.shape}; shrink it")
    whole = power[: rows * window, : cols * window].astype(np.float64)
    tiles = whole.reshape(rows, window, cols, window).swapaxes(1, 2).reshape(rows, cols, window * window)
    count = (~np.isnan(tiles)).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.nansum(tiles, axis=-1) / count
        variance = np.nansum((tiles - mean[..., None]) ** 2, axis=-1) / (count - 1)
        looks = mean**2 / variance
    return np.where((count >= MIN_WINDOW_SHARE * window * window) & (mean > 0), looks, np.nan)


def robust_looks(power: NDArray[np.floating], window: int) -> float:
    """Returns the most common local number of looks: that of the uniform parts, whatever edges and texture there are.

    Over mixed ground mean^2 / variance of all pixels is far below the looks of the speckle. In small windows uniform
    ones agree, others scatter below; the half-sample mode of the logarithm finds where they are densest (Bickel and
    Fruehwirth 2006, doi:10.1016/j.csda.2005.07.011). Neighbouring pixels that are correlated (Sentinel-1 GRD is sampled
    at 10 m with 20 m resolution) make it a few percent high.

    Args:
        power: (y, x) linear power, NaN is missing.
        window: Side in pixels; 9 to 25 is usual.

    Returns:
        Looks; NaN where fewer than three windows are whole.
    """
    looks = local_looks(power, window)
    logs = np.sort(np.log(looks[np.isfinite(looks) & (looks > 0)]))
    if logs.size < MIN_SAMPLE:
        return math.nan
    while logs.size > MIN_SAMPLE:
        half = math.ceil(logs.size / 2)
        start = int(np.argmin(logs[half - 1 :] - logs[: logs.size - half + 1]))
        logs = logs[start : start + half]
    return float(np.exp(logs.mean()))


def log_cumulants(power: NDArray[np.floating]) -> LogCumulants:
    """Returns the log-cumulants of all values above 0.

    Args:
        power: Linear power of any shape, NaN is missing.
    """
    values = _present(power)
    logs = np.log(values[values > 0])
    counts = {"num_used": int(logs.size), "num_without_log": int(values.size - logs.size)}
    if logs.size < MIN_SAMPLE:
        return LogCumulants(k1=math.nan, k2=math.nan, k3=math.nan, **counts)
    mean = logs.mean()
    rest = logs - mean
    square = rest * rest
    return LogCumulants(k1=float(mean), k2=float(square.mean()), k3=float((square * rest).mean()), **counts)


def gamma_log_cumulants(looks: float, mean: float = 1.0) -> LogCumulants:
    """Returns the log-cumulants of Gamma distributed power.

    Args:
        looks: L, above 0, not necessarily whole.
        mean: Mean power mu, above 0.

    Raises:
        ValueError: Looks or mean are not above 0.
    """
    from scipy.special import digamma, polygamma

    if not (looks > 0 and mean > 0):
        raise ValueError(f"looks and mean power are above 0, got {looks} and {mean}; give linear power")
    return LogCumulants(
        k1=math.log(mean) + float(digamma(looks)) - math.log(looks),
        k2=float(polygamma(1, looks)),
        k3=float(polygamma(2, looks)),
    )


def looks_of_log_variance(k2: float) -> float:
    """Returns the looks L with psi'(L) = k2, by which log-cumulants estimate looks; NaN for NaN.

    Args:
        k2: Variance of ln power, above 0; what lies outside 1e-6 to 1e6 is no image.

    Raises:
        ValueError: No such number of looks exists.
    """
    from scipy.optimize import brentq
    from scipy.special import polygamma

    if math.isnan(k2):
        return math.nan
    least, most = 1e-3, 1e6
    if not polygamma(1, most) < k2 < polygamma(1, least):
        raise ValueError(f"variance of ln power is 1e-6 to 1e6, got {k2}; give linear power")
    return float(brentq(lambda looks: float(polygamma(1, looks)) - k2, least, most, rtol=1e-12))


def _present(power: NDArray[np.floating]) -> NDArray[np.float64]:
    values = np.asarray(power, dtype=np.float64).ravel()
    return values[~np.isnan(values)]
