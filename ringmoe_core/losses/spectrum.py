"""The angle between spectra, which no change of brightness alters.

Legend: N images, C bands, H, W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ringmoe_core.losses.mean import check_alike, counted, masked_mean, wide

SQUARE_FLOOR = 1e-12
"""Added to squared lengths: keeps the slope finite at equal spectra, at the cost of an angle of 1e-6 radians there."""


def spectral_angle(prediction_NCHW: Tensor, target_NCHW: Tensor, weight_NHW: Tensor) -> Tensor:
    """Mean angle in radians between predicted and true spectra, 0 to pi.

    theta = arccos(<r, x> / (|r| |x|)) (spectral angle mapper: Kruse et al. 1993, doi:10.1016/0034-4257(93)90013-N),
    computed as 2 atan2(|u - v|, |u + v|) of the unit vectors u and v (Kahan 2006, "How futile are mindless assessments
    of roundoff", section 12), which keeps its digits and its slope at small angles, where arccos loses both. A spectrum
    of zeros is at a right angle to all others.

    Args:
        prediction_NCHW: r, reflectance; bands that are absent in the target must be 0 in both.
        target_NCHW: x; anything (NaN too) where the weight is 0.
        weight_NHW: at least 0.

    Raises:
        ValueError: the shapes differ.
    """
    check_alike(prediction=prediction_NCHW, target=target_NCHW)
    check_alike(spectrum=target_NCHW[:, 0], weight=weight_NHW)
    dtype = wide(prediction_NCHW)
    first, second = (
        _unit(counted(spectrum.to(dtype), weight_NHW[:, None])) for spectrum in (prediction_NCHW, target_NCHW)
    )
    angle_NHW = 2 * torch.atan2(_length(first - second), _length(first + second))
    return masked_mean(angle_NHW[:, 0], weight_NHW)


def _unit(spectra_NCHW: Tensor) -> Tensor:
    return spectra_NCHW / _length(spectra_NCHW)


def _length(spectra_NCHW: Tensor) -> Tensor:
    return (spectra_NCHW.square().sum(1, keepdim=True) + SQUARE_FLOOR).sqrt()
