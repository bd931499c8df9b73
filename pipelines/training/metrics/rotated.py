"""Turned boxes: mAP at IoU 0.5 of the polygons, by the rules of PASCAL VOC.

An answer is compared with the object of its class and image that it overlaps most: right where that is at least 0.5
and no answer of a higher score took it, wrong otherwise, neither where the object is a difficult one (Everingham et
al. 2010, section 4.4). "voc07" is what HRSC2016 and DIOR-R results quote as a rule, "area" the later way.

Kept of an image: 7 bytes an answer and a number a class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.benchmarks.sample import RotatedTarget
from pipelines.training.metrics.detection import check_labels
from pipelines.training.metrics.polygon_overlap import rotated_iou
from pipelines.training.metrics.prediction import RotatedPrediction
from pipelines.training.metrics.ranked_answers import HIT, MISS, NEITHER, MatchedImage, RankedAnswers
from pipelines.training.metrics.resampling import Resampling, interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.training.benchmarks.sample import Target
    from pipelines.training.metrics.average_precision import Way
    from pipelines.training.metrics.prediction import Prediction

IOU: Final = 0.5
WAYS: Final[dict[str, Way]] = {"map50_voc07": "voc07", "map50_area": "area"}


class RotatedMetric:
    """Answers of every image, matched as they come."""

    def __init__(self, num_classes: int, resampling: Resampling, *, iou: float = IOU) -> None:
        """Starts empty.

        Args:
            num_classes: Of the benchmark.
            resampling: Of images.
            iou: Least overlap of a match.
        """
        self._num_classes = num_classes
        self._iou = iou
        self._answers = RankedAnswers(num_classes, resampling)

    def update(self, prediction: Prediction, target: Target, *, image: str, unit: str = "") -> None:
        """Counts an image.

        Raises:
            ValueError: It came before, or a label is outside the classes.
        """
        assert isinstance(prediction, RotatedPrediction)
        assert isinstance(target, RotatedTarget)
        check_labels(prediction.labels, self._num_classes, image)
        order = np.argsort(-prediction.scores, kind="stable")
        labels, corners = prediction.labels[order], prediction.corners[order].astype(np.float64)
        outcome = np.full((1, len(order)), MISS, dtype=np.int8)
        for label in np.unique(labels):
            mine, theirs = labels == label, target.labels == label
            overlap = rotated_iou(corners[mine], target.corners[theirs].astype(np.float64))
            outcome[0, mine] = match_voc(overlap, target.ignore[theirs], self._iou)
        self._answers.add(
            image,
            MatchedImage(
                unit=unit or image,
                scores=prediction.scores[order],
                labels=labels.astype(np.int16),
                outcome=outcome,
                positives=np.bincount(target.labels[~target.ignore], minlength=self._num_classes),
            ),
        )

    def compute(self) -> dict[str, float]:
        """map50_voc07, map50_area: the mean over classes that have an object."""
        found = {name: self._answers.by_class(0, way) for name, way in WAYS.items()}
        return {
            name: float(np.mean(values[np.isfinite(values)])) if np.isfinite(values).any() else float("nan")
            for name, values in found.items()
        }

    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Of each number."""
        return {name: interval(self._answers.replicates((0,), way)) for name, way in WAYS.items()}

    def by_class(self) -> dict[str, NDArray[np.float64]]:
        """Average precision of each class both ways, (class,)."""
        return {f"ap50_{way}": self._answers.by_class(0, way) for way in WAYS.values()}

    def held_bytes(self) -> int:
        """Bytes kept."""
        return self._answers.held_bytes()


def match_voc(overlap: NDArray[np.float64], ignore: NDArray[np.bool_], threshold: float) -> NDArray[np.int8]:
    """What each answer is, (answer,), answers in order of falling score.

    Args:
        overlap: (answer, object).
        ignore: (object,), difficult.
        threshold: Least overlap of a match.
    """
    outcome = np.full(len(overlap), MISS, dtype=np.int8)
    taken = np.zeros(len(ignore), dtype=np.bool_)
    for row, values in enumerate(overlap):
        if not values.size or values.max() < threshold:
            continue
        best = int(np.argmax(values))
        if ignore[best]:
            outcome[row] = NEITHER
        elif not taken[best]:
            outcome[row] = HIT
            taken[best] = True
    return outcome
