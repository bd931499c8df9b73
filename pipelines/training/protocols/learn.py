"""A head learns a benchmark's training split; the backbone stays as it is unless it is to learn too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.sample import (
    IGNORE,
    BoxesTarget,
    ClassTarget,
    HeightTarget,
    LabelsTarget,
    MaskTarget,
    RotatedTarget,
)
from pipelines.training.protocols.draws import Cut, Draws, alike
from pipelines.training.protocols.inputs import sample_images, series_of
from pipelines.training.protocols.lesson import HEAD, Learned, Lesson
from pipelines.training.protocols.linear import class_row, fit_linear, fit_prototypes, set_prototypes
from pipelines.training.protocols.windows import windows
from ringmoe_core.adapt import add_lora, layer_groups, merge_lora
from ringmoe_core.heads.class_loss import classification_loss, segmentation_loss
from ringmoe_core.heads.classification import ClassificationHead
from ringmoe_core.heads.detection_loss import detection_loss
from ringmoe_core.heads.detections import ObjectTargets
from ringmoe_core.heads.height_loss import height_loss
from ringmoe_core.heads.rotated_boxes import rotated_from_corners
from ringmoe_core.heads.segmentation import SegmentationHead

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.training.benchmarks.sample import Target

WEIGHT_DECAY: Final = 1e-4


def learn(lesson: Lesson, progress: Callable[[int], None] = lambda _: None) -> Learned:
    """Trains the head of a task model in place.

    Linear and prototype heads on whole images are fitted to all chosen samples at once, prototypes of pixels as the
    samples go by; every other head by AdamW on windows drawn from them.

    Args:
        lesson: Model, head and samples. The model is frozen here, or taught with the head as `settings.adapt` says;
            low-rank matrices are added to its weights at the end.
        progress: Told how many steps are done.

    Raises:
        ValueError: No sample of the split can be learned from.
    """
    lesson.task.model.requires_grad_(requires_grad=False).eval()
    head, protocol = lesson.task.heads[HEAD], lesson.settings.protocol
    if protocol == "linear" and isinstance(head, ClassificationHead):
        learned = fit_linear(lesson, head)
    elif protocol == "prototype" and isinstance(head, ClassificationHead):
        learned = fit_prototypes(lesson, head)
    elif protocol == "prototype":
        assert isinstance(head, SegmentationHead)
        learned = _pixel_prototypes(lesson, head)
    else:
        learned = _fit_steps(lesson, progress)
    head.eval()
    return learned


@torch.no_grad()
def _pixel_prototypes(lesson: Lesson, head: SegmentationHead) -> Learned:
    """Means of the decoded maps over the pixels of each class, window by window."""
    layer = head.classify
    assert layer.bias is not None
    sums_KC = torch.zeros(lesson.num_classes, layer.in_channels, dtype=torch.float64)  # pixels are many
    counts_K = torch.zeros(lesson.num_classes, dtype=torch.float64)
    skipped = []
    for index in lesson.chosen:
        try:
            sample = lesson.benchmark[index]
            images = sample_images(sample, lesson.trained, pair=False)
        except (SampleError, ValueError) as error:
            skipped.append(str(error))
            continue
        assert isinstance(sample.target, MaskTarget)
        for window in windows(images.size, lesson.settings.window, lesson.settings.overlap):
            series, membership = series_of([(images, window)], lesson.task.model.config.modalities)
            maps_PHW = lesson.task.decode(lesson.task.pyramid(series, membership))[0]
            mask = torch.from_numpy(sample.target.mask[window.read])
            counted = mask != IGNORE
            sums_KC.index_add_(0, mask[counted], maps_PHW[:, counted].t().double())
            counts_K += torch.bincount(mask[counted], minlength=lesson.num_classes)
    if not counts_K.any():
        raise ValueError(lesson.nothing(skipped))
    set_prototypes(layer.weight, layer.bias, sums_KC, counts_K)
    return Learned(
        num_samples=len(lesson.chosen),
        skipped=tuple(skipped),
        last_loss=float("nan"),
        num_parameters=layer.weight.numel() + layer.bias.numel(),
    )


def _fit_steps(lesson: Lesson, progress: Callable[[int], None]) -> Learned:
    """AdamW on drawn windows; the rate falls to zero along a cosine."""
    settings = lesson.settings
    lesson.task.heads[HEAD].train()
    groups = _released(lesson)
    num_parameters = sum(parameter.numel() for group in groups for parameter in group["params"])
    optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
    draws = Draws(lesson)
    losses = []
    for step in range(settings.steps):
        optimiser.zero_grad(set_to_none=True)
        cuts = draws.batch(step)
        total = 0.0
        for group in alike(cuts):
            loss = _loss(lesson, group) * (len(group) / len(cuts))
            if loss.requires_grad:
                torch.autograd.backward(loss)
            total += float(loss.detach())
        optimiser.step()
        schedule.step()
        losses.append(total)
        progress(step + 1)
    merge_lora(lesson.task.model)
    lesson.task.model.requires_grad_(requires_grad=False)
    last = float(np.mean(losses[-max(1, settings.steps // 10) :]))
    return Learned(
        num_samples=len(lesson.chosen), skipped=tuple(draws.skipped), last_loss=last, num_parameters=num_parameters
    )


def _released(lesson: Lesson) -> list[dict[str, Any]]:
    """Groups of the parameters that learn: the head's, and those of the backbone that `adapt` names."""
    task, settings = lesson.task, lesson.settings
    if settings.adapt == "lora":
        add_lora(task.model, seed=settings.seed)
    if settings.adapt == "full":
        task.model.requires_grad_(requires_grad=True)
        return layer_groups(task, task.model.config, learning_rate=settings.learning_rate, weight_decay=WEIGHT_DECAY)
    return [{"params": [parameter for parameter in task.parameters() if parameter.requires_grad]}]


def _loss(lesson: Lesson, cuts: list[Cut]) -> Tensor:
    series, membership = series_of([(cut.images, cut.window) for cut in cuts], lesson.task.model.config.modalities)
    output = lesson.task.run(HEAD, series, membership)
    targets = [cut.target for cut in cuts]
    match targets[0]:
        case ClassTarget() | LabelsTarget():
            return classification_loss(
                output, torch.stack([class_row(target, lesson.num_classes) for target in targets])
            )
        case MaskTarget():
            return segmentation_loss(output, torch.from_numpy(np.stack([target.mask for target in targets])))  # type: ignore[union-attr]
        case HeightTarget():
            return height_loss(output, torch.from_numpy(np.stack([target.height_m for target in targets])))  # type: ignore[union-attr]
        case _:
            return detection_loss(output, [object_targets(target) for target in targets]).total


def object_targets(target: Target) -> ObjectTargets:
    """Boxes as the detection heads take them."""
    if isinstance(target, RotatedTarget):
        boxes = rotated_from_corners(torch.from_numpy(target.corners)).reshape(-1, 5)
    else:
        assert isinstance(target, BoxesTarget)
        boxes = torch.from_numpy(target.boxes).reshape(-1, 4)
    return ObjectTargets(
        boxes=boxes.float(), labels=torch.from_numpy(target.labels), ignore=torch.from_numpy(target.ignore)
    )
