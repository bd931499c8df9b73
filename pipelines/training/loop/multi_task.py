"""MultiTask: a backbone and its heads learn several tasks, each batch those that its kind of place has truth of.

Legend: B places, G groups, T images a place, K classes, H, W pixels, n objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from pipelines.training.loop.learner import StepLosses
from pipelines.training.objective import any_change_dice
from pipelines.training.places.tensors import change_groups, plane_of, series_of
from pipelines.training.scene_arrays import IGNORE
from ringmoe_core.heads import ObjectTargets, classification_loss, detection_loss, height_loss, segmentation_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn

    from pipelines.training.places.chip import Chip
    from pipelines.training.places.place import Kind
    from pipelines.training.places.sampler import ChipBatch, PlaceSampler
    from ringmoe_core import Features, FusedPyramid, RingMoE, Series
    from ringmoe_core.task_model import TaskModel

LEAST_SIDE_PX: Final = 1.0
"""Objects with a shorter side are neither to be found nor to be missed."""

OWN_TASKS: Final = ("land_cover", "change")
"""Answered by the backbone's own heads, on series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One task of a stage."""

    name: str
    """`land_cover` and `change` for the backbone's own heads; of a head of the task model otherwise."""

    kind: Kind
    """Of the places that have its truth."""

    target: str
    """`land_cover`, `change`, `height_m`, `boxes` or `scene_class`."""

    weight: float = 1.0
    rotated: bool = False
    """Whether boxes keep their angle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWeights:
    """Of the terms that belong to no task."""

    dice: float = 0.5
    """Of the soft Dice loss of any change, beside its cross-entropy."""

    balance: float = 0.01
    z: float = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskBatch:
    """What `MultiTask.losses` takes."""

    kind: Kind
    series: dict[str, Series]
    membership_BGT: torch.Tensor
    truth: dict[str, Any]
    """By task."""


class MultiTask:
    """Learns tasks on places of several kinds; satisfies `Learner`."""

    def __init__(
        self,
        model: TaskModel,
        tasks: Sequence[TaskSpec],
        draw: Callable[[int, int, int], PlaceSampler],
        weights: TaskWeights | None = None,
    ) -> None:
        """Joins them.

        Args:
            model: Backbone and heads.
            tasks: At least one, each with its head.
            draw: Gives the sampler of a size, a batch and a seed.
            weights: Of the terms that belong to no task.

        Raises:
            ValueError: There is no task, or one without a head.
        """
        missing = [one.name for one in tasks if one.name not in OWN_TASKS and one.name not in model.heads]
        if not tasks or missing:
            raise ValueError(
                f"each task needs a head, one of {sorted(model.heads)} or the backbone's own {OWN_TASKS}, got none for "
                f"{missing} of {len(tasks)} tasks; add heads or leave tasks out"
            )
        self._model, self._tasks, self._draw = model, tuple(tasks), draw
        self._weights = weights or TaskWeights()
        self._learns = any(value.requires_grad for value in model.model.parameters())
        """Whether the backbone does; the use of its experts is no one's business where it does not."""

    @property
    def module(self) -> nn.Module:
        """Backbone and heads."""
        return self._model

    @property
    def backbone(self) -> RingMoE:
        """The model in it."""
        return self._model.model

    def sampler(self, *, size: int, batch: int, seed: int) -> PlaceSampler:
        """Returns the sampler of all kinds that a task has truth of.

        Raises:
            SamplerError: There is no place of a task's kind.
        """
        sampler = self._draw(size, batch, seed)
        for task in self._tasks:
            sampler.restricted([task.kind])
        return sampler.restricted([task.kind for task in self._tasks])

    def prepare(self, batch: ChipBatch) -> TaskBatch:
        """Returns images, groups and truth of chips."""
        series = series_of(batch.chips)
        if batch.kind == "series":
            groups = change_groups(batch.chips)
        else:
            dates = sum(one.num_dates for one in series.values())
            groups = torch.ones((len(batch.chips), 1, dates), dtype=torch.bool)
        truth = {task.name: _truth(batch.chips, task) for task in self._tasks if task.kind == batch.kind}
        return TaskBatch(kind=batch.kind, series=series, membership_BGT=groups, truth=truth)

    def losses(self, prepared: TaskBatch) -> StepLosses:
        """Returns the weighted sum of the tasks' losses; one without any truth in the batch adds 0 and has no term.

        Its head runs all the same: processes that share gradients run the same layers.
        """
        features = self.backbone.encode(prepared.series)
        fused = self.backbone.fuse(features, prepared.membership_BGT)
        tasks = [task for task in self._tasks if task.kind == prepared.kind]
        found = self._own(tasks, fused, prepared) if prepared.kind == "series" else {}
        for task in tasks:
            if task.name not in OWN_TASKS:
                found[task.name] = _loss(self._model.apply_head(task.name, fused), prepared.truth[task.name], task)
        total = sum((task.weight * found[task.name] for task in tasks), start=_zero(fused))
        terms = {name: float(value.detach()) for name, value in found.items() if _is_known(prepared.truth[name])}
        return self._with_routing(total, terms, features)

    def _own(self, tasks: Sequence[TaskSpec], fused: FusedPyramid, prepared: TaskBatch) -> dict[str, torch.Tensor]:
        """Land cover of the first group, change between the second and the third."""
        names = [task.name for task in tasks]
        found: dict[str, torch.Tensor] = {}
        maps_NDHW = self.backbone.decode(fused)
        maps_BGDHW = maps_NDHW.reshape(*prepared.membership_BGT.shape[:2], *maps_NDHW.shape[1:])
        if "land_cover" in names:
            logits_BKHW = self.backbone.segment(maps_BGDHW[:, 0]).float()
            found["land_cover"] = segmentation_loss(logits_BKHW, prepared.truth["land_cover"])
        if "change" in names:
            logits_BKHW = self.backbone.change(maps_BGDHW[:, 1], maps_BGDHW[:, 2]).float()
            truth_BHW = prepared.truth["change"]
            dice = any_change_dice(logits_BKHW, truth_BHW)
            found["change"] = segmentation_loss(logits_BKHW, truth_BHW) + self._weights.dice * dice
        return found

    def _with_routing(self, total: torch.Tensor, terms: Mapping[str, float], features: Features) -> StepLosses:
        routing = features.routing if self._learns else None
        if routing is None:
            return StepLosses(total=total, terms=terms)
        total = total + self._weights.balance * routing.balance_loss + self._weights.z * routing.z_loss
        return StepLosses(
            total=total, terms={**terms, "balance": float(routing.balance_loss.detach())}, routing=routing
        )


