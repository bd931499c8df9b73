"""How evenly experts are used: the losses that keep them so, and the report that shows it.

Legend: N images, L tokens of an image, M modalities, X experts of a bank, K experts taken, Y layers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringmoe_core.router import Routing


TINY = 1e-30
"""Keeps 0 / 0 a zero with gradient zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankUse:
    """Sums over the live tokens that one bank of one layer saw; sums of several processes add up."""

    load_MX: Tensor
    """Times that tokens of a modality chose an expert, float64. Detached."""

    probability_MX: Tensor
    """Sum of the router's probabilities, float32 with gradient."""

    square_log_partition_M: Tensor
    """Sum of the squared log of the softmax' denominator, float32 with gradient."""

    entropy_M: Tensor
    """Sum of the softmax' entropy in nats. Detached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerUse:
    """Use of the banks of one layer; None for a bank that is absent."""

    specialised: BankUse | None
    collaborative: BankUse | None

    tokens_M: Tensor
    """Live tokens of each modality, float64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingReport:
    """Use of all banks of a forward pass, of all processes where they train together.

    X is 0 in the fields of a bank that is absent, and its entropy NaN.
    """

    balance_loss: Tensor
    """Scalar with gradient: mean over layers and banks, 1 at perfect balance, at most the number of experts; 0 without
    any bank or live token."""

    z_loss: Tensor
    """Scalar with gradient: mean over layers and banks; 0 without any bank or live token."""

    specialised_load_YMX: Tensor
    """Tokens of each modality that each of its own experts gets, float64."""

    collaborative_load_YMX: Tensor
    """Tokens of each modality that each collaborative expert gets, float64."""

    specialised_utilisation_YMX: Tensor
    """Share of each modality's tokens that each of its own experts gets; NaN for an absent modality."""

    collaborative_utilisation_YMX: Tensor
    """Share of each modality's tokens that each collaborative expert gets; NaN for an absent modality."""

    specialised_entropy_YM: Tensor
    """Mean entropy in nats; NaN for an absent modality."""

    collaborative_entropy_YM: Tensor
    """Mean entropy in nats; NaN for an absent modality."""


def count_tokens(modality_N: Tensor, num_modalities: int, length: int, live_NL: Tensor | None = None) -> Tensor:
    """Live tokens of each modality, (M) float64, for images of `length` tokens."""
    live_N = torch.full_like(modality_N, length) if live_NL is None else live_NL.sum(1)
    return _members(modality_N, num_modalities, torch.float64) @ live_N.double()


def measure_bank(routing: Routing, modality_N: Tensor, num_modalities: int, live_NL: Tensor | None = None) -> BankUse:
    """Use of one bank by the tokens that are live, all of them by default."""
    X = routing.probability_NXL.shape[1]
    bin_NLK = routing.choice_NLK + (modality_N * X)[:, None, None]
    probability_NXL = routing.probability_NXL
    square_NL, entropy_NL = routing.log_partition_NL.square(), routing.entropy_NL
    if live_NL is not None:
        bin_NLK = bin_NLK.masked_fill(~live_NL[..., None], num_modalities * X)
        probability_NXL = probability_NXL.masked_fill(~live_NL[:, None], 0.0)
        square_NL, entropy_NL = (values.masked_fill(~live_NL, 0.0) for values in (square_NL, entropy_NL))
    load = torch.bincount(bin_NLK.flatten(), minlength=num_modalities * X + 1)[:-1]
    member_MN = _members(modality_N, num_modalities, torch.float32)
    return BankUse(
        load_MX=load.double().view(num_modalities, X),
        probability_MX=member_MN @ probability_NXL.sum(2),
        square_log_partition_M=member_MN @ square_NL.sum(1),
        entropy_M=member_MN @ entropy_NL.sum(1),
    )


def _members(modality_N: Tensor, num_modalities: int, dtype: torch.dtype) -> Tensor:
    """1 where an image is of a modality, (M, N)."""
    return functional.one_hot(modality_N, num_modalities).t().to(dtype)


