"""Contrast by judging every pair of rows on its own.

Legend: N pairs, D channels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ringmoe_core.losses.pairs import check_pairs, cosines


def sigmoid_contrastive(
    first_ND: Tensor, second_ND: Tensor, log_scale: Tensor, bias: Tensor, ignore_NN: Tensor | None = None
) -> Tensor:
    """Mean over rows of the summed loss of all pairs: -1/N sum_ij ln sigmoid(z_ij (s x_i . y_j + b)), in nats.

    z is 1 on the diagonal and -1 elsewhere, s = exp(log_scale), x and y have length 1 (SigLIP, arXiv 2303.15343,
    section 3.2). No row competes with another, so a pair may be left out without touching the rest, and small batches
    lose less. The bias starts at minus the logarithm of the negatives a positive: -10 for the paper's 32,768.

    Args:
        first_ND: one side, any length; row i belongs to row i of the other.
        second_ND: the other side.
        log_scale: scalar, logarithm of the inverse temperature; the paper starts at ln 10.
        bias: scalar b.
        ignore_NN: bool, True where rows i and j must not count as a negative pair. The diagonal always counts.

    Raises:
        ValueError: the shapes do not fit.
    """
    ignore_NN = check_pairs(first_ND, second_ND, ignore_NN)
    with torch.autocast(first_ND.device.type, enabled=False):
        scores_NN = cosines(first_ND, second_ND) * log_scale.exp() + bias
        own_NN = torch.eye(len(scores_NN), dtype=torch.bool, device=scores_NN.device)
        losses_NN = -functional.logsigmoid(torch.where(own_NN, scores_NN, -scores_NN))
        return losses_NN.masked_fill(ignore_NN, 0.0).sum() / max(len(scores_NN), 1)
