"""Pooling by a learned query.

Legend: N sets, L members, D channels, A heads, E channels of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.heads.first_values import draw_normal

_HEAD_DIM = 16
"""About as wide as the encoder's own attention heads."""


class AttentivePool(nn.Module):
    """One vector for a set, whose members a learned query weighs, in heads (arXiv 1810.00825, section 3.2)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.num_heads = max(1, dim // _HEAD_DIM) if dim % _HEAD_DIM == 0 else 1
        self.norm = nn.LayerNorm(dim)
        self.query_D = nn.Parameter(draw_normal(torch.empty(dim), dim**-0.5))
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)

    def forward(self, members_NLD: Tensor, live_NL: Tensor | None = None) -> Tensor:
        """(N, D); members that are not live weigh nothing, and a set without any gives zero.

        Args:
            members_NLD: finite throughout.
            live_NL: bool; None means all.
        """
        N, L, D = members_NLD.shape
        normed = self.norm(members_NLD)
        parts = (N, L, self.num_heads, D // self.num_heads)
        key = self.key(normed).reshape(parts).float()
        value = self.value(normed).reshape(parts)
        query_AE = self.query_D.reshape(self.num_heads, -1).float()
        score_NLA = torch.einsum("nlae,ae->nla", key, query_AE) * query_AE.shape[1] ** -0.5
        weight_NLA = functional.softmax(score_NLA, dim=1)
        if live_NL is not None:
            masked = score_NLA.masked_fill(~live_NL[..., None], torch.finfo(score_NLA.dtype).min)
            weight_NLA = functional.softmax(masked, dim=1) * live_NL[..., None]
        return torch.einsum("nla,nlae->nae", weight_NLA.to(value.dtype), value).flatten(1)