def summarise(uses: Sequence[LayerUse], *, over_ranks: bool = True) -> RoutingReport:
    """The report of all layers of a forward pass.

    balance = X * sum_x f_x p_x with f the share of choices and p the mean probability (Switch Transformer, arXiv
    2101.03961, equations 4 to 6), which is the mean over experts times the square of the bank's own X; within each
    modality for the specialised banks, then the mean over those present, and over all tokens together for the
    collaborative bank. Probabilities of experts that exist are scaled to sum 1. z = mean(logsumexp(logits)^2) (ST-MoE,
    arXiv 2202.08906, equation 5).

    Args:
        uses: one a layer, all with the same banks.
        over_ranks: whether the sums of all ranks are added where `torch.distributed` is initialised and gradients are
            on. Then every rank calls this equally often, with or without tokens, and the losses' gradient is that of
            the loss over all ranks if gradients are averaged over ranks afterwards, as DDP and FSDP do.

    Raises:
        ValueError: no layer is given.
    """
    if not uses:
        raise ValueError("a report needs at least one layer, got none; pass what every layer returned")
    stacks = [_stack([use.specialised for use in uses]), _stack([use.collaborative for use in uses])]
    tokens_YM = torch.stack([use.tokens_M for use in uses])
    if over_ranks and _trains_with_others():
        tokens_YM, stacks = _add_ranks(tokens_YM, stacks)
    balances_Y, zs_Y = [], []
    for stack, pooled in zip(stacks, (False, True), strict=True):
        if stack is not None:
            balances_Y.append(_balance(stack, pooled=pooled))
            zs_Y.append(stack.square_log_partition_M.sum(1) / tokens_YM.sum(1).clamp_min(1).float())
    loads_YMX = [tokens_YM.new_zeros((*tokens_YM.shape, 0)) if stack is None else stack.load_MX for stack in stacks]
    shares_YMX = [(load_YMX / load_YMX.sum(-1, keepdim=True)).float() for load_YMX in loads_YMX]
    entropies_YM = [
        torch.full_like(tokens_YM, float("nan")) if stack is None else stack.entropy_M / tokens_YM for stack in stacks
    ]
    return RoutingReport(
        balance_loss=torch.stack(balances_Y).mean() if balances_Y else tokens_YM.new_zeros((), dtype=torch.float32),
        z_loss=torch.stack(zs_Y).mean() if zs_Y else tokens_YM.new_zeros((), dtype=torch.float32),
        specialised_load_YMX=loads_YMX[0],
        collaborative_load_YMX=loads_YMX[1],
        specialised_utilisation_YMX=shares_YMX[0],
        collaborative_utilisation_YMX=shares_YMX[1],
        specialised_entropy_YM=entropies_YM[0].float(),
        collaborative_entropy_YM=entropies_YM[1].float(),
    )


def _stack(banks: Sequence[BankUse | None]) -> BankUse | None:
    """One bank of all layers, every field with a leading Y."""
    present = [bank for bank in banks if bank is not None]
    if not present:
        return None
    columns = {field.name: [getattr(bank, field.name) for bank in present] for field in fields(BankUse)}
    return BankUse(**{name: torch.stack(values) for name, values in columns.items()})


def _balance(stack: BankUse, *, pooled: bool) -> Tensor:
    """Balance of each layer, (Y)."""
    load_YMX, probability_YMX = stack.load_MX.float(), stack.probability_MX
    if pooled:
        load_YMX, probability_YMX = load_YMX.sum(1, keepdim=True), probability_YMX.sum(1, keepdim=True)
    num_YM1, mass_YM1 = load_YMX.sum(-1, keepdim=True), probability_YMX.sum(-1, keepdim=True)
    products_YMX = load_YMX / num_YM1.clamp_min(1) * probability_YMX / mass_YM1.clamp_min(TINY)
    here_YM = (num_YM1[..., 0] > 0).float()
    return load_YMX.shape[-1] * products_YMX.sum((1, 2)) / here_YM.sum(1).clamp_min(1)


def _trains_with_others() -> bool:
    return (
        torch.is_grad_enabled()
        and distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_world_size() > 1
    )


def _add_ranks(tokens_YM: Tensor, stacks: Sequence[BankUse | None]) -> tuple[Tensor, list[BankUse | None]]:
    """Sums over all ranks, by one collective.

    The backward needs none: all ranks hold the same loss, so each passes on its own part, times the number of ranks
    that the averaging of gradients divides by.
    """
    values = [tokens_YM, *(getattr(stack, field.name) for stack in stacks if stack for field in fields(BankUse))]
    flat = torch.cat([value.detach().double().flatten() for value in values])
    distributed.all_reduce(flat)
    num = distributed.get_world_size()
    sums = iter(
        total.view_as(value).to(value.dtype) + num * (value - value.detach())
        for total, value in zip(torch.split(flat, [value.numel() for value in values]), values, strict=True)
    )
    tokens_YM = next(sums)
    return tokens_YM, [
        BankUse(**{field.name: next(sums) for field in fields(BankUse)}) if stack else None for stack in stacks
    ]
