"""The paper's power objective, kept for comparison.

Legend: N images, C = 4 polarisations HH, HV, VH, VV, H, W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ringmoe_core.losses.mean import check_alike, counted, masked_mean, wide

TINY = 1e-12
"""Least range that power is divided by: an image of one power becomes 0."""


def plain_power_target(scattering_NCHW: Tensor, valid_NHW: Tensor) -> Tensor:
    """Power as the authors' code prepares it, (N, H, W) in [0, 1], 0 where not valid.

    P = sum over polarisations of I^2 + Q^2, clipped at 1, then stretched from its least to its largest value over the
    image. The stretch makes equal ground look different from image to image, and one bright target darkens all else.

    Args:
        scattering_NCHW: complex; anything where not valid, NaN for a polarisation that is absent counts as none.
        valid_NHW: bool, pixels of the image that hold data.
    """
    power = scattering_NCHW.real.square() + scattering_NCHW.imag.square()
    total_NHW = torch.nan_to_num(power).sum(1).clamp(max=1.0)
    least = torch.where(valid_NHW, total_NHW, torch.inf).amin((1, 2), keepdim=True)
    largest = torch.where(valid_NHW, total_NHW, -torch.inf).amax((1, 2), keepdim=True)
    return torch.where(valid_NHW, (total_NHW - least) / (largest - least).clamp_min(TINY), 0.0)


def plain_power_loss(prediction_NHW: Tensor, target_NHW: Tensor, weight_NHW: Tensor) -> Tensor:
    """Mean squared error of stretched power: sum(w (r - P)^2) / sum(w).

    RingMoE, arXiv 2504.03166, and its authors' code (`Power_generation`), which predicts one channel.

    Args:
        prediction_NHW: r.
        target_NHW: P of `plain_power_target`.
        weight_NHW: at least 0.

    Raises:
        ValueError: the shapes differ.
    """
    check_alike(prediction=prediction_NHW, target=target_NHW, weight=weight_NHW)
    dtype = wide(prediction_NHW)
    error = counted(prediction_NHW.to(dtype), weight_NHW) - counted(target_NHW.to(dtype), weight_NHW)
    return masked_mean(error.square(), weight_NHW)
