"""How far predicted rotated boxes are from the true ones.

Legend: P pairs; a box is centre x, centre y, width, height, and cosine and sine of twice its angle.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

_LEAST_DISTANCE: Final = 1e-7
"""Under the root, for a finite slope where both boxes are one."""


def probiou_loss(first_P6: Tensor, second_P6: Tensor) -> Tensor:
    """Hellinger distance (P,) of boxes taken for Gaussians, 0 to 1 (ProbIoU, arXiv 2106.06072, equations 4 to 9).

    H = sqrt(1 - exp(-B)) with the Bhattacharyya distance B. A box is the Gaussian with the mean and covariance of a
    uniform distribution over it, R diag(w^2, h^2) R^T / 12, which holds twice the angle alone: half a turn changes
    nothing, nor does exchanging width and height with a quarter of a turn, and a square has no angle.

    Args:
        first_P6: sides above 0, of any unit; the last two of length 1.
        second_P6: their partners.
    """
    first, second = first_P6.float(), second_P6.float()
    a1, b1, c1 = _covariance(first)
    a2, b2, c2 = _covariance(second)
    a, b, c = a1 + a2, b1 + b2, c1 + c2
    dx, dy = (first[:, :2] - second[:, :2]).unbind(-1)
    determinant = _summed_determinant(first, second)
    apart = (a * dy.square() + b * dx.square() - 2 * c * dx * dy) / (4 * determinant)
    sides = first[:, 2:4].log().sum(-1) + second[:, 2:4].log().sum(-1)  # determinant of one: (w h / 12) squared
    unlike = 0.5 * (determinant.log() - sides + math.log(36))  # 144 of both, over 4 of the mean covariance
    distance = (apart + unlike).clamp(min=0)
    hellinger_P: Tensor = (-torch.expm1(-distance) + _LEAST_DISTANCE).sqrt() - math.sqrt(_LEAST_DISTANCE)
    return hellinger_P


def doubled_angle(boxes_n5: Tensor) -> Tensor:
    """Boxes with cosine and sine of twice the angle, (n, 6)."""
    angle = 2 * boxes_n5[:, 4:]
    return torch.cat([boxes_n5[:, :4], angle.cos(), angle.sin()], dim=1)


def halved_angle(boxes_n6: Tensor) -> Tensor:
    """Boxes (n, 5) with the angle, in [-pi / 2, pi / 2)."""
    angle = 0.5 * torch.atan2(boxes_n6[:, 5], boxes_n6[:, 4])
    # atan2 may give pi, whose half is the same box as at -pi / 2
    angle = torch.where(angle >= torch.pi / 2, angle - torch.pi, angle)
    return torch.cat([boxes_n6[:, :4], angle[:, None]], dim=1)


def _covariance(boxes_P6: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Variances of x and of y, and their covariance."""
    wide, high = _variances(boxes_P6)
    mean, half = (wide + high) / 2, (wide - high) / 2
    return mean + half * boxes_P6[:, 4], mean - half * boxes_P6[:, 4], half * boxes_P6[:, 5]


def _summed_determinant(first_P6: Tensor, second_P6: Tensor) -> Tensor:
    """Determinant of the sum of both covariances, out of the sides: a b - c^2 would lose all digits of thin boxes.

    (w1 + w2) (h1 + h2) + (w1 - h1) (w2 - h2) sin^2 of the angle between them, w and h the variances along the sides.
    """
    wide_1, high_1 = _variances(first_P6)
    wide_2, high_2 = _variances(second_P6)
    sine_square = (first_P6[:, 4:] - second_P6[:, 4:]).square().sum(-1) / 4
    return (wide_1 + wide_2) * (high_1 + high_2) + (wide_1 - high_1) * (wide_2 - high_2) * sine_square


def _variances(boxes_P6: Tensor) -> tuple[Tensor, Tensor]:
    """Along the width and along the height."""
    wide, high = (boxes_P6[:, 2:4].square() / 12).unbind(-1)
    return wide, high
