"""From the four polarisations of a complex image to the scattering vector whose covariance is predicted.

Legend: N images, C = 4 polarisations HH, HV, VH, VV, P components, H, W pixels.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

HH, HV, VH, VV = range(4)

NUM_COMPONENTS: Final = 3
"""P of the reciprocal vector."""


def scattering_vector(scattering_NCHW: Tensor) -> Tensor:
    """The reciprocal lexicographic vector k = (HH, (HV + VH) / sqrt 2, VV), (N, 3, H, W).

    For a monostatic radar HV and VH differ by noise alone (Lee and Pottier 2009, Polarimetric Radar Imaging, section
    3.3), so the 4 x 4 covariance is singular but for noise. With HV = VH the middle component is sqrt 2 HV and |k|^2
    the span |HH|^2 + |HV|^2 + |VH|^2 + |VV|^2; equal noise in HV and VH stays of the same power in it. Where one of the
    two is NaN the other stands for both, as it is in dual-polarised data; a component of which nothing is known is NaN.
    """
    cross = torch.stack([scattering_NCHW[:, HV], scattering_NCHW[:, VH]])
    known = torch.isfinite(cross.real) & torch.isfinite(cross.imag)
    other = torch.where(known, cross, cross.flip(0))  # NaN only where both are
    middle = other.sum(0) / math.sqrt(2)
    return torch.stack([scattering_NCHW[:, HH], middle, scattering_NCHW[:, VV]], dim=1)


def vector_components(present_4: tuple[bool, bool, bool, bool]) -> tuple[int, ...]:
    """Components of `scattering_vector` that an image with these polarisations (HH, HV, VH, VV) has."""
    hh, hv, vh, vv = present_4
    return tuple(index for index, has in enumerate((hh, hv or vh, vv)) if has)


def sample_covariance(vector_NPHW: Tensor) -> Tensor:
    """The product k k^H of every pixel, (N, P, P, H, W)."""
    return vector_NPHW[:, :, None] * vector_NPHW[:, None].conj()
