"""Cross-validation over spatial folds: every sample is answered by what never saw its fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.training.own_labels.calibration import blend, blended_temperature
from pipelines.training.own_labels.errors import LabelError
from pipelines.training.own_labels.folds import training_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.training.own_labels.folds import Folds
    from pipelines.training.own_labels.learner import Learner
    from pipelines.training.own_labels.views import Views

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Labelled samples, as a learner and a map see them."""

    views: Views
    label: Ints
    """(sample,)."""

    x: Floats
    y: Floats
    """(sample,) place, in the unit of the buffer."""

    num_classes: int

    def __post_init__(self) -> None:
        if not self.label.shape == self.x.shape == self.y.shape == (self.views.num_samples,):
            raise LabelError(
                f"each of {self.views.num_samples} samples has a label and a place, got {self.label.shape}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """The held-out answers of one learner."""

    logits: Floats
    """(view, class), each by a learner that did not see the fold of its sample."""

    temperature: float
    """Fitted on all held-out answers: what is kept with the head."""

    before: Floats
    """Probabilities (sample, class) at temperature 1."""

    after: Floats
    """Likewise, each fold at the temperature that was fitted on the others."""

    num_buffered: int
    """Samples left out of training for lying within the buffer, summed over folds."""

    @property
    def answer(self) -> Ints:
        """The class answered for each sample, as a calibrated map shows it."""
        return np.asarray(self.after.argmax(axis=1), dtype=np.int64)


def cross_validate(
    samples: Samples,
    folds: Folds,
    learner: Learner,
    *,
    buffer: float = 0.0,
    calibrated: bool = True,
    on_fold: Callable[[int, int], None] | None = None,
) -> Crossing:
    """Returns the answers to every sample by learners that saw only other folds.

    Args:
        samples: What is learnt and asked.
        folds: Which are tested together.
        learner: Called once a fold.
        buffer: Training samples nearer than this to a tested one are left out.
        calibrated: Whether a temperature is fitted; else it is 1.
        on_fold: Told (folds done, folds in all).

    Raises:
        LabelError: A fold leaves nothing to learn from.
    """
    views = samples.views
    logits = np.zeros((len(views.features), samples.num_classes))
    num_buffered = 0
    for tested in range(folds.num_folds):
        taught = training_of(folds, tested, samples.x, samples.y, buffer=buffer)
        num_buffered += int(((folds.fold != tested) & ~taught).sum())
        if np.unique(samples.label[taught]).size < 2:  # noqa: PLR2004 nothing to tell apart
            raise LabelError(
                f"each fold needs two classes to learn from, fold {tested + 1} leaves "
                f"{np.unique(samples.label[taught]).size}; take smaller blocks, a smaller buffer, or label more places"
            )
        rows, asked = views.of(taught), views.of(folds.fold == tested)
        weight = views.weight[rows]
        answer = learner(views.features[rows], samples.label[views.sample[rows]], weight, samples.num_classes)
        logits[asked] = answer(views.features[asked])
        if on_fold is not None:
            on_fold(tested + 1, folds.num_folds)
    before = blend(logits, views)
    if not calibrated:
        return Crossing(logits=logits, temperature=1.0, before=before, after=before, num_buffered=num_buffered)
    each = np.array(
        [blended_temperature(logits, views, samples.label, folds.fold != tested) for tested in range(folds.num_folds)]
    )
    everything = np.ones(samples.label.shape, dtype=np.bool_)
    return Crossing(
        logits=logits,
        temperature=blended_temperature(logits, views, samples.label, everything),
        before=before,
        after=blend(logits, views, each[folds.fold[views.sample]]),
        num_buffered=num_buffered,
    )
