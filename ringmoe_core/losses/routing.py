"""The losses that keep experts in use, weighted.

Legend: as of `ringmoe_core.balance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ringmoe_core.balance import RoutingReport


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingLosses:
    """Two scalars with gradient, each times its weight."""

    balance: Tensor
    """Least at its weight times 1, where every bank is used evenly."""

    z: Tensor
    """0 where every router's partition function is 1."""


def routing_losses(
    report: RoutingReport | None, *, balance_weight: float = 1.0, z_weight: float = 1.0
) -> RoutingLosses:
    """Balance and z losses of a forward pass, each bank measured on its own and then averaged.

    balance = X sum_x f_x p_x over each modality's tokens for its specialised bank and over all tokens (of all ranks)
    for the collaborative one (Switch Transformer, arXiv 2101.03961, equations 4 to 6); z = mean(logsumexp(r)^2)
    (ST-MoE, arXiv 2202.08906, equation 5). `ringmoe_core.balance.summarise` computes both.

    Args:
        report: of `Features.routing`; None (no live image, or no expert to choose) gives zeros.
        balance_weight: at least 0.
        z_weight: at least 0.
    """
    if report is None:
        return RoutingLosses(balance=torch.zeros(()), z=torch.zeros(()))
    return RoutingLosses(balance=balance_weight * report.balance_loss, z=z_weight * report.z_loss)
