"""Heights in metres: errors, their robust spread, and the shares within a ratio.

With e = predicted - true over the pixels that count: RMSE = sqrt(mean e^2), MAE = mean |e|, bias = mean e,
NMAD = 1.4826 median |e - median e| (Hoehle and Hoehle 2009, doi:10.1016/j.isprsjprs.2009.02.003), and delta_k, the
share of pixels with max(predicted / true, true / predicted) < 1.25^k (Eigen et al. 2014), over those where the truth
is at least MIN_RATIO_M high: a ratio to level ground says nothing. Predictions below it count as MIN_RATIO_M.

Sums are kept as integers of small steps, so that no order of adding changes them; the medians come from a histogram,
to half a bin. NMAD has no interval: a histogram a replicate would take half a gigabyte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.benchmarks.sample import HeightTarget
from pipelines.training.metrics.prediction import HeightPrediction
from pipelines.training.metrics.resampling import Resampling, interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.training.benchmarks.sample import Target
    from pipelines.training.metrics.prediction import Prediction

STEP: Final = 1e-4
"""Metres or square metres of one count of a sum, per image."""

BIN_M: Final = 0.01
RANGE_M: Final = 500.0
"""Errors beyond count in the outermost bins: they move no median that means something."""

NUM_BINS: Final = round(2 * RANGE_M / BIN_M)
NMAD_SCALE: Final = 1.4826
"""Makes the median absolute deviation of a normal distribution its standard deviation."""

RATIO: Final = 1.25
MIN_RATIO_M: Final = 1e-3
SUMS: Final = ("pixels", "absolute", "squared", "signed", "ratio_pixels", "delta_1", "delta_2", "delta_3")


class HeightMetric:
    """Sums over pixels, the same a replicate, and a histogram of errors: of fixed size."""

    def __init__(self, resampling: Resampling) -> None:
        """Starts at zero."""
        self._sums = np.zeros(len(SUMS), dtype=np.int64)
        self._replicates = np.zeros((resampling.num_replicates, len(SUMS)), dtype=np.int64)
        self._histogram = np.zeros(NUM_BINS, dtype=np.int64)
        self._resampling = resampling

    def update(self, prediction: Prediction, target: Target, *, image: str, unit: str = "") -> None:
        """Counts the pixels of an image whose true height is known.

        Raises:
            ValueError: The shapes differ, or a prediction there is not finite.
        """
        assert isinstance(prediction, HeightPrediction)
        assert isinstance(target, HeightTarget)
        if prediction.height_m.shape != target.height_m.shape:
            raise ValueError(
                f"{image}: prediction must be {target.height_m.shape} (y, x), got {prediction.height_m.shape}"
            )
        counts = np.isfinite(target.height_m)
        true, predicted = target.height_m[counts].astype(np.float64), prediction.height_m[counts].astype(np.float64)
        if not np.all(np.isfinite(predicted)):
            raise ValueError(f"{image}: predicted heights must be finite where the truth is known")
        sums = _sums_of(true, predicted)
        self._sums += sums
        self._replicates += self._resampling.weights(unit or image)[:, None] * sums
        bins = np.clip(np.floor((predicted - true + RANGE_M) / BIN_M), 0, NUM_BINS - 1).astype(np.int64)
        self._histogram += np.bincount(bins, minlength=NUM_BINS)

    def compute(self) -> dict[str, float]:
        """rmse_m, mae_m, delta_1, delta_2, delta_3, bias_m, nmad_m."""
        numbers = {name: float(value) for name, value in _measure(self._sums).items()}
        numbers["nmad_m"] = _nmad(self._histogram)
        return numbers

    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Of each number but nmad_m."""
        found = {name: interval(values) for name, values in _measure(self._replicates).items()}
        return {**found, "nmad_m": None}

    def held_bytes(self) -> int:
        """Bytes kept: fixed."""
        return self._sums.nbytes + self._replicates.nbytes + self._histogram.nbytes


def _sums_of(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.int64]:
    error = predicted - true
    high = true >= MIN_RATIO_M
    above, floored = true[high], np.maximum(predicted[high], MIN_RATIO_M)
    ratio = np.maximum(floored / above, above / floored)
    in_steps = [round(float(total) / STEP) for total in (np.abs(error).sum(), (error**2).sum(), error.sum())]
    within = [int(np.sum(ratio < RATIO**power)) for power in (1, 2, 3)]
    return np.array([len(true), *in_steps, len(above), *within], dtype=np.int64)


def _measure(sums: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    parts = dict(zip(SUMS, np.moveaxis(sums, -1, 0).astype(np.float64), strict=True))
    return {
        "rmse_m": np.sqrt(_ratio(parts["squared"] * STEP, parts["pixels"])),
        "mae_m": _ratio(parts["absolute"] * STEP, parts["pixels"]),
        **{f"delta_{power}": _ratio(parts[f"delta_{power}"], parts["ratio_pixels"]) for power in (1, 2, 3)},
        "bias_m": _ratio(parts["signed"] * STEP, parts["pixels"]),
    }


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.full(np.shape(below), np.nan)
    np.divide(above, below, out=out, where=np.asarray(below) > 0)
    return out


def _nmad(histogram: NDArray[np.int64]) -> float:
    if not histogram.any():
        return float("nan")
    centres = (np.arange(NUM_BINS) + 0.5) * BIN_M - RANGE_M
    distance = np.abs(centres - centres[_median_bin(histogram)])
    order = np.argsort(distance, kind="stable")
    return NMAD_SCALE * float(distance[order][_median_bin(histogram[order])])


def _median_bin(histogram: NDArray[np.int64]) -> int:
    return int(np.searchsorted(np.cumsum(histogram), histogram.sum() / 2))
