"""How far stated confidence lies from the frequency of being right: reliability, ECE, Brier score.

Sources: Naeini, Cooper and Hauskrecht, AAAI 2015 (expected calibration error, equal-width bins); Nguyen and O'Connor,
EMNLP 2015 (bins of equal mass); Brier, Monthly Weather Review 78, 1950 (the score).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

NUM_BINS: Final = 15
"""As Guo et al. 2017 and most after them."""

Bins = Literal["width", "mass"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Counts and sums by bin of confidence; those of several scenes may be added."""

    count: npt.NDArray[np.float64]
    """(bin,)."""

    confidence: npt.NDArray[np.float64]
    """Sum of the confidence, (bin,)."""

    right: npt.NDArray[np.float64]
    """How many were right, (bin,)."""

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            count=self.count + other.count,
            confidence=self.confidence + other.confidence,
            right=self.right + other.right,
        )

    @property
    def error(self) -> float:
        """Expected calibration error: sum over bins of count/N |right/count - confidence/count|, 0 to 1."""
        return float(np.abs(self.right - self.confidence).sum() / self.count.sum())

    @property
    def accuracy(self) -> float:
        """Share that was right."""
        return float(self.right.sum() / self.count.sum())

    def rows(self) -> list[dict[str, float]]:
        """Returns a row of each bin that holds anything: count, mean confidence, share right."""
        return [
            {"count": float(n), "confidence": float(c / n), "right": float(r / n)}
            for n, c, r in zip(self.count, self.confidence, self.right, strict=True)
            if n
        ]


def equal_width(num_bins: int = NUM_BINS) -> FloatArray:
    """Returns the inner edges of bins of equal width over [0, 1]."""
    return np.linspace(0, 1, num_bins + 1)[1:-1]


def equal_mass(confidence: FloatArray, num_bins: int = NUM_BINS) -> FloatArray:
    """Returns inner edges between which equally many samples lie, as far as ties allow.

    Args:
        confidence: Of all samples, (sample,), 0 to 1.
        num_bins: At least 1.
    """
    return np.unique(np.quantile(confidence, np.linspace(0, 1, num_bins + 1)[1:-1]))


def reliability(confidence: FloatArray, right: BoolArray, edges: FloatArray) -> Reliability:
    """Returns the counts by bin.

    Args:
        confidence: Stated probability, (sample,), 0 to 1.
        right: Whether what was stated is true, (sample,).
        edges: Inner edges, ascending; a value on an edge falls into the bin below it, as (low, high] has it.

    Raises:
        ValueError: Shapes do not fit, or a confidence is no probability.
    """
    if confidence.shape != right.shape or confidence.ndim != 1:
        raise ValueError(f"one truth a confidence, got {confidence.shape} and {right.shape}; give both per sample")
    if confidence.size and not (confidence.min() >= 0 and confidence.max() <= 1 + 1e-6):
        raise ValueError(f"confidence lies in 0 to 1, got {confidence.min()} to {confidence.max()}; give probabilities")
    which = np.searchsorted(edges, confidence, side="left")
    num = len(edges) + 1
    return Reliability(
        count=np.bincount(which, minlength=num).astype(np.float64),
        confidence=np.bincount(which, weights=confidence, minlength=num).astype(np.float64),
        right=np.bincount(which, weights=right.astype(np.float64), minlength=num).astype(np.float64),
    )


def expected_calibration_error(
    confidence: FloatArray, right: BoolArray, *, bins: Bins = "width", num_bins: int = NUM_BINS
) -> float:
    """Returns the expected calibration error over bins of equal width or mass, 0 to 1."""
    edges = equal_width(num_bins) if bins == "width" else equal_mass(confidence, num_bins)
    return reliability(confidence, right, edges).error


def brier_score(probability: FloatArray, labels: npt.NDArray[np.integer]) -> float:
    """Returns the mean over samples of the summed squared error of all classes, 0 (perfect) to 2.

    Args:
        probability: (sample, class).
        labels: (sample,).
    """
    chosen = np.take_along_axis(probability, labels[:, None].astype(np.int64), axis=1)[:, 0]
    return float(((probability**2).sum(axis=1) - 2 * chosen + 1).mean())


def bootstrap_error(
    scenes: Sequence[Reliability], *, num_draws: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Returns the percentile interval of the ECE when whole scenes are drawn again: pixels of a scene are no samples.

    Args:
        scenes: Counts of each scene over the same bins, at least one.
        num_draws: Bootstrap samples.
        seed: Of the draws.
        level: Coverage.
    """
    gap = np.stack([scene.right - scene.confidence for scene in scenes])
    count = np.array([scene.count.sum() for scene in scenes])
    drawn = np.random.default_rng(seed).integers(len(scenes), size=(num_draws, len(scenes)))
    errors = np.abs(gap[drawn].sum(axis=1)).sum(axis=-1) / count[drawn].sum(axis=1)
    low, high = np.quantile(errors, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
