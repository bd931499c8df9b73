"""Rotated boxes: corners, overlap, and the box around given corners.

Legend: n, m objects, P pairs; a box is centre x, centre y, width, height and angle (from +x towards +y, radians).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from ringmoe_core.heads.detections import canonical_angle

_NEAR: Final = 1e-12
"""Share of a box's size within which edges count as lying on each other: above rounding in float64."""

_PAIRS_AT_ONCE: Final = 1 << 17
"""Pairs clipped at a time: about 100 MB in float64."""

_SIGNS: Final = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
"""Corners in units of the sides, in the order in which the angle turns."""


def rotated_corners(boxes_n5: Tensor) -> Tensor:
    """Corners (n, 4, 2), x and y, in the order in which angles turn."""
    signs = boxes_n5.new_tensor(_SIGNS)
    offset = signs * boxes_n5[:, None, 2:4]
    cos, sin = boxes_n5[:, None, 4].cos(), boxes_n5[:, None, 4].sin()
    turned = torch.stack([offset[..., 0] * cos - offset[..., 1] * sin, offset[..., 0] * sin + offset[..., 1] * cos], -1)
    return boxes_n5[:, None, :2] + turned


def rotated_from_corners(corners_n42: Tensor) -> Tensor:
    """Boxes (n, 5) of the same centre, mean side lengths and direction as quadrilaterals given by corners in order.

    For true rectangles that is the rectangle; of the four ways to write it, the longer side is the width.
    """
    centre = corners_n42.mean(1)
    side = torch.roll(corners_n42, -1, dims=1) - corners_n42
    length = side.norm(dim=-1)
    first, second = (length[:, 0] + length[:, 2]) / 2, (length[:, 1] + length[:, 3]) / 2
    along_first, along_second = side[:, 0] - side[:, 2], side[:, 1] - side[:, 3]
    along = torch.where((first >= second)[:, None], along_first, along_second)
    angle = canonical_angle(torch.atan2(along[:, 1], along[:, 0]))
    sides = torch.stack([torch.maximum(first, second), torch.minimum(first, second)], dim=1)
    return torch.cat([centre, sides, angle[:, None]], dim=1)


def rotated_iou(first_n5: Tensor, second_m5: Tensor) -> Tensor:
    """Intersection over union of every pair, (n, m) float64; pairs too far apart to touch cost nothing."""
    first, second = first_n5.double(), second_m5.double()
    reach = (first[:, 2:4].norm(dim=1)[:, None] + second[:, 2:4].norm(dim=1)) / 2
    rows, columns = (torch.cdist(first[:, :2], second[:, :2]) <= reach).nonzero(as_tuple=True)
    found = first.new_zeros(len(first), len(second))
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        row, column = rows[start : start + _PAIRS_AT_ONCE], columns[start : start + _PAIRS_AT_ONCE]
        found[row, column] = _paired_iou(first[row], second[column])
    return found


def _paired_iou(first_P5: Tensor, second_P5: Tensor) -> Tensor:
    """Intersection over union of each pair, (P,)."""
    origin = torch.nn.functional.pad(first_P5[:, :2], (0, 3))  # near the origin, where float64 is finest
    first_P42, second_P42 = rotated_corners(first_P5 - origin), rotated_corners(second_P5 - origin)
    near_P = _NEAR * torch.maximum(first_P5[:, 2:4].amax(1), second_P5[:, 2:4].amax(1))
    twice_P = _inner_edges(first_P42, second_P42, near_P, shared=True)
    twice_P = twice_P + _inner_edges(second_P42, first_P42, near_P, shared=False)
    shared_P = (twice_P / 2).clamp(min=0)
    first_area_P, second_area_P = first_P5[:, 2] * first_P5[:, 3], second_P5[:, 2] * second_P5[:, 3]
    shared_P = torch.minimum(shared_P, torch.minimum(first_area_P, second_area_P))
    union_P = first_area_P + second_area_P - shared_P
    return torch.where(union_P > 0, shared_P / union_P.clamp(min=torch.finfo(union_P.dtype).tiny), 0.0)


def _inner_edges(edges_P42: Tensor, within_P42: Tensor, near_P: Tensor, *, shared: bool) -> Tensor:
    """Twice the area (P,) that the parts of a box's edges inside another box contribute to the intersection.

    Green's theorem: the area of the intersection is half the sum of x dy - y dx along its outline, which is made of
    edges of either box clipped to the other (Cyrus and Beck 1978, doi 10.1016/0097-8493(78)90021-3). An edge that lies
    on one of the other box's is part of the outline if both run the same way, and counted for one of the two boxes; if
    they run against each other the boxes only touch.

    Args:
        edges_P42: corners of the boxes whose edges are followed.
        within_P42: corners of the boxes that they are clipped to.
        near_P: distance within which edges lie on each other.
        shared: whether edges on an edge of the same direction are counted.
    """
    start, end = edges_P42, torch.roll(edges_P42, -1, dims=1)
    corner = within_P42
    along = torch.roll(within_P42, -1, dims=1) - corner
    along = along / along.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(along.dtype).tiny)
    inward = torch.stack([-along[..., 1], along[..., 0]], dim=-1)
    # (P, edge, half plane): distance of both ends of an edge to each side of the other box, positive inside
    same_way = torch.einsum("pex,phx->peh", end - start, along) > 0
    slack = torch.where(same_way & shared, near_P[:, None, None], -near_P[:, None, None])
    offset = (inward * corner).sum(-1)[:, None]
    first = torch.einsum("pex,phx->peh", start, inward) - offset + slack
    last = torch.einsum("pex,phx->peh", end, inward) - offset + slack
    crossing = first / torch.where(first == last, torch.ones_like(first), first - last)
    enters = torch.where((first < 0) & (last >= 0), crossing, 0.0).amax(-1)
    leaves = torch.where((first >= 0) & (last < 0), crossing, 1.0).amin(-1)
    outside = ((first < 0) & (last < 0)).any(-1) | (enters >= leaves)
    cross = start[..., 0] * end[..., 1] - start[..., 1] * end[..., 0]
    return torch.where(outside, 0.0, (leaves - enters) * cross).sum(1)
