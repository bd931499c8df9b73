"""Upright boxes: mAP at IoU 0.5 and over 0.5, 0.55, ... 0.95 as COCO defines them, by faster-coco-eval.

The number is the tool's; its interval comes from our own matching of each image by the same rule, which agrees with
the tool (tested). Objects that must not count are what COCO calls crowd: an answer that lies in one (intersection over
the answer's own area) is neither right nor wrong. Of an image the 100 answers of the highest scores of each class
count, as the tool takes them.

Kept of an image: its true and its answered boxes, 24 and 40 bytes each; pixels never.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.sample import BoxesTarget
from pipelines.training.metrics.box_overlap import box_area, box_iou, intersection
from pipelines.training.metrics.prediction import BoxesPrediction
from pipelines.training.metrics.ranked_answers import HIT, MISS, NEITHER, MatchedImage, RankedAnswers
from pipelines.training.metrics.resampling import Resampling, interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.training.benchmarks.sample import Target
    from pipelines.training.metrics.prediction import Prediction

THRESHOLDS: Final = tuple(float(value) for value in np.linspace(0.5, 0.95, 10))
MAX_ANSWERS: Final = 100
NAMES: Final = {"map50": (0,), "map": tuple(range(len(THRESHOLDS)))}
"""Number -> indices of its thresholds."""


class BoxMetric:
    """Boxes of every image, matched as they come."""

    def __init__(self, num_classes: int, resampling: Resampling) -> None:
        """Starts empty."""
        self._num_classes = num_classes
        self._answers = RankedAnswers(num_classes, resampling)
        self._boxes: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}  # few arrays: each costs 100 bytes

    def update(self, prediction: Prediction, target: Target, *, image: str, unit: str = "") -> None:
        """Counts an image.

        Raises:
            ValueError: It came before, or a label is outside the classes.
        """
        assert isinstance(prediction, BoxesPrediction)
        assert isinstance(target, BoxesTarget)
        check_labels(prediction.labels, self._num_classes, image)
        kept = _top(prediction)
        top = BoxesPrediction(
            boxes=prediction.boxes[kept], scores=prediction.scores[kept], labels=prediction.labels[kept]
        )
        outcome = np.full((len(THRESHOLDS), len(kept)), MISS, dtype=np.int8)
        for label in np.unique(top.labels):
            mine, theirs = top.labels == label, target.labels == label
            overlap = coco_overlap(top.boxes[mine], target.boxes[theirs], target.ignore[theirs])
            for row, threshold in enumerate(THRESHOLDS):
                outcome[row, mine] = match_coco(overlap, target.ignore[theirs], threshold)
        counting = target.labels[~target.ignore]
        matched = MatchedImage(
            unit=unit or image,
            scores=top.scores,
            labels=top.labels.astype(np.int16),
            outcome=outcome,
            positives=np.bincount(counting, minlength=self._num_classes),
        )
        self._answers.add(image, matched)
        self._boxes[image] = (
            np.column_stack([target.boxes, target.labels, target.ignore]).astype(np.float32),
            np.column_stack([top.boxes, top.labels, top.scores]).astype(np.float32),
        )

    def compute(self) -> dict[str, float]:
        """map50, map."""
        precision = self._evaluated()
        return {name: _mean(precision[list(rows)]) for name, rows in NAMES.items()}

    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Of each number, from replicates of our own matching."""
        return {name: interval(self._answers.replicates(rows, "coco")) for name, rows in NAMES.items()}

    def by_class(self) -> dict[str, NDArray[np.float64]]:
        """Average precision at IoU 0.5 of each class, (class,); NaN where it has no object."""
        return {"ap50": self._evaluated()[0]}

    def own(self) -> dict[str, float]:
        """The numbers of `compute` by our own matching: what the intervals are of."""
        found = np.array([self._answers.by_class(row, "coco") for row in range(len(THRESHOLDS))])
        return {name: _mean(found[list(rows)]) for name, rows in NAMES.items()}

    def held_bytes(self) -> int:
        """Bytes kept."""
        boxes = sum(array.nbytes for pair in self._boxes.values() for array in pair)
        return self._answers.held_bytes() + boxes

    def _evaluated(self) -> NDArray[np.float64]:
        """Average precision by faster-coco-eval, (threshold, class); NaN where a class has no object."""
        from faster_coco_eval import COCO, COCOeval_faster

        truth, answers = self._documents()
        if not truth["annotations"] or not answers:
            has = np.array(
                [
                    any(item["category_id"] == label + 1 for item in truth["annotations"] if not item["iscrowd"])
                    for label in range(self._num_classes)
                ]
            )
            return np.tile(np.where(has, 0.0, np.nan), (len(THRESHOLDS), 1))
        with redirect_stdout(StringIO()):
            known = COCO(truth)
            evaluation = COCOeval_faster(known, known.loadRes(answers), "bbox", print_function=lambda *_: None)
            evaluation.evaluate()
            evaluation.accumulate()
        precision: NDArray[np.float64] = evaluation.eval["precision"][:, :, :, 0, -1]  # all sizes, most answers
        mean: NDArray[np.float64] = np.mean(np.where(precision >= 0, precision, np.nan), axis=1)
        return mean

    def _documents(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """What the tool reads; images by name, so that their order is nothing."""
        truth: list[dict[str, Any]] = []
        answers: list[dict[str, Any]] = []
        names = sorted(self._boxes)
        for number, name in enumerate(names, 1):
            objects, found = self._boxes[name]
            for *box, label, ignore in _sized(objects):
                truth.append(
                    {
                        "id": len(truth) + 1,
                        "image_id": number,
                        "category_id": int(label) + 1,
                        "bbox": box,
                        "area": box[2] * box[3],
                        "iscrowd": int(ignore),
                    }
                )
            for *box, label, score in _sized(found):
                answers.append({"image_id": number, "category_id": int(label) + 1, "bbox": box, "score": score})
        document = {
            "images": [{"id": number} for number in range(1, len(names) + 1)],
            "categories": [{"id": label + 1, "name": str(label)} for label in range(self._num_classes)],
            "annotations": truth,
        }
        return document, answers


def coco_overlap(
    answers: NDArray[np.float32], objects: NDArray[np.float32], ignore: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """IoU of each pair (answer, object); over the answer's own area where the object must not count."""
    first, second = answers.astype(np.float64), objects.astype(np.float64)
    overlap = box_iou(first, second)
    own = box_area(first)[:, None]
    inside = np.divide(intersection(first, second), own, out=np.zeros_like(overlap), where=own > 0)
    return np.where(ignore[None, :], inside, overlap)


def match_coco(overlap: NDArray[np.float64], ignore: NDArray[np.bool_], threshold: float) -> NDArray[np.int8]:
    """What each answer is, (answer,): answers in order of falling score each take the best object still free.

    Args:
        overlap: (answer, object).
        ignore: (object,), may be taken by any number of answers, and only by those that find no other.
        threshold: Least overlap of a match.
    """
    outcome = np.full(len(overlap), MISS, dtype=np.int8)
    free = ~ignore
    for row, values in enumerate(overlap):
        for candidates, result in ((free, HIT), (ignore, NEITHER)):
            reached = np.where(candidates, values, -1.0)
            if reached.size and reached.max() >= min(threshold, 1 - 1e-10):
                outcome[row] = result
                if result == HIT:  # of equal overlaps the last object is taken, as the tool does
                    free[len(reached) - 1 - int(np.argmax(reached[::-1]))] = False
                break
    return outcome


def _top(prediction: BoxesPrediction) -> NDArray[np.int64]:
    """Indices of the answers that count, by falling score: the first MAX_ANSWERS of each class."""
    order = np.argsort(-prediction.scores, kind="stable")
    labels = prediction.labels[order]
    kept = np.zeros(len(order), dtype=np.bool_)
    for label in np.unique(labels):
        kept[np.flatnonzero(labels == label)[:MAX_ANSWERS]] = True
    return order[kept]


def check_labels(labels: NDArray[np.int64], num_classes: int, image: str) -> None:
    """Raises ValueError where a label is outside the classes."""
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        raise ValueError(f"{image}: labels must be 0 to {num_classes - 1}, got {labels.min()} to {labels.max()}")


def _sized(rows: NDArray[np.float32]) -> list[list[float]]:
    """Rows of left, top, right, bottom and more, as left, top, width, height and the same more."""
    wide = rows.astype(np.float64)
    wide[:, 2:4] -= wide[:, :2]
    listed: list[list[float]] = wide.tolist()
    return listed


def _mean(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
