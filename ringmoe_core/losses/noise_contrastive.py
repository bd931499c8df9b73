"""Contrast by choosing the partner among all rows.

Legend: N pairs, D channels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ringmoe_core.losses.pairs import check_pairs, cosines


def info_nce(first_ND: Tensor, second_ND: Tensor, log_scale: Tensor, ignore_NN: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of finding each row's partner among the other side's rows, both ways, in nats.

    -1/2N sum_i [ln softmax_j(s x_i . y_j)_i + ln softmax_j(s x_j . y_i)_i], s = exp(log_scale) and x, y of length 1
    (InfoNCE: arXiv 1807.03748, equation 4; both ways with a learned scale: CLIP, arXiv 2103.00020, figure 3). 0 for
    fewer than two rows.

    Args:
        first_ND: one side, any length; row i belongs to row i of the other.
        second_ND: the other side.
        log_scale: scalar, logarithm of the inverse temperature; CLIP starts at ln(1 / 0.07) and stops at ln 100.
        ignore_NN: bool, True where rows i and j must not count as a negative pair, such as two dates of one place.
            The diagonal always counts.

    Raises:
        ValueError: the shapes do not fit.
    """
    ignore_NN = check_pairs(first_ND, second_ND, ignore_NN)
    with torch.autocast(first_ND.device.type, enabled=False):  # scores of up to 100 need float32
        scores_NN = cosines(first_ND, second_ND) * log_scale.exp()
        scores_NN = scores_NN.masked_fill(ignore_NN, -torch.inf)
        if not len(scores_NN):
            return scores_NN.sum() + 0.0 * log_scale
        own_N = torch.arange(len(scores_NN), device=scores_NN.device)
        ways = (functional.cross_entropy(scores_NN, own_N), functional.cross_entropy(scores_NN.t(), own_N))
        return 0.5 * (ways[0] + ways[1])