def _zero(fused: FusedPyramid) -> torch.Tensor:
    """A zero with a gradient, so that a batch without truth has a backward pass too."""
    return torch.stack([level.float().sum() for level in fused.levels]).sum() * 0.0


def _truth(chips: Sequence[Chip], task: TaskSpec) -> Any:
    if task.target in {"land_cover", "change"}:
        return plane_of(chips, task.target, missing=IGNORE).long()
    if task.target == "height_m":
        return plane_of(chips, task.target, missing=float("nan")).float()
    if task.target == "scene_class":
        labels = [
            int(np.asarray(chip.targets["scene_class"])[0]) if "scene_class" in chip.targets else IGNORE
            for chip in chips
        ]
        return torch.tensor(labels)
    assert task.target == "boxes", task.target
    return [_objects(chip, rotated=task.rotated) for chip in chips]


def _objects(chip: Chip, *, rotated: bool) -> ObjectTargets:
    boxes_n6 = torch.from_numpy(np.asarray(chip.targets.get("boxes", np.zeros((0, 6))), np.float32).copy())
    boxes_n6 = boxes_n6[(boxes_n6[:, 2:4] > 0).all(1)]
    boxes = boxes_n6[:, :5] if rotated else upright(boxes_n6)
    return ObjectTargets(boxes=boxes, labels=boxes_n6[:, 5].long(), ignore=boxes_n6[:, 2:4].amin(1) < LEAST_SIDE_PX)


def upright(boxes_n5: torch.Tensor) -> torch.Tensor:
    """Returns corners (n, 4) of the smallest upright boxes around rotated ones (centre, sides, angle)."""
    cos, sin = boxes_n5[:, 4].cos().abs(), boxes_n5[:, 4].sin().abs()
    half_x = (boxes_n5[:, 2] * cos + boxes_n5[:, 3] * sin) / 2
    half_y = (boxes_n5[:, 2] * sin + boxes_n5[:, 3] * cos) / 2
    x, y = boxes_n5[:, 0], boxes_n5[:, 1]
    return torch.stack([x - half_x, y - half_y, x + half_x, y + half_y], dim=1)


def _is_known(truth: Any) -> bool:
    """Whether there is anything to learn from; no object in an image is something."""
    if not torch.is_tensor(truth):
        return True
    return bool(torch.isfinite(truth).any() if truth.is_floating_point() else (truth != IGNORE).any())


def _loss(output: Any, truth: Any, task: TaskSpec) -> torch.Tensor:
    if task.target == "height_m":
        return height_loss(output, truth)
    if task.target == "scene_class":
        return classification_loss(output, truth)
    if task.target == "boxes":
        return detection_loss(output, truth).total
    return segmentation_loss(output, truth)
