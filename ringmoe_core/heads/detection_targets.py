"""Which object each point of a detection head is to find.

Legend: P points of all levels, n objects; a box is centre x, centre y, width, height and angle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from ringmoe_core.heads.boxes import centred_of

if TYPE_CHECKING:
    from ringmoe_core.heads.detections import ObjectTargets

SIDE_IN_STRIDES: Final = 8.0
"""An object belongs to the finest level of which it spans at most this many cells (FCOS, arXiv 1904.01355, section
3.2: half its side at most 4 to 8)."""

CENTRE_RADIUS: Final = 1.5
"""Points at most this many strides from an object's centre are its own (FCOS, arXiv 2006.09214, section 2.3)."""

BACKGROUND: Final = -1
IGNORED: Final = -2


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What each point is to say."""

    object_P: Tensor
    """Index of the object; `BACKGROUND`, or `IGNORED` where nothing said counts."""

    centreness_P: Tensor
    """How central the point lies in its object, beside the object's most central point, which has 1; 0 without one.

    FCOS (arXiv 1904.01355, equation 3) leaves out the comparison, and so gives small objects between the cells scores
    and weights near 0.
    """


def assign_targets(points_P2: Tensor, strides_P: Tensor, targets: ObjectTargets) -> Assignment:
    """The object of each point of an image.

    A point takes an object of its level's size if it lies inside and near its centre, the smallest of several. An
    object that no point was given to, since it lies between the cells, takes the point nearest to its centre. Points
    inside an ignored object, and of no other, are ignored.

    Args:
        points_P2: x and y, pixels.
        strides_P: pixels a cell of each point's level.
        targets: true objects; those whose level is coarser than all belong to the coarsest.
    """
    if not len(targets.boxes):
        nothing = points_P2.new_zeros(len(points_P2))
        return Assignment(object_P=nothing.long() + BACKGROUND, centreness_P=nothing)
    boxes_n5 = _with_angle(targets.boxes.to(points_P2))
    local_Pn2 = _local(points_P2, boxes_n5)
    inside_Pn = (local_Pn2.abs() <= boxes_n5[:, 2:4] / 2).all(-1)
    level_Pn = strides_P[:, None] == _strides_of(boxes_n5, strides_P)
    near_Pn = (points_P2[:, None] - boxes_n5[:, :2]).abs().amax(-1) <= CENTRE_RADIUS * strides_P[:, None]
    counted_n = targets.counted.to(points_P2.device)
    own_Pn = inside_Pn & level_Pn & near_Pn & counted_n
    own_Pn |= _nearest(points_P2, boxes_n5, level_Pn) & counted_n & ~own_Pn.any(0)
    area_n = boxes_n5[:, 2] * boxes_n5[:, 3]
    smallest_P, object_P = torch.where(own_Pn, area_n, torch.inf).min(1)
    object_P = torch.where(torch.isinf(smallest_P), BACKGROUND, object_P)
    hidden_P = (inside_Pn & ~counted_n).any(1) & (object_P == BACKGROUND)
    return Assignment(
        object_P=torch.where(hidden_P, IGNORED, object_P), centreness_P=_centreness(local_Pn2, boxes_n5, object_P)
    )


def _with_angle(boxes: Tensor) -> Tensor:
    if boxes.shape[1] == 5:  # noqa: PLR2004 - it has one
        return boxes
    return torch.nn.functional.pad(centred_of(boxes), (0, 1))


def _local(points_P2: Tensor, boxes_n5: Tensor) -> Tensor:
    """Position (P, n, 2) of each point along the width and the height of each box, from its centre."""
    offset = points_P2[:, None] - boxes_n5[:, :2]
    cos, sin = boxes_n5[:, 4].cos(), boxes_n5[:, 4].sin()
    along, across = offset[..., 0] * cos + offset[..., 1] * sin, offset[..., 1] * cos - offset[..., 0] * sin
    return torch.stack([along, across], dim=-1)


def _strides_of(boxes_n5: Tensor, strides_P: Tensor) -> Tensor:
    """Stride of the level that each object belongs to, (n,)."""
    levels: Tensor = strides_P.unique()  # type: ignore[no-untyped-call]
    side_n = boxes_n5[:, 2:4].amax(1)
    index = torch.searchsorted(levels * SIDE_IN_STRIDES, side_n).clamp(max=len(levels) - 1)
    strides_n: Tensor = levels[index]
    return strides_n


def _nearest(points_P2: Tensor, boxes_n5: Tensor, level_Pn: Tensor) -> Tensor:
    """(P, n) True at the point of its level that is nearest to each object's centre."""
    distance_Pn = torch.cdist(points_P2, boxes_n5[:, :2]).masked_fill(~level_Pn, torch.inf)
    found = torch.zeros_like(level_Pn)
    found[distance_Pn.argmin(0), torch.arange(len(boxes_n5), device=found.device)] = True
    return found


def _centreness(local_Pn2: Tensor, boxes_n5: Tensor, object_P: Tensor) -> Tensor:
    """Root of (nearer over farther side) along both axes, over that of the object's most central point."""
    index = object_P.clamp(min=0)
    away = local_Pn2[torch.arange(len(index), device=index.device), index].abs()
    half = boxes_n5[index, 2:4] / 2
    ratio_P = ((half - away).clamp(min=0) / (half + away)).prod(-1).sqrt()
    owned_P = object_P >= 0
    best_n = ratio_P.new_zeros(len(boxes_n5)).scatter_reduce(0, index[owned_P], ratio_P[owned_P], "amax")
    relative_P = torch.where(best_n[index] > 0, ratio_P / best_n[index].clamp(min=1e-6), 1.0)
    return torch.where(owned_P, relative_P, 0.0)
