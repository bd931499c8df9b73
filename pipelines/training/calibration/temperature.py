"""Temperature scaling: one number a task that makes a model's probabilities honest and moves no class.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2: p = softmax(z / T),
T > 0 chosen to minimise the negative log-likelihood of held-out labels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

FloatArray = npt.NDArray[np.floating]
IndexArray = npt.NDArray[np.integer]

RANGE: Final = (0.05, 20.0)
"""Temperatures that are searched: beyond them a model knows nothing, or never errs, and no number mends that."""

TOLERANCE: Final = 1e-4
"""Of log T: far below what any percentage shows."""

_GOLDEN: Final = (math.sqrt(5) - 1) / 2


def fit_temperature(logits: FloatArray, labels: IndexArray) -> float:
    """Returns the temperature that makes the labels most likely.

    The negative log-likelihood is convex in 1/T, so it has one minimum over log T, which a golden-section search finds.

    Args:
        logits: (sample, class), or (sample, split, class): then the answer of a sample is that of the split at which
            its first class (no change) is least likely, chosen anew at every temperature, as a product chooses it.
        labels: (sample,), index of the true class.

    Raises:
        ValueError: There is no sample, or shapes and labels do not fit.
    """
    _check(logits, labels)
    return minimise(lambda log_t: negative_log_likelihood(logits, labels, math.exp(log_t)))


def minimise(loss: Callable[[float], float]) -> float:
    """Returns exp(x) for the x within the logarithm of `RANGE` at which a unimodal loss is least (golden section)."""
    low, high = math.log(RANGE[0]), math.log(RANGE[1])
    inner = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    values = [loss(inner[0]), loss(inner[1])]
    while high - low > TOLERANCE:
        if values[0] <= values[1]:
            high, inner[1], values[1] = inner[1], inner[0], values[0]
            inner[0] = high - _GOLDEN * (high - low)
            values[0] = loss(inner[0])
        else:
            low, inner[0], values[0] = inner[0], inner[1], values[1]
            inner[1] = low + _GOLDEN * (high - low)
            values[1] = loss(inner[1])
    return math.exp((low + high) / 2)


def negative_log_likelihood(logits: FloatArray, labels: IndexArray, temperature: float = 1.0) -> float:
    """Returns the mean of -ln p(label), nats; arguments as `fit_temperature`."""
    log_p = _log_softmax(best_of_splits(logits / temperature))
    return float(-np.take_along_axis(log_p, labels[:, None].astype(np.int64), axis=1).mean())


def probabilities(logits: FloatArray, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Returns the probabilities (sample, class) that a product shows; arguments as `fit_temperature`."""
    return np.exp(_log_softmax(best_of_splits(logits / temperature)))


def best_of_splits(logits: FloatArray) -> FloatArray:
    """Returns the logits (sample, class) of the split at which the first class is least likely; others unchanged."""
    if logits.ndim == 2:  # noqa: PLR2004
        return logits
    chosen = _log_softmax(logits)[..., 0].argmin(axis=1)
    best: FloatArray = np.take_along_axis(logits, chosen[:, None, None], axis=1)[:, 0]
    return best


def _log_softmax(logits: FloatArray) -> npt.NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    log_p: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return log_p


def _check(logits: FloatArray, labels: IndexArray) -> None:
    if logits.ndim not in {2, 3} or labels.shape != logits.shape[:1] or not labels.size:
        raise ValueError(
            f"one label a sample of logits (sample, [split,] class) is needed, got {labels.shape} for {logits.shape}; "
            "give held-out samples with labels"
        )
    if labels.min() < 0 or labels.max() >= logits.shape[-1]:
        raise ValueError(
            f"labels must be 0 to {logits.shape[-1] - 1}, got {labels.min()} to {labels.max()}; leave others out"
        )
