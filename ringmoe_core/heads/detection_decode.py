"""From dense predictions to objects.

Legend: P points of all levels, K classes, C candidates, G numbers of a box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ringmoe_core.heads.boxes import corners_of
from ringmoe_core.heads.detections import Detections
from ringmoe_core.heads.nms import suppress
from ringmoe_core.heads.rotated_loss import halved_angle
from ringmoe_core.heads.temperature import apply_temperature

if TYPE_CHECKING:
    from ringmoe_core.heads.detection_outputs import DetectionOutputs


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """How many objects are kept, and which."""

    least_score: float = 0.05
    """Candidates below are dropped (FCOS, arXiv 1904.01355, section 4)."""

    most_overlap: float = 0.5
    """Intersection over union above which the worse of two boxes of a class is dropped."""

    num_candidates: int = 1000
    """Best candidates of an image that are compared with each other."""

    num_kept: int = 300
    """Objects of an image, at most."""


def decode_detections(
    outputs: DetectionOutputs, options: DecodeOptions | None = None, *, temperature: float = 1.0
) -> list[Detections]:
    """The objects of each image, best first, on the CPU or wherever the outputs are.

    score = sqrt(class probability x centreness) (FCOS's later code and arXiv 2006.09214, section 2.4). Horizontal boxes
    are cut at the image's border; rotated ones, which would no longer be boxes, are not.

    Args:
        outputs: of the head.
        options: how many are kept.
        temperature: of the class logits.
    """
    options = options or DecodeOptions()
    probability_NPK = apply_temperature(outputs.logits_NPK.detach().float(), temperature).sigmoid()
    score_NPK = (probability_NPK * outputs.centreness_NP.detach().float().sigmoid()[..., None]).sqrt()
    return [
        _image(score_PK, boxes_PG, outputs, options)
        for score_PK, boxes_PG in zip(score_NPK, outputs.boxes_NPG.detach(), strict=True)
    ]


def _image(score_PK: Tensor, boxes_PG: Tensor, outputs: DetectionOutputs, options: DecodeOptions) -> Detections:
    num_classes = score_PK.shape[1]
    scores_C, flat_C = score_PK.flatten().topk(min(options.num_candidates, score_PK.numel()))
    good = scores_C >= options.least_score
    scores_C, flat_C = scores_C[good], flat_C[good]
    labels_C = flat_C % num_classes
    boxes_CG = _written(boxes_PG[flat_C // num_classes], outputs)
    sound = (boxes_CG[:, 2:4] > (0 if outputs.rotated else boxes_CG[:, :2])).all(1)
    boxes_CG, scores_C, labels_C = boxes_CG[sound], scores_C[sound], labels_C[sound]
    kept = suppress(boxes_CG, scores_C, labels_C, most_overlap=options.most_overlap)[: options.num_kept]
    return Detections(boxes=boxes_CG[kept], scores=scores_C[kept], labels=labels_C[kept])


def _written(boxes_CG: Tensor, outputs: DetectionOutputs) -> Tensor:
    """Boxes as `Detections` writes them."""
    if outputs.rotated:
        return halved_angle(boxes_CG)
    height, width = outputs.size
    corners = corners_of(boxes_CG)
    return torch.minimum(corners.clamp(min=0), corners.new_tensor([width, height, width, height]))
