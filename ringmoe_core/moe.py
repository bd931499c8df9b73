"""The mixture-of-experts layer: specialised, collaborative and shared experts.

Legend: N images, L tokens of an image, T = N L tokens, D channels, K experts taken from a bank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from ringmoe_core.balance import BankUse, measure_bank
from ringmoe_core.dispatch import plan_dispatch
from ringmoe_core.experts import ExpertBank
from ringmoe_core.feed_forward import FeedForward
from ringmoe_core.router import Router

if TYPE_CHECKING:
    from ringmoe_core.config import RingMoEConfig


class MixtureLayer(nn.Module):
    """y = g_S E_S(x) + g_C E_C(x) + E_shared(x), the first from the bank of the image's own modality.

    RingMoE, arXiv 2504.03166, equation 3, with un-renormalised gates so that the task's loss reaches the routers. No
    token is dropped, so a token's output depends on nothing but itself.
    """

    def __init__(self, config: RingMoEConfig, dim: int) -> None:
        super().__init__()
        self.num_modalities = len(config.modalities)
        self.num_specialised = config.num_specialised
        hidden = config.mlp_ratio * dim
        self.router = Router(
            dim,
            num_modalities=self.num_modalities,
            num_specialised=config.num_specialised,
            num_collaborative=config.num_collaborative,
            top_k=config.top_k,
        )
        self.specialised = ExpertBank(self.num_modalities * config.num_specialised, dim, hidden)
        self.collaborative = ExpertBank(config.num_collaborative, dim, hidden)
        self.shared = FeedForward(dim, hidden)

    def forward(
        self, tokens_NLD: Tensor, modality_N: Tensor, live_NL: Tensor | None = None
    ) -> tuple[Tensor, tuple[BankUse, BankUse]]:
        """Transformed tokens, and the use of the specialised and the collaborative bank."""
        own, common = self.router(tokens_NLD, modality_N)
        own_expert_NLK = own.choice_NLK + modality_N[:, None, None] * self.num_specialised
        tokens_TD = tokens_NLD.flatten(0, 1)
        mixed_TD = (
            self.shared(tokens_TD)
            + _weigh(self.specialised, tokens_TD, own_expert_NLK, own.gate_NLK)
            + _weigh(self.collaborative, tokens_TD, common.choice_NLK, common.gate_NLK)
        )
        use = (
            measure_bank(own, modality_N, self.num_modalities, pooled=False),
            measure_bank(common, modality_N, self.num_modalities, pooled=True),
        )
        return mixed_TD.view_as(tokens_NLD), use


def _weigh(bank: ExpertBank, tokens_TD: Tensor, expert_NLK: Tensor, gate_NLK: Tensor) -> Tensor:
    """Sum over the K experts that each token takes, times their gates."""
    K = expert_NLK.shape[-1]
    plan = plan_dispatch(expert_NLK.flatten(), bank.num_experts)
    gate_TK1 = gate_NLK.flatten(0, 1)[..., None].to(tokens_TD.dtype)
    if K == 1:
        first: Tensor = bank(tokens_TD, plan) * gate_TK1[:, 0]
        return first
    rows = bank(tokens_TD[:, None].expand(-1, K, -1).flatten(0, 1), plan).unflatten(0, (-1, K))
    total: Tensor = (rows * gate_TK1).sum(1)
    return total
