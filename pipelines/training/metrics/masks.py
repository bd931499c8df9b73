"""A class for each pixel: mean IoU for segmentation, F1 of the changed class for change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.sample import IGNORE, MaskTarget
from pipelines.training.metrics.confusion import (
    ConfusionCounts,
    f1,
    iou,
    mean_of_classes,
    overall_accuracy,
    precision,
    recall,
)
from pipelines.training.metrics.prediction import MaskPrediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipelines.training.benchmarks.sample import Target
    from pipelines.training.metrics.prediction import Prediction
    from pipelines.training.metrics.resampling import Resampling

CHANGED: Final = 1
"""Index of the changed class in a change benchmark's classes; 0 is the unchanged one."""


class MaskMetric:
    """Counts pixels that count. Intervals draw whole images, never pixels: neighbours are no independent evidence."""

    def __init__(self, num_classes: int, resampling: Resampling, *, change: bool = False) -> None:
        """Starts at zero."""
        self._counts = ConfusionCounts(num_classes, resampling)
        self._measure = measure_change if change else measure_segmentation

    def update(self, prediction: Prediction, target: Target, *, image: str, unit: str = "") -> None:
        """Counts the pixels of an image but those that are IGNORE.

        Raises:
            ValueError: The shapes differ, or a label is outside the classes.
        """
        assert isinstance(prediction, MaskPrediction)
        assert isinstance(target, MaskTarget)
        if prediction.mask.shape != target.mask.shape:
            raise ValueError(f"{image}: prediction must be {target.mask.shape} (y, x), got {prediction.mask.shape}")
        counts = target.mask != IGNORE
        try:
            self._counts.add(target.mask[counts], prediction.mask[counts], unit or image)
        except ValueError as error:
            raise ValueError(f"{image}: {error}") from error

    def compute(self) -> dict[str, float]:
        """Numbers of the task."""
        return {name: float(value) for name, value in self._measure(self._counts.total).items()}

    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Of each number."""
        return self._counts.intervals(self._measure)

    def by_class(self) -> dict[str, NDArray[np.float64]]:
        """IoU and F1 of each class, (class,)."""
        return {"iou": iou(self._counts.total), "f1": f1(self._counts.total)}

    def held_bytes(self) -> int:
        """Bytes kept: fixed."""
        return self._counts.held_bytes()


def measure_segmentation(counts: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """mean_iou and macro_f1 over the classes that are true or predicted somewhere, overall_accuracy."""
    return {
        "mean_iou": mean_of_classes(iou(counts)),
        "overall_accuracy": overall_accuracy(counts),
        "macro_f1": mean_of_classes(f1(counts)),
    }


def measure_change(counts: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """f1, iou, precision and recall of the changed class, overall_accuracy."""
    return {
        "f1": f1(counts)[..., CHANGED],
        "iou": iou(counts)[..., CHANGED],
        "precision": precision(counts)[..., CHANGED],
        "recall": recall(counts)[..., CHANGED],
        "overall_accuracy": overall_accuracy(counts),
    }
