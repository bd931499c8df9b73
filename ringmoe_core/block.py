"""One block of the encoder, and the step between two stages.

Legend: N images, h, w token grid, D channels, L = h w tokens of an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.attention import WindowAttention
from ringmoe_core.moe import MixtureLayer

if TYPE_CHECKING:
    from ringmoe_core.balance import LayerUse
    from ringmoe_core.config import RingMoEConfig

PAPER_MERGING_EPS = 1e-4
"""Of the norm after a merging in the paper's style (its authors' configuration)."""


class Block(nn.Module):
    """Attention and mixture of experts, each added to the tokens.

    Modern style: x + f(norm(x)), so that router and experts see normalised tokens. Paper's style: x + norm(f(x)) (Swin
    Transformer V2, arXiv 2111.09883, section 3.2), where they see the stream as it is.
    """

    def __init__(self, config: RingMoEConfig, dim: int, window: int, *, shifted: bool) -> None:
        super().__init__()
        self.normalises_output = config.style == "paper"
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = WindowAttention(dim, config.head_dim, window, shifted=shifted, kind=config.attention)
        self.norm_mixture = nn.LayerNorm(dim)
        self.mixture = MixtureLayer(config, dim)

    def forward(
        self, tokens_NhwD: Tensor, modality_N: Tensor, live_Nhw: Tensor | None = None
    ) -> tuple[Tensor, LayerUse]:
        """Tokens of the same shape, and the use of the experts; tokens that are not live are hidden from the others."""
        live_NL = None if live_Nhw is None else live_Nhw.flatten(1)
        if self.normalises_output:
            tokens_NhwD = tokens_NhwD + self.norm_attention(self.attention(tokens_NhwD, live_Nhw))
            mixed_NLD, use = self.mixture(tokens_NhwD.flatten(1, 2), modality_N, live_NL)
            return tokens_NhwD + self.norm_mixture(mixed_NLD).view_as(tokens_NhwD), use
        tokens_NhwD = tokens_NhwD + self.attention(self.norm_attention(tokens_NhwD), live_Nhw)
        mixed_NLD, use = self.mixture(self.norm_mixture(tokens_NhwD).flatten(1, 2), modality_N, live_NL)
        return tokens_NhwD + mixed_NLD.view_as(tokens_NhwD), use


class PatchMerging(nn.Module):
    """Half the grid, twice the channels; an odd grid is padded with zeros."""

    def __init__(self, config: RingMoEConfig, dim: int) -> None:
        super().__init__()
        self.normalises_output = config.style == "paper"
        self.norm = nn.LayerNorm(2 * dim, eps=PAPER_MERGING_EPS) if self.normalises_output else nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, tokens_NhwD: Tensor) -> Tensor:
        """Tokens (N, ceil(h / 2), ceil(w / 2), 2 D)."""
        N, h, w, D = tokens_NhwD.shape
        if h % 2 or w % 2:
            tokens_NhwD = functional.pad(tokens_NhwD, (0, 0, 0, w % 2, 0, h % 2))
        rows, columns = (h + 1) // 2, (w + 1) // 2
        # neighbours in Swin's order: upper left, lower left, upper right, lower right
        joined = (
            tokens_NhwD.reshape(N, rows, 2, columns, 2, D).permute(0, 1, 3, 4, 2, 5).reshape(N, rows, columns, 4 * D)
        )
        merged: Tensor = (
            self.norm(self.reduction(joined)) if self.normalises_output else self.reduction(self.norm(joined))
        )
        return merged
