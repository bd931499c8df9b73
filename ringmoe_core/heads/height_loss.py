"""How far predicted distributions of height are from the truth, in metres.

Legend: N maps, Z bins, H, W pixels, P pixels with a truth.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ringmoe_core.heads.height_prediction import HeightPrediction


def height_loss(prediction: HeightPrediction, truth_m_NHW: Tensor) -> Tensor:
    """Mean continuous ranked probability score over the pixels whose truth is known, metres; 0 where none is.

    A proper score: no other distribution than the one believed in has a lower expectation. For a single sure value it
    is the absolute error.

    Args:
        prediction: of the head.
        truth_m_NHW: metres, NaN where not known: such pixels have no part in the value nor in the gradient.

    Raises:
        ValueError: the truth has another shape.
    """
    if truth_m_NHW.shape != (prediction.weights_NZHW.shape[0], *prediction.weights_NZHW.shape[2:]):
        raise ValueError(
            f"truth must be (N, H, W) like the prediction's {tuple(prediction.weights_NZHW.shape)}, got "
            f"{tuple(truth_m_NHW.shape)}; cut them alike"
        )
    total, count = prediction.weights_NZHW.sum() * 0.0, 0
    for weights_ZHW, centres_Z, spreads_Z, truth_HW in zip(
        prediction.weights_NZHW, prediction.centres_NZ, prediction.spreads_NZ, truth_m_NHW, strict=True
    ):
        known_HW = torch.isfinite(truth_HW)
        score_P = mixture_crps(weights_ZHW[:, known_HW].t(), centres_Z, spreads_Z, truth_HW[known_HW].float())
        total, count = total + score_P.sum(), count + score_P.numel()
    return total / max(1, count)


def mixture_crps(weights_PZ: Tensor, centres_Z: Tensor, spreads_Z: Tensor, truth_P: Tensor) -> Tensor:
    """Continuous ranked probability score (P,) of Gaussian mixtures that share their components.

    CRPS = sum_i w_i A(y - m_i, s_i^2) - 1/2 sum_ij w_i w_j A(m_i - m_j, s_i^2 + s_j^2), with
    A(m, v) = 2 s phi(m / s) + m (2 Phi(m / s) - 1), s = sqrt(v) (Grimit et al. 2006, doi 10.1256/qj.05.235, eq. 5).

    Args:
        weights_PZ: summing to 1.
        centres_Z: of the components.
        spreads_Z: their standard deviations, above 0.
        truth_P: finite, in the unit of the components.
    """
    near_PZ = _folded(truth_P[:, None] - centres_Z, spreads_Z.square())
    apart_ZZ = _folded(centres_Z[:, None] - centres_Z, spreads_Z.square()[:, None] + spreads_Z.square())
    with torch.autocast(weights_PZ.device.type, enabled=False):  # the two sums nearly cancel where all is sure
        spread_P = 0.5 * ((weights_PZ @ apart_ZZ) * weights_PZ).sum(1)
    return (weights_PZ * near_PZ).sum(1) - spread_P


def _folded(mean: Tensor, variance: Tensor) -> Tensor:
    """Expectation of the absolute value of a Gaussian: A of the equation."""
    spread = variance.sqrt()
    ratio = mean / spread
    density = torch.exp(-0.5 * ratio.square()) / math.sqrt(2 * math.pi)
    return 2 * spread * density + mean * torch.erf(ratio / math.sqrt(2))
