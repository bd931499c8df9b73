"""The mixture-of-experts layer: specialised, collaborative and shared experts.

Legend: N images, L tokens of an image, T = N L tokens, D channels, M modalities, K experts taken from a bank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from ringmoe_core.balance import LayerUse, count_tokens, measure_bank
from ringmoe_core.dispatch import plan_dispatch
from ringmoe_core.experts import ExpertBank, product_dtype, row_step
from ringmoe_core.feed_forward import FeedForward
from ringmoe_core.router import Router

if TYPE_CHECKING:
    from ringmoe_core.config import RingMoEConfig

PAPER_EPSILON = 1e-9
"""Added to the sum that the paper's combine weights are divided by (its authors' code)."""


class MixtureLayer(nn.Module):
    """y = g_S E_S(x) + g_C E_C(x) + E_shared(x), the first from the bank of the image's own modality.

    RingMoE, arXiv 2504.03166, equation 3, with un-renormalised gates so that the task's loss reaches the routers. In
    the paper's style gates are divided by their sum: the branches of a top-1 choice are added with weight 1 whatever
    the router says, and no task's loss reaches it. No token is dropped in either, so a token's output depends on
    nothing but itself. A bank of no experts is absent, and a layer without both is a plain feed-forward network.
    """

    def __init__(self, config: RingMoEConfig, dim: int) -> None:
        super().__init__()
        self.num_modalities = len(config.modalities)
        self.num_specialised = config.num_specialised
        self.normalises_gates = config.style == "paper"
        hidden = config.mlp_ratio * dim
        self.router = Router(
            dim,
            num_modalities=self.num_modalities,
            num_specialised=config.num_specialised,
            num_collaborative=config.num_collaborative,
            top_k=config.top_k,
            num_pruned=config.num_pruned,
            balancing=config.balancing,
        )
        num_own = self.num_modalities * config.num_specialised
        self.specialised = ExpertBank(num_own, dim, hidden) if num_own else None
        self.collaborative = ExpertBank(config.num_collaborative, dim, hidden) if config.num_collaborative else None
        self.shared = FeedForward(dim, hidden)

    def forward(self, tokens_NLD: Tensor, modality_N: Tensor, live_NL: Tensor | None = None) -> tuple[Tensor, LayerUse]:
        """Transformed tokens, and the use of the banks.

        Args:
            tokens_NLD: tokens of every image; routing sees them in float32 whatever the products run in.
            modality_N: index of each image's modality.
            live_NL: True where a token has a valid pixel; the others are transformed too, and left out of the losses
                and the statistics. None means all.
        """
        own, common = self.router(tokens_NLD, modality_N)
        tokens_TD = tokens_NLD.flatten(0, 1).to(product_dtype(tokens_NLD))  # once for all three branches
        mixed_TD: Tensor = self.shared(tokens_TD)
        own_use, common_use = None, None
        if own is not None:
            expert_NLK = own.choice_NLK + (modality_N * self.num_specialised)[:, None, None]
            mixed_TD = self._add(self.specialised, mixed_TD, tokens_TD, expert_NLK, own.gate_NLK)
            own_use = measure_bank(own, modality_N, self.num_modalities, live_NL)
        if common is not None:
            mixed_TD = self._add(self.collaborative, mixed_TD, tokens_TD, common.choice_NLK, common.gate_NLK)
            common_use = measure_bank(common, modality_N, self.num_modalities, live_NL)
        tokens_M = count_tokens(modality_N, self.num_modalities, tokens_NLD.shape[1], live_NL)
        return mixed_TD.view_as(tokens_NLD), LayerUse(specialised=own_use, collaborative=common_use, tokens_M=tokens_M)

    def _add(
        self, bank: ExpertBank | None, onto_TD: Tensor, tokens_TD: Tensor, expert_NLK: Tensor, gate_NLK: Tensor
    ) -> Tensor:
        """`onto_TD` plus the K experts that each token takes, times their gates."""
        assert bank is not None
        if self.normalises_gates:
            # in float64: the gradient of about 1e-9 is a difference that rounding to float32 would drown
            wide_NLK = gate_NLK.double()
            gate_NLK = (wide_NLK / (wide_NLK.sum(-1, keepdim=True) + PAPER_EPSILON)).to(gate_NLK.dtype)
        step = row_step(tokens_TD.device, tokens_TD.dtype, bank.expand_weight_XFD[0].numel())
        plan = plan_dispatch(expert_NLK.flatten(0, 1), bank.num_experts, largest_step=step)
        mixed_TD: Tensor = bank(onto_TD, tokens_TD, gate_NLK.flatten(0, 1), plan)
        return mixed_TD
