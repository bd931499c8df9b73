"""What a model, or a file of results, says of one sample; one class a task. Conventions as in `benchmarks.sample`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.training.benchmarks.sample import check_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassScores:
    """A score for each class: probabilities or logits, the higher the likelier (classification)."""

    scores: NDArray[np.float32]
    """(class,)"""

    def __post_init__(self) -> None:
        check_finite(self.scores, "scores")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelScores:
    """A probability for each class on its own (multi-label)."""

    scores: NDArray[np.float32]
    """(class,), 0 to 1."""

    def __post_init__(self) -> None:
        check_finite(self.scores, "scores")
        if np.any((self.scores < 0) | (self.scores > 1)):
            raise ValueError(f"scores of labels must be 0 to 1, got {self.scores.min():g} to {self.scores.max():g}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaskPrediction:
    """A class for each pixel (segmentation, change)."""

    mask: NDArray[np.int64]
    """(y, x)"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoxesPrediction:
    """Upright boxes."""

    boxes: NDArray[np.float32]
    """(n, 4): left, top, right, bottom."""

    scores: NDArray[np.float32]
    """(n,)"""

    labels: NDArray[np.int64]
    """(n,)"""

    def __post_init__(self) -> None:
        check_scored(self.boxes, (4,), self.scores, self.labels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RotatedPrediction:
    """Turned boxes."""

    corners: NDArray[np.float32]
    """(n, 4, 2): x and y of the corners in order around the box."""

    scores: NDArray[np.float32]
    """(n,)"""

    labels: NDArray[np.int64]
    """(n,)"""

    def __post_init__(self) -> None:
        check_scored(self.corners, (4, 2), self.scores, self.labels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeightPrediction:
    """Height above ground for each pixel."""

    height_m: NDArray[np.float32]
    """(y, x)"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TracksPrediction:
    """Upright boxes of one frame with identities (tracking)."""

    ids: NDArray[np.int64]
    """(n,), distinct."""

    boxes: NDArray[np.float32]
    """(n, 4): left, top, right, bottom."""

    labels: NDArray[np.int64]
    """(n,)"""

    def __post_init__(self) -> None:
        check_scored(self.boxes, (4,), np.ones(len(self.labels), dtype=np.float32), self.labels)
        if self.ids.shape != self.labels.shape or len(np.unique(self.ids)) != len(self.ids):
            raise ValueError(f"ids must be one an object and differ, got {self.ids.tolist()}")


Prediction = (
    ClassScores
    | LabelScores
    | MaskPrediction
    | BoxesPrediction
    | RotatedPrediction
    | HeightPrediction
    | TracksPrediction
)


def check_finite(values: NDArray[np.float32], name: str) -> None:
    """Raises ValueError where a value is NaN or infinite."""
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{name} must be finite, got {int(np.sum(~np.isfinite(values)))} that are not")


def check_scored(
    objects: NDArray[np.float32], per_object: tuple[int, ...], scores: NDArray[np.float32], labels: NDArray[np.int64]
) -> None:
    """Raises ValueError where objects, scores and labels are not of one length, or not finite."""
    check_objects(objects.shape, per_object, labels, np.zeros(len(labels), dtype=np.bool_))
    if scores.shape != labels.shape:
        raise ValueError(f"scores must be one an object, got {scores.shape} for {len(labels)} objects")
    check_finite(objects, "boxes")
    check_finite(scores, "scores")
