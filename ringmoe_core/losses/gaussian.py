"""Single-look complex samples by the likelihood of a circular Gaussian.

Legend: N images, P components of the scattering vector, H, W pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ringmoe_core.losses.mean import check_alike, counted, masked_mean

if TYPE_CHECKING:
    from torch import Tensor

    from ringmoe_core.losses.covariance import CovarianceFactor


def gaussian_covariance_nll(factor: CovarianceFactor, vector_NPHW: Tensor, weight_NHW: Tensor) -> Tensor:
    """Mean negative log-likelihood of single-look samples: ln det S + k^H S^-1 k + P ln pi.

    k is circular complex Gaussian with covariance S over fully developed speckle (Goodman 1963,
    doi:10.1214/aoms/1177704250, equation 1.1; Lee and Pottier 2009, Polarimetric Radar Imaging, section 4.3). A
    common phase of all components, which is the distance to the ground in wavelengths and cannot be predicted, leaves
    it as it is. Minimal at the true covariance.

    Args:
        factor: of the predicted S.
        vector_NPHW: k, complex; anything (NaN too) where the weight is 0.
        weight_NHW: at least 0.

    Raises:
        ValueError: the shapes differ.
    """
    check_alike(factor=factor.log_variance_NPHW, vector=vector_NPHW)
    check_alike(vector=vector_NPHW[:, 0], weight=weight_NHW)
    whitened_NPHW = factor.whiten(counted(vector_NPHW, weight_NHW[:, None]))
    distance_NHW = (whitened_NPHW.real.square() + whitened_NPHW.imag.square()).sum(1)
    constant = factor.num_components * math.log(math.pi)
    return masked_mean(factor.log_determinant() + distance_NHW + constant, weight_NHW)
