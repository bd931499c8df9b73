"""Counts of true against predicted classes, and what follows from them. Of fixed size, whatever streams by.

Dims: replicate, true class, predicted class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.training.metrics.resampling import Resampling, interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    Values = NDArray[np.float64]


class ConfusionCounts:
    """The confusion matrix, and one a replicate. Integers, so that no order of adding changes them."""

    def __init__(self, num_classes: int, resampling: Resampling) -> None:
        """Starts at zero."""
        self.num_classes = num_classes
        self.total: Counts = np.zeros((num_classes, num_classes), dtype=np.int64)
        self._replicates: Counts = np.zeros((resampling.num_replicates, num_classes, num_classes), dtype=np.int64)
        self._resampling = resampling

    def add(self, true: NDArray[np.int64], predicted: NDArray[np.int64], unit: str) -> None:
        """Counts pairs of labels of one image.

        Raises:
            ValueError: A label is outside the classes.
        """
        for name, labels in (("true", true), ("predicted", predicted)):
            if labels.size and (labels.min() < 0 or labels.max() >= self.num_classes):
                raise ValueError(
                    f"{name} labels must be 0 to {self.num_classes - 1}, got {labels.min()} to {labels.max()}"
                )
        pairs = np.bincount(true.ravel() * self.num_classes + predicted.ravel(), minlength=self.num_classes**2)
        counts = pairs.reshape(self.num_classes, self.num_classes)
        self.total += counts
        rows = np.flatnonzero(counts.any(axis=1))  # classes of one image are few
        weights = self._resampling.weights(unit)
        self._replicates[:, rows] += weights[:, None, None] * counts[rows]

    def intervals(self, measure: Callable[[Counts], dict[str, Values]]) -> dict[str, tuple[float, float] | None]:
        """Interval of each number that `measure` makes of (replicate, true, predicted) counts."""
        return {name: interval(values) for name, values in measure(self._replicates).items()}

    def replicate_totals(self) -> Counts:
        """Number of pairs in each replicate."""
        totals: Counts = self._replicates.sum(axis=(-2, -1))
        return totals

    def held_bytes(self) -> int:
        """Bytes kept: fixed."""
        return self.total.nbytes + self._replicates.nbytes


def overall_accuracy(counts: Counts) -> Values:
    """Share of right answers: trace over sum."""
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def iou(counts: Counts) -> Values:
    """Intersection over union of each class, TP / (TP + FP + FN); NaN where it is neither true nor predicted."""
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    return _ratio(hit, counts.sum(axis=-1) + counts.sum(axis=-2) - hit)


def f1(counts: Counts) -> Values:
    """F1 of each class, 2 TP / (2 TP + FP + FN); NaN where it is neither true nor predicted."""
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    return _ratio(2 * hit, counts.sum(axis=-1) + counts.sum(axis=-2))


def precision(counts: Counts) -> Values:
    """Share of each predicted class that is right; NaN where it is never predicted."""
    return _ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-2))


def recall(counts: Counts) -> Values:
    """Share of each true class that is found, the accuracy by class; NaN where it never occurs."""
    return _ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1))


def mean_of_classes(values: Values) -> Values:
    """The mean over the classes that have a value; NaN where none has."""
    has = np.isfinite(values)
    return _ratio(np.where(has, values, 0).sum(axis=-1), has.sum(axis=-1))


def _ratio(above: NDArray[np.generic], below: NDArray[np.generic]) -> Values:
    out = np.full(np.shape(below), np.nan)
    np.divide(above, below, out=out, where=np.asarray(below) > 0)
    return out
