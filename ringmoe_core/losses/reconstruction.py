"""Masked reconstruction of pixels by their absolute error.

Legend: N images, C channels, H, W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from ringmoe_core.losses.mean import check_alike, counted, masked_mean, wide

if TYPE_CHECKING:
    from torch import Tensor


def reconstruction_l1(prediction_NCHW: Tensor, target_NCHW: Tensor, weight_NCHW: Tensor) -> Tensor:
    """Mean absolute error over what counts: sum(w |x - r|) / sum(w).

    SimMIM, arXiv 2111.09886, section 3.4, with the weight 1 at masked pixels that hold data. Its minimum is the
    conditional median.

    Args:
        prediction_NCHW: r.
        target_NCHW: x in the same unit; anything (NaN too) where the weight is 0.
        weight_NCHW: w, at least 0; 0 at visible pixels and at those without data.

    Raises:
        ValueError: the shapes differ.
    """
    error = _error(prediction_NCHW, target_NCHW, weight_NCHW)
    return masked_mean(error.abs(), weight_NCHW)


def reconstruction_huber(
    prediction_NCHW: Tensor, target_NCHW: Tensor, weight_NCHW: Tensor, delta: float = 1.0
) -> Tensor:
    """Mean Huber loss over what counts: e^2 / 2 below `delta`, delta (|e| - delta / 2) above.

    Huber 1964, doi:10.1214/aoms/1177703732: the mean of small errors, the median of large ones.

    Args:
        prediction_NCHW: as of `reconstruction_l1`.
        target_NCHW: as of `reconstruction_l1`.
        weight_NCHW: as of `reconstruction_l1`.
        delta: where the two halves meet, above 0, in the unit of the target.

    Raises:
        ValueError: the shapes differ, or delta is not above 0.
    """
    if not delta > 0:
        raise ValueError(f"delta of a Huber loss must be above 0, got {delta}; give it in the unit of the target")
    error = _error(prediction_NCHW, target_NCHW, weight_NCHW)
    loss = functional.huber_loss(error, error.new_zeros(()).expand_as(error), reduction="none", delta=delta)
    return masked_mean(loss, weight_NCHW)


def _error(prediction_NCHW: Tensor, target_NCHW: Tensor, weight_NCHW: Tensor) -> Tensor:
    check_alike(prediction=prediction_NCHW, target=target_NCHW, weight=weight_NCHW)
    dtype = wide(prediction_NCHW)
    prediction, target = (part.to(dtype) for part in (prediction_NCHW, target_NCHW))
    return counted(prediction, weight_NCHW) - counted(target, weight_NCHW)
