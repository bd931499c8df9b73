"""How evenly experts are used: the losses that keep them so, and the report that shows it.

Legend: N images, L tokens of an image, M modalities, X experts of a bank, K experts taken, Y layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringmoe_core.router import Routing


@dataclass(frozen=True, slots=True, kw_only=True)
class BankUse:
    """Use of one bank in one layer."""

    balance_loss: Tensor
    """Scalar, 1 at perfect balance."""

    z_loss: Tensor
    """Scalar, mean squared log-partition of the router."""

    utilisation_MX: Tensor
    """Share of a modality's tokens that each expert gets; rows add to 1, NaN where the modality is absent. Detached."""

    entropy_M: Tensor
    """Mean entropy of the router's softmax in nats, NaN where the modality is absent. Detached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingReport:
    """Use of all banks of a forward pass."""

    balance_loss: Tensor
    """Scalar with gradient: mean over layers and banks, 1 at perfect balance, at most the number of experts."""

    z_loss: Tensor
    """Scalar with gradient: mean over layers and banks."""

    specialised_utilisation_YMX: Tensor
    """Share of each modality's tokens that each of its own experts gets; NaN for an absent modality."""

    collaborative_utilisation_YMX: Tensor
    """Share of each modality's tokens that each collaborative expert gets; NaN for an absent modality."""

    specialised_entropy_YM: Tensor
    """Mean entropy in nats; NaN for an absent modality."""

    collaborative_entropy_YM: Tensor
    """Mean entropy in nats; NaN for an absent modality."""


def measure_bank(routing: Routing, modality_N: Tensor, num_modalities: int, *, pooled: bool) -> BankUse:
    """Losses and use of one bank.

    balance = X * sum_x f_x p_x with f the share of choices and p the mean probability (Switch Transformer,
    arXiv 2101.03961, equations 4 to 6); z = mean(logsumexp(logits)^2) (ST-MoE, arXiv 2202.08906, equation 5).

    Args:
        routing: decision for every token.
        modality_N: modality of each image.
        num_modalities: M.
        pooled: balance over all tokens together; otherwise within each modality, then the mean over those present.
    """
    X = routing.probability_NLX.shape[-1]
    chosen_NX = functional.one_hot(routing.choice_NLK, X).sum(2).float().mean(1) / routing.choice_NLK.shape[-1]
    mean_NX = routing.probability_NLX.mean(1)
    member_NM = functional.one_hot(modality_N, num_modalities).to(mean_NX)
    images_M = member_NM.sum(0)
    share_MX, mean_MX = (member_NM.t() @ values / images_M.clamp_min(1)[:, None] for values in (chosen_NX, mean_NX))
    weight_M = images_M / images_M.sum()
    if pooled:
        balance = X * ((weight_M @ share_MX) * (weight_M @ mean_MX)).sum()
    else:
        here_M = (images_M > 0).to(mean_MX)
        balance = X * (share_MX * mean_MX).sum(1) @ here_M / here_M.sum()
    with torch.no_grad():
        entropy_N = -(routing.probability_NLX * routing.probability_NLX.clamp_min(1e-30).log()).sum(-1).mean(1)
        absent_M = images_M == 0
        utilisation_MX = share_MX.masked_fill(absent_M[:, None], float("nan"))
        entropy_M = (member_NM.t() @ entropy_N / images_M.clamp_min(1)).masked_fill(absent_M, float("nan"))
    return BankUse(
        balance_loss=balance,
        z_loss=routing.logits_NLX.logsumexp(-1).square().mean(),
        utilisation_MX=utilisation_MX,
        entropy_M=entropy_M,
    )


def summarise(layers: Sequence[tuple[BankUse, BankUse]]) -> RoutingReport:
    """The report of all layers, each given as (specialised, collaborative)."""
    banks = [bank for layer in layers for bank in layer]
    specialised, collaborative = zip(*layers, strict=True)
    return RoutingReport(
        balance_loss=torch.stack([bank.balance_loss for bank in banks]).mean(),
        z_loss=torch.stack([bank.z_loss for bank in banks]).mean(),
        specialised_utilisation_YMX=torch.stack([bank.utilisation_MX for bank in specialised]),
        collaborative_utilisation_YMX=torch.stack([bank.utilisation_MX for bank in collaborative]),
        specialised_entropy_YM=torch.stack([bank.entropy_M for bank in specialised]),
        collaborative_entropy_YM=torch.stack([bank.entropy_M for bank in collaborative]),
    )
