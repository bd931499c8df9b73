"""Multilooked covariance matrices by their complex Wishart likelihood.

Legend: N images, P components of the scattering vector, H, W cells of the multilooked image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ringmoe_core.losses.mean import check_alike, counted, masked_mean

if TYPE_CHECKING:
    from ringmoe_core.losses.covariance import CovarianceFactor


def wishart_nll(
    factor: CovarianceFactor, covariance_NPPHW: Tensor, weight_NHW: Tensor, looks_NHW: Tensor | float
) -> Tensor:
    """Mean negative log-likelihood of sample covariances: L (ln det S + tr(S^-1 C)), without the data's own terms.

    C = 1/L sum k k^H over L independent looks; L C is complex Wishart with L degrees of freedom (Goodman 1963,
    doi:10.1214/aoms/1177704250, equation 1.6): -ln p(C) = L ln det S + L tr(S^-1 C) - (L - P) ln det C + constants. The
    last terms hold no prediction and exist only for L >= P; left out, the loss is that of the single looks together for
    every L. Neighbouring pixels of an oversampled image are not independent: give the looks that the data have.

    Args:
        factor: of the predicted S.
        covariance_NPPHW: C, Hermitian; anything (NaN too) where the weight is 0.
        weight_NHW: at least 0.
        looks_NHW: L, above 0, one number or one a cell; it scales the loss and not its minimum.

    Raises:
        ValueError: the shapes differ, or looks are not above 0.
    """
    P = factor.num_components
    check_alike(factor=factor.log_variance_NPHW, covariance=covariance_NPPHW[:, 0])
    check_alike(covariance=covariance_NPPHW[:, 0, 0], weight=weight_NHW)
    looks = torch.as_tensor(looks_NHW, dtype=factor.log_variance_NPHW.dtype, device=weight_NHW.device)
    looks = counted(looks.expand_as(weight_NHW), weight_NHW, fill=1.0)
    if not bool((looks > 0).all()):
        raise ValueError(f"a sample covariance has a number of looks above 0, got {float(looks.min())}; count them")
    sample = counted(covariance_NPPHW, weight_NHW[:, None, None])
    # tr(A^-1 C A^-H) is tr(A^-1 (A^-1 C)^H), since C is Hermitian: two substitutions, and the diagonal of the second
    half = torch.stack([factor.whiten(sample[:, :, column]) for column in range(P)], dim=2)
    trace_NHW = sum((factor.whiten(half[:, row].conj())[:, row].real for row in range(P)), torch.zeros_like(looks))
    return masked_mean(looks * (factor.log_determinant() + trace_NHW), weight_NHW)
