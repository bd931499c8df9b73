"""How far a detection head's predictions are from the true objects.

Legend: N images, P points of all levels, K classes, M points with an object over all images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional

from ringmoe_core.heads.boxes import corners_of, giou_loss
from ringmoe_core.heads.detection_targets import BACKGROUND, IGNORED, Assignment, assign_targets
from ringmoe_core.heads.rotated_loss import doubled_angle, probiou_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringmoe_core.heads.detection_outputs import DetectionOutputs
    from ringmoe_core.heads.detections import ObjectTargets

FOCAL_ALPHA: Final = 0.25
FOCAL_GAMMA: Final = 2.0
"""Of the focal loss (arXiv 1708.02002, section 5.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionLosses:
    """Terms of the loss, each a scalar."""

    classes: Tensor
    """Focal loss over points and classes, over the number of points with an object."""

    boxes: Tensor
    """1 - GIoU, or ProbIoU's Hellinger distance, of points with an object, weighted by how central they are."""

    centreness: Tensor
    """Binary cross-entropy of points with an object."""

    num_points: int
    """Points with an object."""

    @property
    def total(self) -> Tensor:
        """Their sum (FCOS, arXiv 1904.01355, equation 2)."""
        return self.classes + self.boxes + self.centreness


def detection_loss(outputs: DetectionOutputs, targets: Sequence[ObjectTargets]) -> DetectionLosses:
    """Loss of a batch; without any object the terms of boxes and centreness are 0 and have no gradient.

    Args:
        outputs: of the head.
        targets: one an image, boxes as the head's: (n, 4) or (n, 5).

    Raises:
        ValueError: another number of images, boxes of the other kind, or a label outside the classes.
    """
    _check(outputs, targets)
    given = [assign_targets(outputs.points_P2, outputs.strides_P, target) for target in targets]
    object_NP = torch.stack([one.object_P for one in given])
    centreness_NP = torch.stack([one.centreness_P for one in given])
    positive_NP = object_NP > BACKGROUND
    num = int(positive_NP.sum())
    counted_NP = object_NP != IGNORED
    wanted_NPK = _classes(outputs, targets, given)
    focal_NPK = focal_loss(outputs.logits_NPK, wanted_NPK)
    weight_M = centreness_NP[positive_NP]
    distance_M = _distance(outputs, targets, given)
    central_M = functional.binary_cross_entropy_with_logits(
        outputs.centreness_NP[positive_NP].float(), weight_M, reduction="sum"
    )
    return DetectionLosses(
        classes=(focal_NPK.sum(-1) * counted_NP).sum() / max(1, num),
        boxes=(distance_M * weight_M).sum() / weight_M.sum().clamp(min=1e-6),
        centreness=central_M / max(1, num),
        num_points=num,
    )


def focal_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Focal loss of each logit, float32: -alpha_t (1 - p_t)^gamma log p_t (arXiv 1708.02002, equation 5).

    Args:
        logits: any shape.
        wanted: 0 or 1, of the same shape.
    """
    logits = logits.float()
    missed = torch.where(wanted > 0, torch.sigmoid(-logits), torch.sigmoid(logits))
    alpha = torch.where(wanted > 0, FOCAL_ALPHA, 1 - FOCAL_ALPHA)
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted.float(), reduction="none")
    return alpha * missed**FOCAL_GAMMA * entropy


def _classes(outputs: DetectionOutputs, targets: Sequence[ObjectTargets], given: Sequence[Assignment]) -> Tensor:
    """1 at the class of each point's object, (N, P, K)."""
    wanted_NPK = torch.zeros_like(outputs.logits_NPK, dtype=torch.float32)
    for wanted_PK, target, one in zip(wanted_NPK, targets, given, strict=True):
        points = (one.object_P > BACKGROUND).nonzero().squeeze(1)
        wanted_PK[points, target.labels.to(points.device)[one.object_P[points]].long()] = 1.0
    return wanted_NPK


def _distance(outputs: DetectionOutputs, targets: Sequence[ObjectTargets], given: Sequence[Assignment]) -> Tensor:
    """Distance (M,) of each point's box to its object's, images in order."""
    found_MG = torch.cat(
        [boxes[one.object_P > BACKGROUND] for boxes, one in zip(outputs.boxes_NPG, given, strict=True)]
    )
    true_MG = torch.cat(
        [
            target.boxes.to(found_MG)[one.object_P[one.object_P > BACKGROUND]]
            for target, one in zip(targets, given, strict=True)
        ]
    )
    if outputs.rotated:
        return probiou_loss(found_MG, doubled_angle(true_MG))
    return giou_loss(corners_of(found_MG), true_MG)


def _check(outputs: DetectionOutputs, targets: Sequence[ObjectTargets]) -> None:
    N, _, K = outputs.logits_NPK.shape
    if len(targets) != N:
        raise ValueError(
            f"each of {N} images has its targets, got {len(targets)}; an image of no object has empty ones"
        )
    width = 5 if outputs.rotated else 4
    for index, target in enumerate(targets):
        if target.boxes.shape[1] != width:
            raise ValueError(f"boxes of this head are (n, {width}), got {tuple(target.boxes.shape)} in image {index}")
        labels = target.labels[target.counted]
        if len(labels) and not bool(((labels >= 0) & (labels < K)).all()):
            raise ValueError(
                f"labels must lie in 0 to {K - 1}, got {sorted(set(labels.tolist()))} in image {index}; map them first"
            )
