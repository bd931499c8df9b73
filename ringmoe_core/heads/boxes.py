"""Horizontal boxes.

Legend: n, m objects, P pairs; a box is x and y of its upper left and of its lower right corner, pixel edges.
"""

from __future__ import annotations

import torch
from torch import Tensor


def box_iou(first_n4: Tensor, second_m4: Tensor) -> Tensor:
    """Intersection over union of every pair, (n, m); 0 where both are empty."""
    left = torch.maximum(first_n4[:, None, :2], second_m4[None, :, :2])
    right = torch.minimum(first_n4[:, None, 2:], second_m4[None, :, 2:])
    shared = (right - left).clamp(min=0).prod(-1)
    union = _area(first_n4)[:, None] + _area(second_m4) - shared
    return torch.where(union > 0, shared / union.clamp(min=torch.finfo(union.dtype).tiny), 0.0)


def giou_loss(first_P4: Tensor, second_P4: Tensor) -> Tensor:
    """1 - GIoU of each pair, (P,), 0 to 2 (Rezatofighi et al., arXiv 1902.09630, algorithm 1).

    Args:
        first_P4: boxes with sides above 0.
        second_P4: their partners.
    """
    shared = (
        torch.minimum(first_P4[:, 2:], second_P4[:, 2:]) - torch.maximum(first_P4[:, :2], second_P4[:, :2])
    ).clamp(min=0)
    hull = torch.maximum(first_P4[:, 2:], second_P4[:, 2:]) - torch.minimum(first_P4[:, :2], second_P4[:, :2])
    shared_P, hull_P = shared.prod(-1), hull.prod(-1)
    union_P = _area(first_P4) + _area(second_P4) - shared_P
    return 1 - shared_P / union_P + (hull_P - union_P) / hull_P


def corners_of(centred: Tensor) -> Tensor:
    """Corners (..., 4) of boxes given by centre x, centre y, width and height."""
    centre, half = centred[..., :2], centred[..., 2:4] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def centred_of(corners: Tensor) -> Tensor:
    """Centre x, centre y, width and height (..., 4) of boxes given by corners."""
    return torch.cat([(corners[..., :2] + corners[..., 2:]) / 2, corners[..., 2:] - corners[..., :2]], dim=-1)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
