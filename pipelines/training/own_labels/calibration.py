"""Held-out answers as probabilities: views blended as a map blends windows, and a temperature that makes them true."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipelines.training.calibration.reliability import brier_score, equal_width, reliability
from pipelines.training.calibration.temperature import minimise

if TYPE_CHECKING:
    from pipelines.training.own_labels.views import Views

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

NUM_BINS: Final = 10
LEAST_PROBABILITY: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How stated probabilities hold up on samples that were not learnt."""

    ece: float
    """Expected calibration error over ten bins of equal width, fractions of 1."""

    brier: float
    """Brier score summed over classes, 0 to 2."""

    rows: tuple[dict[str, float], ...]
    """Of each bin that holds a sample: count, mean confidence, share right."""

    def to_dict(self) -> dict[str, object]:
        """Returns plain values, ready for JSON."""
        return {"ece": self.ece, "brier": self.brier, "reliability": list(self.rows)}


def calibration(probability: Floats, label: Ints) -> Calibration:
    """Returns the figures of calibration.

    Args:
        probability: (sample, class), rows sum to 1.
        label: (sample,).
    """
    confidence = np.minimum(probability.max(axis=1), 1.0)
    counts = reliability(confidence, probability.argmax(axis=1) == label, equal_width(NUM_BINS))
    return Calibration(ece=counts.error, brier=brier_score(probability, label), rows=tuple(counts.rows()))


def blend(logits: Floats, views: Views, temperature: Floats | float = 1.0) -> Floats:
    """Returns the probabilities (sample, class): the weighted mean over the views of each, as a map blends windows.

    Args:
        logits: (view, class).
        views: Which sample each view shows, and its weight.
        temperature: What logits are divided by; one, or one a view.
    """
    scaled = logits / np.reshape(temperature, (-1, 1))
    scaled -= scaled.max(axis=1, keepdims=True)
    each = np.exp(scaled)
    each *= (views.weight / each.sum(axis=1))[:, None]
    total = np.zeros((views.num_samples, logits.shape[1]))
    np.add.at(total, views.sample, each)
    return np.asarray(total / total.sum(axis=1, keepdims=True))


def blended_temperature(logits: Floats, views: Views, label: Ints, counted: npt.NDArray[np.bool_]) -> float:
    """Returns the temperature under which held-out samples are most likely, over their blended probabilities.

    Args:
        logits: (view, class) of answers that did not see their sample.
        views: Which sample each view shows.
        label: (sample,).
        counted: (sample,) which samples are counted; 1 is returned where none is.
    """
    if not counted.any():
        return 1.0
    rows = np.flatnonzero(counted)

    def loss(log_temperature: float) -> float:
        probability = blend(logits, views, math.exp(log_temperature))
        return float(-np.log(np.maximum(probability[rows, label[rows]], LEAST_PROBABILITY)).mean())

    return minimise(loss)
