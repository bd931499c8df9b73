"""One way of dividing samples into folds, and how every method fares under it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.own_labels.accuracy import (
    Accuracy,
    Interval,
    accuracy,
    difference,
    macro_f1_of,
    overall_of,
)
from pipelines.training.own_labels.calibration import Calibration, calibration
from pipelines.training.own_labels.crossing import cross_validate
from pipelines.training.own_labels.folds import Folds, fold_warnings
from pipelines.training.own_labels.learner import forest, majority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipelines.training.own_labels.crossing import Crossing, Samples
    from pipelines.training.own_labels.learner import Learner

HEAD: Final = "head"
HEAD_MAPS: Final = "head_maps"
HEAD_STATISTICS: Final = "head_statistics"
"""The same head on a part of its features: whether the model's maps or the pixel's own series carry it."""

FOREST: Final = "random_forest"
MAJORITY: Final = "majority"
SCARCE: Final = 30
"""Samples of a class below which its figures are called loose: intervals of a share are some 0.2 wide there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What held-out samples say of each method."""

    name: str
    folds: Folds
    buffer: float
    """Metres, or 0."""

    num_buffered: int
    scores: Mapping[str, Accuracy]
    """By method; `head` is among them."""

    temperature: float
    """Fitted on all held-out answers of the head."""

    before: Calibration
    after: Calibration
    """Of the head without a temperature, and with that of the other folds."""

    less_forest: Mapping[str, Interval]
    """Head less random forest, paired by blocks: `overall` and `macro_f1`; empty where no forest was grown."""

    warnings: tuple[str, ...]

    def to_dict(self, class_names: Sequence[str]) -> dict[str, object]:
        """Returns plain values, ready for JSON."""
        return {
            "name": self.name,
            "folds": {
                "kind": self.folds.kind,
                "num_folds": self.folds.num_folds,
                "num_blocks": self.folds.num_blocks,
                "samples": np.bincount(self.folds.fold, minlength=self.folds.num_folds).tolist(),
                "buffer_m": self.buffer,
                "samples_in_buffers": self.num_buffered,
            },
            "methods": {name: score_dict(score, class_names) for name, score in self.scores.items()},
            "head_less_forest": {name: interval.to_dict() for name, interval in self.less_forest.items()},
            "calibration": {
                "temperature": self.temperature,
                "before": self.before.to_dict(),
                "after": self.after.to_dict(),
            },
            "warnings": list(self.warnings),
        }


def simple_learners(seed: int) -> dict[str, Learner]:
    """Returns the methods that a head is held against; without scikit-learn there is no forest."""
    grown = {FOREST: forest(seed)} if find_spec("sklearn") is not None else {}
    return {**grown, MAJORITY: majority}


def score_dict(score: Accuracy, class_names: Sequence[str]) -> dict[str, object]:
    """Returns one method's figures as plain values."""
    return {
        "overall_accuracy": score.overall.to_dict(),
        "macro_f1": score.macro_f1.to_dict(),
        "classes": {
            name: {
                "users_accuracy": score.users[index].to_dict(),
                "producers_accuracy": score.producers[index].to_dict(),
                "f1": score.f1[index].to_dict(),
            }
            for index, name in enumerate(class_names)
        },
        "confusion": score.confusion.tolist(),
    }


def evaluate(
    samples: Samples,
    folds: Folds,
    learners: Mapping[str, Learner],
    class_names: Sequence[str],
    *,
    name: str,
    buffer: float = 0.0,
    seed: int = 0,
    on_fold: Callable[[str, int, int], None] | None = None,
) -> Design:
    """Returns how each method answers samples that it did not see.

    Args:
        samples: What is learnt and asked.
        folds: Which are tested together.
        learners: By method; `head` must be among them.
        class_names: In the order of the labels.
        name: Of the design, for a person.
        buffer: Least distance of a training sample to a tested one, in the unit of the samples' places.
        seed: Of the bootstrap.
        on_fold: Told (method, folds done, folds in all).

    Raises:
        LabelError: A fold leaves nothing to learn from.
    """
    num = samples.num_classes
    crossed: dict[str, Crossing] = {}
    for method, learner in learners.items():

        def tell(done: int, total: int, method: str = method) -> None:
            if on_fold is not None:
                on_fold(method, done, total)

        crossed[method] = cross_validate(
            samples, folds, learner, buffer=buffer, calibrated=method == HEAD, on_fold=tell
        )
    head = crossed[HEAD]
    paired = {}
    if FOREST in crossed:
        answers = (head.answer, crossed[FOREST].answer)
        for figure, of in (("overall", overall_of), ("macro_f1", macro_f1_of)):
            paired[figure] = difference(samples.label, answers, folds.block, num, of, seed=seed)
    return Design(
        name=name,
        folds=folds,
        buffer=buffer,
        num_buffered=head.num_buffered,
        scores={
            method: accuracy(samples.label, cross.answer, folds.block, num, seed=seed)
            for method, cross in crossed.items()
        },
        temperature=head.temperature,
        before=calibration(head.before, samples.label),
        after=calibration(head.after, samples.label),
        less_forest=paired,
        warnings=fold_warnings(folds, samples.label, class_names, scarce=SCARCE, buffer=buffer),
    )
