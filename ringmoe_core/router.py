"""Which experts a token takes, and how much of each.

Legend: N images, L tokens of an image, D channels, M modalities, S specialised experts, C collaborative experts,
X experts of a bank, K experts taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The decision of one router for every token."""

    logits_NLX: Tensor
    """float32 scores."""

    probability_NLX: Tensor
    """float32 softmax over the bank's experts."""

    gate_NLK: Tensor
    """Probabilities of the experts taken, not renormalised, so that they carry gradient with K = 1 too."""

    choice_NLK: Tensor
    """Experts taken, best first."""


class Router(nn.Module):
    """One linear scorer a modality for the specialised banks, one for all modalities for the collaborative bank."""

    def __init__(
        self, dim: int, *, num_modalities: int, num_specialised: int, num_collaborative: int, top_k: int
    ) -> None:
        super().__init__()
        self.top_k = top_k
        self.specialised_MSD = nn.Parameter(torch.empty(num_modalities, num_specialised, dim))
        self.collaborative_CD = nn.Parameter(torch.empty(num_collaborative, dim))

    def forward(self, tokens_NLD: Tensor, modality_N: Tensor) -> tuple[Routing, Routing]:
        """The specialised and the collaborative decision, always computed in float32."""
        M, S, _ = self.specialised_MSD.shape
        with torch.autocast(tokens_NLD.device.type, enabled=False):
            scorers = torch.cat([self.specialised_MSD.flatten(0, 1), self.collaborative_CD]).float()
            scores = functional.linear(tokens_NLD.float(), scorers)
            every_NLMS = scores[..., : M * S].reshape(*scores.shape[:2], M, S)
            # one-hot products instead of gathers: their gradient is a product, not a scatter
            own_NLS = (every_NLMS * functional.one_hot(modality_N, M).to(scores)[:, None, :, None]).sum(2)
            return self._decide(own_NLS), self._decide(scores[..., M * S :])

    def _decide(self, logits_NLX: Tensor) -> Routing:
        probability_NLX = logits_NLX.softmax(-1)
        choice_NLK = logits_NLX.detach().topk(self.top_k, dim=-1).indices
        taken_NLKX = functional.one_hot(choice_NLK, probability_NLX.shape[-1]).to(probability_NLX)
        gate_NLK = (probability_NLX[:, :, None] * taken_NLKX).sum(-1)
        return Routing(logits_NLX=logits_NLX, probability_NLX=probability_NLX, gate_NLK=gate_NLK, choice_NLK=choice_NLK)
