"""Any number of classes an image: mean average precision, macro and micro F1 at probability 0.5.

Average precision of a class is the area below its precision-recall curve by steps, sum over n of (R_n - R_n-1) P_n
with equal scores taken together, by torchmetrics. Kept of an image: a score and a flag a class, 5 bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.benchmarks.sample import LabelsTarget
from pipelines.training.metrics.prediction import LabelScores
from pipelines.training.metrics.resampling import Resampling, interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.training.benchmarks.sample import Target
    from pipelines.training.metrics.prediction import Prediction

    Values = NDArray[np.float64]

DECISION: Final = 0.5
BLOCK: Final = 1 << 22
"""Values of (image, replicate) held at once as doubles; whole they are held as bytes."""


class LabelsMetric:
    """Scores of every image."""

    def __init__(self, num_classes: int, resampling: Resampling) -> None:
        """Starts empty."""
        self._num_classes = num_classes
        self._resampling = resampling
        self._images: dict[str, tuple[str, NDArray[np.float32], NDArray[np.bool_]]] = {}

    def update(self, prediction: Prediction, target: Target, *, image: str, unit: str = "") -> None:
        """Counts an image.

        Raises:
            ValueError: It came before, a label is outside the classes, or scores are not one a class.
        """
        assert isinstance(prediction, LabelScores)
        assert isinstance(target, LabelsTarget)
        if image in self._images:
            raise ValueError(f"an image counts once, {image!r} came twice")
        if prediction.scores.shape != (self._num_classes,) or not set(target.labels) <= set(range(self._num_classes)):
            raise ValueError(
                f"{image}: scores and labels must be of {self._num_classes} classes, "
                f"got {prediction.scores.shape} and {target.labels}"
            )
        true = np.zeros(self._num_classes, dtype=np.bool_)
        true[list(target.labels)] = True
        self._images[image] = (unit or image, prediction.scores.astype(np.float32), true)

    def compute(self) -> dict[str, float]:
        """mean_average_precision over classes that occur, macro_f1, micro_f1."""
        if not self._images:
            return dict.fromkeys(("mean_average_precision", "macro_f1", "micro_f1"), float("nan"))
        _, scores, true = self._stacked()
        found = self.by_class()["average_precision"]
        precision = float(np.mean(found[np.isfinite(found)])) if np.isfinite(found).any() else float("nan")
        ones = np.ones((len(scores), 1))
        rest = {name: float(values[0]) for name, values in _f1_scores(scores >= DECISION, true, ones).items()}
        return {"mean_average_precision": precision, **rest}

    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Of each number."""
        if not self._images:
            return dict.fromkeys(("mean_average_precision", "macro_f1", "micro_f1"))
        units, scores, true = self._stacked()
        drawn = np.stack([self._resampling.weights(unit).astype(np.uint8) for unit in units])
        step = max(1, BLOCK // len(units))
        parts = [
            _replicates(scores, true, drawn[:, r : r + step].astype(np.float64)) for r in range(0, drawn.shape[1], step)
        ]
        return {name: interval(np.concatenate([part[name] for part in parts])) for name in parts[0]}

    def by_class(self) -> dict[str, Values]:
        """Average precision of each class, (class,); NaN where it never occurs."""
        import torch
        from torchmetrics.functional.classification import binary_average_precision

        _, scores, true = self._stacked()
        found = [
            float(
                binary_average_precision(torch.from_numpy(scores[:, k]), torch.from_numpy(true[:, k].astype(np.int64)))
            )
            if true[:, k].any()
            else float("nan")
            for k in range(self._num_classes)
        ]
        return {"average_precision": np.array(found)}

    def held_bytes(self) -> int:
        """Bytes kept: 5 a class and image."""
        return sum(scores.nbytes + true.nbytes for _, scores, true in self._images.values())

    def _stacked(self) -> tuple[list[str], NDArray[np.float32], NDArray[np.bool_]]:
        """Units, scores (image, class) and truth, images by name, so that their order is nothing."""
        kept = [self._images[name] for name in sorted(self._images)]
        return [unit for unit, _, _ in kept], np.stack([s for _, s, _ in kept]), np.stack([t for _, _, t in kept])


def _replicates(scores: NDArray[np.float32], true: NDArray[np.bool_], weights: Values) -> dict[str, Values]:
    """Each number with images counted by weight (image, replicate), (replicate,) each."""
    classes = np.array([weighted_average_precision(scores[:, k], true[:, k], weights) for k in range(true.shape[1])])
    has = np.isfinite(classes)
    mean = np.full(weights.shape[1], np.nan)
    np.divide(np.where(has, classes, 0).sum(axis=0), has.sum(axis=0), out=mean, where=has.any(axis=0))
    return {"mean_average_precision": mean, **_f1_scores(scores >= DECISION, true, weights)}


def weighted_average_precision(scores: NDArray[np.float32], true: NDArray[np.bool_], weights: Values) -> Values:
    """Average precision with images counted by weight, (replicate,); NaN without a positive.

    Args:
        scores: (image,)
        true: (image,)
        weights: (image, replicate)
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # equal scores are taken together
    hits = np.cumsum(weights[order] * true[order, None], axis=0)[ends]
    answers = np.cumsum(weights[order], axis=0)[ends]
    positives = hits[-1]
    precision = np.divide(hits, answers, out=np.zeros_like(hits), where=answers > 0)
    gained = (np.diff(hits, axis=0, prepend=0.0) * precision).sum(axis=0)
    out = np.full(len(positives), np.nan)
    np.divide(gained, positives, out=out, where=positives > 0)
    return out


def _f1_scores(answered: NDArray[np.bool_], true: NDArray[np.bool_], weights: Values) -> dict[str, Values]:
    """Macro F1 over classes that occur or are answered, and micro F1, (replicate,) each."""
    hit = weights.T @ (answered & true)
    both = weights.T @ answered + weights.T @ true
    of_class = np.full(hit.shape, np.nan)
    np.divide(2 * hit, both, out=of_class, where=both > 0)
    has = np.isfinite(of_class)
    macro, micro = np.full(len(hit), np.nan), np.full(len(hit), np.nan)
    np.divide(np.where(has, of_class, 0).sum(axis=1), has.sum(axis=1), out=macro, where=has.any(axis=1))
    np.divide(2 * hit.sum(axis=1), both.sum(axis=1), out=micro, where=both.sum(axis=1) > 0)
    return {"macro_f1": macro, "micro_f1": micro}
