"""Which experts a token takes, and how much of each.

Legend: N images, L tokens of an image, D channels, M modalities, S specialised experts, C collaborative experts,
P collaborative experts that were pruned, X experts of a bank, K experts taken, R rows of scores of an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The decision of one router for every token."""

    log_partition_NL: Tensor
    """float32 log of the softmax' denominator, pruned experts included."""

    entropy_NL: Tensor
    """Entropy of the softmax in nats, pruned experts included. Detached."""

    probability_NXL: Tensor
    """float32 softmax, rows of the bank's own experts; they add to 1 where none was pruned."""

    gate_NLK: Tensor
    """Probabilities of the experts taken, not renormalised, so that they carry gradient with K = 1 too."""

    choice_NLK: Tensor
    """Experts taken, best first."""


class Router(nn.Module):
    """One linear scorer a modality for the specialised banks, one for all modalities for the collaborative bank.

    A bank without experts has no scorer. With `balancing` "bias" each bank has a buffer that is added to the
    probabilities for the selection alone (Wang et al., arXiv 2408.15664, equation 3); see `shift_selection`.
    """

    specialised_bias_MS: Tensor | None
    collaborative_bias_C: Tensor | None

    def __init__(
        self,
        dim: int,
        *,
        num_modalities: int,
        num_specialised: int,
        num_collaborative: int,
        top_k: int,
        num_pruned: int = 0,
        balancing: Literal["loss", "bias"] = "loss",
    ) -> None:
        super().__init__()
        self.top_k = top_k
        self.num_specialised = num_specialised
        self.num_collaborative = num_collaborative
        rows = num_collaborative + num_pruned
        self.specialised_MSD = (
            nn.Parameter(torch.empty(num_modalities, num_specialised, dim)) if num_specialised else None
        )
        self.collaborative_CD = nn.Parameter(torch.empty(rows, dim)) if num_collaborative else None
        self.register_buffer(
            "specialised_bias_MS",
            torch.zeros(num_modalities, num_specialised) if balancing == "bias" and num_specialised else None,
        )
        self.register_buffer(
            "collaborative_bias_C",
            torch.zeros(num_collaborative) if balancing == "bias" and num_collaborative else None,
        )

    def forward(self, tokens_NLD: Tensor, modality_N: Tensor) -> tuple[Routing | None, Routing | None]:
        """The specialised and the collaborative decision, always computed in float32; None for an absent bank."""
        scorers = []
        if self.specialised_MSD is not None:
            scorers.append(self.specialised_MSD.index_select(0, modality_N).float())
        if self.collaborative_CD is not None:
            scorers.append(self.collaborative_CD.float().expand(tokens_NLD.shape[0], -1, -1))
        if not scorers:
            return None, None
        with torch.autocast(tokens_NLD.device.type, enabled=False):
            # scores lie with the tokens innermost: everything after this works on long rows
            scores_NRL = torch.bmm(torch.cat(scorers, 1), tokens_NLD.float().transpose(1, 2))
            S = self.num_specialised
            own, common = None, None
            if self.specialised_MSD is not None:
                bias_MS = self.specialised_bias_MS
                own = _decide(scores_NRL[:, :S], S, self.top_k, None if bias_MS is None else bias_MS[modality_N])
            if self.collaborative_CD is not None:
                common = _decide(scores_NRL[:, S:], self.num_collaborative, self.top_k, self.collaborative_bias_C)
        return own, common


def _decide(scores_NRL: Tensor, num_experts: int, top_k: int, bias_X: Tensor | None) -> Routing:
    """The decision from all scores; only the first `num_experts` can be taken.

    `bias_X` is (X) or (N, X).
    """
    log_partition_NL = scores_NRL.logsumexp(1)
    every_NRL = scores_NRL.softmax(1)
    probability_NXL = every_NRL[:, :num_experts]
    with torch.no_grad():
        entropy_NL = log_partition_NL - (every_NRL * scores_NRL).sum(1)
        ranked_NXL = scores_NRL[:, :num_experts] if bias_X is None else probability_NXL + bias_X[..., None]
        # the maximum over a middle axis is many times quicker than argmax or topk there
        choice_NKL = ranked_NXL.max(1, keepdim=True).indices if top_k == 1 else ranked_NXL.topk(top_k, 1).indices
    return Routing(
        log_partition_NL=log_partition_NL,
        entropy_NL=entropy_NL,
        probability_NXL=probability_NXL,
        gate_NLK=probability_NXL.gather(1, choice_NKL).transpose(1, 2),
        choice_NLK=choice_NKL.transpose(1, 2),
    )
