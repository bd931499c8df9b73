"""What a layer's banks do with tokens that were taken out of their images.

Legend: T tokens, D channels, K experts taken, X stacked experts of a bank, F hidden channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from ringmoe_core.moe import PAPER_EPSILON
from ringmoe_core.prune.network import shared_network, stacked_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.experts import ExpertBank
    from ringmoe_core.moe import MixtureLayer
    from ringmoe_core.router import Routing

Bank = Literal["specialised", "collaborative"]
BANKS: tuple[Bank, ...] = ("specialised", "collaborative")
"""In the order in which a layer's router decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSample:
    """Tokens as a layer reads them."""

    tokens_TD: Tensor
    """Input of the layer: normalised in the modern style, the stream itself in the paper's."""

    modality_T: Tensor
    """Configuration's index of each token's modality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankRoute:
    """The experts that tokens take from one bank."""

    expert_TK: Tensor
    """Index in the stacked bank: modality * S + expert in the specialised one."""

    gate_TK: Tensor
    """What each expert's output is multiplied with."""

    def takers(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """For each expert that is taken: its index, its tokens (indices) and their gates."""
        K = self.expert_TK.shape[1]
        expert_P = self.expert_TK.flatten()
        for expert in torch.unique(expert_P).tolist():
            place_P = (expert_P == expert).nonzero()[:, 0]
            yield expert, torch.div(place_P, K, rounding_mode="floor"), self.gate_TK.flatten()[place_P]


def bank_of(layer: MixtureLayer, bank: Bank) -> ExpertBank:
    """The experts of a bank that has some."""
    stack = layer.specialised if bank == "specialised" else layer.collaborative
    assert stack is not None, f"the layer has no {bank} expert"
    return stack


def route_tokens(layer: MixtureLayer, config: RingMoEConfig, sample: TokenSample) -> dict[Bank, BankRoute]:
    """The decisions of a layer's own router, for each bank that has experts."""
    T = sample.modality_T.shape[0]
    experts: dict[Bank, Tensor] = {}
    gates: dict[Bank, Tensor] = {}
    for modality in torch.unique(sample.modality_T).tolist():
        where_T = (sample.modality_T == modality).nonzero()[:, 0]
        index_N = torch.tensor([modality], device=where_T.device)
        decisions = layer.router(sample.tokens_TD[where_T][None], index_N)
        for bank, decision in zip(BANKS, decisions, strict=True):
            if decision is None:
                continue
            offset = modality * config.num_specialised if bank == "specialised" else 0
            choice_TK, gate_TK = decision.choice_NLK[0] + offset, _weights(decision, config)[0]
            if bank not in experts:
                experts[bank], gates[bank] = (value.new_zeros(T, value.shape[1]) for value in (choice_TK, gate_TK))
            experts[bank][where_T], gates[bank][where_T] = choice_TK, gate_TK
    return {bank: BankRoute(expert_TK=experts[bank], gate_TK=gates[bank]) for bank in experts}


def bank_terms(layer: MixtureLayer, bank: Bank, route: BankRoute, tokens_TD: Tensor) -> Tensor:
    """Gate times output of every expert that a token takes from a bank, (T, K, D); their sum is the branch's output."""
    stack = bank_of(layer, bank)
    terms_TKD = tokens_TD.new_zeros(*route.expert_TK.shape, tokens_TD.shape[1])
    for expert, token_P, gate_P in route.takers():
        output_PD = stacked_network(stack, expert).output(tokens_TD[token_P])
        terms_TKD[route.expert_TK == expert] = output_PD * gate_P.to(output_PD)[:, None]
    return terms_TKD


def layer_output(layer: MixtureLayer, config: RingMoEConfig, sample: TokenSample) -> Tensor:
    """What the layer adds to the residual stream, (T, D), by the same sums as the layer itself."""
    output_TD = shared_network(layer.shared).output(sample.tokens_TD)
    for bank, route in route_tokens(layer, config, sample).items():
        output_TD = output_TD + bank_terms(layer, bank, route, sample.tokens_TD).sum(1)
    return output_TD


def _weights(decision: Routing, config: RingMoEConfig) -> Tensor:
    """The gates as the layer applies them: the paper's code divides them by their own sum."""
    gate_NLK = decision.gate_NLK
    if config.style == "paper":
        return gate_NLK / (gate_NLK.sum(-1, keepdim=True) + PAPER_EPSILON)
    return gate_NLK
