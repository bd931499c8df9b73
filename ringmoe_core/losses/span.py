"""Total power of all polarisations by a Gamma quasi-likelihood.

Legend: N images, P components of the scattering vector, H, W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ringmoe_core.losses.mean import check_alike, counted, masked_mean, wide


def span_loss(log_mean_NHW: Tensor, span_NHW: Tensor, weight_NHW: Tensor, shape_NHW: Tensor | float = 1.0) -> Tensor:
    """Mean quasi-likelihood a (x / mu + ln mu) of the span x with mean mu = exp(m) and shape a.

    The span is a sum of correlated exponentials of unequal means, so it is no Gamma variable of the data's looks; the
    expression is a quasi-likelihood of variance mu^2 / a (Wedderburn 1974, doi:10.1093/biomet/61.3.439; McCullagh and
    Nelder 1989, Generalized Linear Models, chapter 9), whose minimum is the mean whatever the true distribution and
    whatever a. a only weighs pixels, for which `effective_shape` gives the a that matches the span's variance.

    Args:
        log_mean_NHW: m, natural logarithm of the mean span.
        span_NHW: x, linear power summed over polarisations; anything (NaN too) where the weight is 0.
        weight_NHW: at least 0.
        shape_NHW: a, above 0, one number or one a pixel.

    Raises:
        ValueError: the shapes differ, or a is not above 0.
    """
    check_alike(log_mean=log_mean_NHW, span=span_NHW, weight=weight_NHW)
    dtype = wide(log_mean_NHW)
    shape = torch.as_tensor(shape_NHW, dtype=dtype, device=log_mean_NHW.device).expand_as(log_mean_NHW)
    shape = counted(shape, weight_NHW, fill=1.0)
    if not bool((shape > 0).all()):
        raise ValueError(f"the shape of a quasi-likelihood must be above 0, got {float(shape.min())}; see its source")
    log_mean = counted(log_mean_NHW.to(dtype), weight_NHW)
    span = counted(span_NHW.to(dtype), weight_NHW)
    return masked_mean(shape * (span * (-log_mean).exp() + log_mean), weight_NHW)


def effective_shape(covariance_NPPHW: Tensor, looks: float = 1.0) -> Tensor:
    """Shape (N, H, W) of the Gamma distribution whose mean and variance are the span's: L (tr S)^2 / tr(S^2).

    With S the covariance of one look, the span's mean is tr S and its variance tr(S^2) / L. From L, for one scatterer
    alone, to P L, for P uncorrelated components of equal power.

    Args:
        covariance_NPPHW: S, Hermitian.
        looks: L, above 0.
    """
    trace_NHW = covariance_NPPHW.diagonal(dim1=1, dim2=2).sum(-1).real
    square_NHW = (covariance_NPPHW.real.square() + covariance_NPPHW.imag.square()).sum((1, 2))
    return looks * trace_NHW.square() / square_NHW
