"""Heads that are linear in frozen features of whole images: logistic regression, and nearest class means.

Legend: C features, K classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.sample import ClassTarget, LabelsTarget
from pipelines.training.protocols.inputs import SampleImages, sample_images, series_of
from pipelines.training.protocols.lesson import Learned, Lesson
from pipelines.training.protocols.windows import windows
from ringmoe_core.heads.class_loss import classification_loss

if TYPE_CHECKING:
    from pipelines.training.benchmarks.sample import Target
    from ringmoe_core.heads.classification import ClassificationHead

WEIGHT_DECAY: Final = 1e-4
ITERATIONS: Final = 100
NEVER: Final = -1e9
"""Logit of a class that no sample shows."""


def fit_linear(lesson: Lesson, head: ClassificationHead) -> Learned:
    """Logistic regression by L-BFGS on the pooled features of every chosen sample, 4 bytes a feature and sample.

    Raises:
        ValueError: No sample can be used.
    """
    features, labels, skipped = [], [], []
    for index in lesson.chosen:
        try:
            sample = lesson.benchmark[index]
            features.append(pooled(lesson, head, sample_images(sample, lesson.trained, pair=False)))
            labels.append(class_row(sample.target, lesson.num_classes))
        except (SampleError, ValueError) as error:
            skipped.append(str(error))
    if not features:
        raise ValueError(lesson.nothing(skipped))
    given_BC, wanted = torch.stack(features), torch.stack(labels)
    optimiser = torch.optim.LBFGS(head.classify.parameters(), max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = classification_loss(head.classify(given_BC), wanted)
        loss = loss + WEIGHT_DECAY * head.classify.weight.square().sum()
        torch.autograd.backward(loss)
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    last = float(closure().detach())  # what `step` gives is the loss before it
    return Learned(num_samples=len(lesson.chosen), skipped=tuple(skipped), last_loss=last, num_parameters=_size(head))


@torch.no_grad()
def fit_prototypes(lesson: Lesson, head: ClassificationHead) -> Learned:
    """Nearest class mean (Snell et al. 2017, arXiv 1703.05175, equation 8): |f - m|^2 is linear in f but for |f|^2.

    Raises:
        ValueError: No sample can be used.
    """
    means_KC = torch.zeros_like(head.classify.weight)
    counts_K = torch.zeros(lesson.num_classes)
    skipped = []
    for index in lesson.chosen:
        try:
            sample = lesson.benchmark[index]
            features_C = pooled(lesson, head, sample_images(sample, lesson.trained, pair=False))
        except (SampleError, ValueError) as error:
            skipped.append(str(error))
            continue
        assert isinstance(sample.target, ClassTarget)
        means_KC[sample.target.label] += features_C
        counts_K[sample.target.label] += 1
    if not counts_K.any():
        raise ValueError(lesson.nothing(skipped))
    set_prototypes(head.classify.weight, head.classify.bias, means_KC, counts_K)
    return Learned(
        num_samples=len(lesson.chosen), skipped=tuple(skipped), last_loss=float("nan"), num_parameters=_size(head)
    )


def _size(head: ClassificationHead) -> int:
    return sum(parameter.numel() for parameter in head.classify.parameters())


@torch.no_grad()
def set_prototypes(weight: Tensor, bias: Tensor, sums_KC: Tensor, counts_K: Tensor) -> None:
    """Writes class means into a linear layer: weight m, bias -|m|^2 / 2; a class that was not shown is never taken."""
    means_KC = sums_KC / counts_K.clamp(min=1)[:, None]
    weight.copy_(means_KC.reshape(weight.shape))
    bias.copy_(torch.where(counts_K > 0, -means_KC.square().sum(1) / 2, NEVER))


@torch.no_grad()
def pooled(lesson: Lesson, head: ClassificationHead, images: SampleImages) -> Tensor:
    """What a linear layer sees of a sample, (C,): the mean over its windows."""
    rows = []
    for window in windows(images.size, lesson.settings.window, lesson.settings.overlap):
        series, membership = series_of([(images, window)], lesson.task.model.config.modalities)
        rows.append(head.pool(lesson.task.pyramid(series, membership).levels[1:])[0])
    return torch.stack(rows).mean(0)


def class_row(target: Target, num_classes: int) -> Tensor:
    """A label, or (K,) of 0 and 1 where there may be several."""
    if isinstance(target, ClassTarget):
        return torch.tensor(target.label)
    assert isinstance(target, LabelsTarget)
    return functional.one_hot(torch.tensor(sorted(target.labels), dtype=torch.long), num_classes).sum(0).float()
