"""Answers of a detector, matched image by image, ranked over all images at the end.

Kept of an image: for each answer its score, class and what it was at each threshold (11 to 14 bytes and the boxes of
the caller), for each class its number of objects. Nothing of the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.metrics.average_precision import Way, average_precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.training.metrics.resampling import Resampling

HIT: Final = 1
MISS: Final = 0
NEITHER: Final = -1
"""What an answer is at a threshold; NEITHER where it lies on an object that must not count."""

BLOCK: Final = 1 << 22
"""Values of (answer, replicate) held at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchedImage:
    """One image's answers."""

    unit: str
    scores: NDArray[np.float32]
    labels: NDArray[np.int16]
    outcome: NDArray[np.int8]
    """(threshold, answer)"""

    positives: NDArray[np.int64]
    """(class,), objects that count."""

    def held_bytes(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for array in (self.scores, self.labels, self.outcome, self.positives))


class RankedAnswers:
    """All images' answers."""

    def __init__(self, num_classes: int, resampling: Resampling) -> None:
        """Starts empty."""
        self._num_classes = num_classes
        self._resampling = resampling
        self._images: dict[str, MatchedImage] = {}

    def add(self, name: str, image: MatchedImage) -> None:
        """Keeps an image.

        Raises:
            ValueError: It was added before.
        """
        if name in self._images:
            raise ValueError(f"an image counts once, {name!r} came twice")
        self._images[name] = image

    def held_bytes(self) -> int:
        """Bytes kept."""
        return sum(image.held_bytes() for image in self._images.values())

    def by_class(self, threshold: int, way: Way) -> NDArray[np.float64]:
        """Average precision of each class, (class,); NaN where it has no object."""
        ones = np.ones((len(self._images), 1), dtype=np.uint8)
        return np.array([self._class(label, threshold, way, ones)[0] for label in range(self._num_classes)])

    def replicates(self, thresholds: tuple[int, ...], way: Way) -> NDArray[np.float64]:
        """Mean over classes and thresholds in each replicate, (replicate,); NaN where no class has an object."""
        names = sorted(self._images)
        drawn = [self._resampling.weights(self._images[name].unit).astype(np.uint8) for name in names]
        weights = np.array(drawn, dtype=np.uint8).reshape(len(names), self._resampling.num_replicates)
        found = [
            self._class(label, threshold, way, weights)
            for label in range(self._num_classes)
            for threshold in thresholds
        ]
        has = np.isfinite(found)
        out = np.full(self._resampling.num_replicates, np.nan)
        np.divide(np.where(has, found, 0).sum(axis=0), has.sum(axis=0), out=out, where=has.sum(axis=0) > 0)
        return out

    def _class(self, label: int, threshold: int, way: Way, weights: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Average precision of a class in each replicate; images by name, so that their order is nothing."""
        images = [self._images[name] for name in sorted(self._images)]
        if not images:
            return np.full(weights.shape[1], np.nan)
        chosen = [image.labels == label for image in images]
        scores = np.concatenate([image.scores[mine] for image, mine in zip(images, chosen, strict=True)])
        outcome = np.concatenate([image.outcome[threshold, mine] for image, mine in zip(images, chosen, strict=True)])
        owner = np.repeat(np.arange(len(images)), [int(mine.sum()) for mine in chosen])
        order = np.argsort(-scores, kind="stable")
        outcome, owner = outcome[order], owner[order]
        positives = np.array([image.positives[label] for image in images], dtype=np.float64)
        step = max(1, BLOCK // max(1, len(order), len(images)))
        parts = []
        for first in range(0, weights.shape[1], step):
            drawn = weights[:, first : first + step].astype(np.float64)
            mine = drawn[owner]
            hit, miss = (outcome == HIT)[:, None] * mine, (outcome == MISS)[:, None] * mine
            parts.append(average_precision(hit, miss, positives @ drawn, way))
        return np.concatenate(parts)
