"""One class an image: overall accuracy, macro F1, accuracy by class and among the first k."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.benchmarks.sample import ClassTarget
from pipelines.training.metrics.confusion import ConfusionCounts, f1, mean_of_classes, overall_accuracy, recall
from pipelines.training.metrics.prediction import ClassScores
from pipelines.training.metrics.resampling import Resampling, interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.training.benchmarks.sample import Target
    from pipelines.training.metrics.prediction import Prediction

FIRST: Final = 5


class ClassMetric:
    """Counts images by true and first class, and those whose class is among the first five."""

    def __init__(self, num_classes: int, resampling: Resampling) -> None:
        """Starts at zero."""
        self._counts = ConfusionCounts(num_classes, resampling)
        self._among_first = np.zeros(resampling.num_replicates + 1, dtype=np.int64)
        self._resampling = resampling

    def update(self, prediction: Prediction, target: Target, *, image: str, unit: str = "") -> None:
        """Counts an image; of equal scores the first class is taken."""
        assert isinstance(prediction, ClassScores)
        assert isinstance(target, ClassTarget)
        if prediction.scores.shape != (self._counts.num_classes,):
            raise ValueError(
                f"scores must be one for each of {self._counts.num_classes} classes, got {prediction.scores.shape}"
            )
        order = np.argsort(-prediction.scores, kind="stable")
        self._counts.add(np.array([target.label]), order[:1].astype(np.int64), unit or image)
        if target.label in order[:FIRST]:
            self._among_first += np.append(self._resampling.weights(unit or image), 1)

    def compute(self) -> dict[str, float]:
        """overall_accuracy, macro_f1, mean_class_accuracy; top_5_accuracy where there are more classes."""
        numbers = {name: float(value) for name, value in _measure(self._counts.total).items()}
        if self._counts.num_classes > FIRST:
            total = int(self._counts.total.sum())
            numbers["top_5_accuracy"] = int(self._among_first[-1]) / total if total else float("nan")
        return numbers

    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Of each number."""
        found = self._counts.intervals(_measure)
        if self._counts.num_classes > FIRST:
            totals = self._counts.replicate_totals()
            shares = np.divide(self._among_first[:-1], totals, out=np.full(len(totals), np.nan), where=totals > 0)
            found["top_5_accuracy"] = interval(shares)
        return found

    def by_class(self) -> dict[str, NDArray[np.float64]]:
        """Accuracy and F1 of each class, (class,)."""
        return {"accuracy": recall(self._counts.total), "f1": f1(self._counts.total)}

    def held_bytes(self) -> int:
        """Bytes kept: fixed."""
        return self._counts.held_bytes() + self._among_first.nbytes


def _measure(counts: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    return {
        "overall_accuracy": overall_accuracy(counts),
        "macro_f1": mean_of_classes(f1(counts)),
        "mean_class_accuracy": mean_of_classes(recall(counts)),
    }
