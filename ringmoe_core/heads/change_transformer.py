"""What changed at each pixel between two dates, by a few tokens that say what each date shows.

Legend: N pairs, D channels of a level, C inner channels, L tokens of a date, K kinds of change, h, w cells, H, W
pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.heads.change_pyramid import check_pair, compare
from ringmoe_core.heads.first_values import draw_normal
from ringmoe_core.heads.neck import FullResolution, UperNeck

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD_DIM = 16
"""Channels of an attention head, as in the encoder of our small presets."""


class ChangeTransformerHead(nn.Module):
    """Bi-temporal image transformer (BIT, arXiv 2103.00482, section III).

    Each date's map is summed up in L semantic tokens, a transformer relates the tokens of both dates, each pixel reads
    them back by cross-attention, and the two refined maps are compared. The order of the dates matters.
    """

    reads: ClassVar[Literal["pair"]] = "pair"

    def __init__(
        self,
        dims: Sequence[int],
        num_classes: int,
        *,
        channels: int = 64,
        tokens: int = 4,
        fine_dim: int = 0,
        stride: int = 4,
    ) -> None:
        """Builds the head.

        Args:
            dims: channels of each level, finest first.
            num_classes: logits a pixel.
            channels: inner width, a multiple of 16.
            tokens: semantic tokens of a date (the paper's best is 4).
            fine_dim: channels of the full-resolution features; 0 for none.
            stride: pixels a cell of the finest level.

        Raises:
            ValueError: `channels` is no multiple of 16, or there is no token.
        """
        super().__init__()
        self.fine_dim = fine_dim
        if channels % HEAD_DIM or tokens < 1:
            raise ValueError(
                f"channels must be a multiple of {HEAD_DIM} and tokens at least 1, got {channels} and {tokens}; "
                "round them up"
            )
        self.neck = UperNeck(dims, channels)
        self.attend = nn.Conv2d(channels, tokens, 1)
        self.place_LC = nn.Parameter(draw_normal(torch.empty(2 * tokens, channels), 0.02))
        self.encode = _Attention(channels)
        self.read = _Attention(channels)
        self.compare = nn.Conv2d(3 * channels, channels, 1)
        self.classify = FullResolution(channels, 3 * fine_dim, num_classes, stride)

    def forward(
        self,
        before: Sequence[Tensor],
        after: Sequence[Tensor],
        size: tuple[int, int],
        fine: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Logits (N, K, H, W).

        Args:
            before: levels of the first date, (N, D, h, w), finest first.
            after: of the second date.
            size: H and W.
            fine: full-resolution features of both.

        Raises:
            ValueError: the two differ in shape.
        """
        check_pair(before, after)
        maps = [self.neck(before), self.neck(after)]
        tokens_NLC = torch.cat([self._tokens(map_NChw) for map_NChw in maps], dim=1) + self.place_LC
        tokens_NLC = self.encode(tokens_NLC, tokens_NLC)
        read = [
            self.read(map_NChw.flatten(2).transpose(1, 2), own).transpose(1, 2).reshape(map_NChw.shape)
            for map_NChw, own in zip(maps, tokens_NLC.chunk(2, dim=1), strict=True)
        ]
        compared = functional.gelu(self.compare(compare(*read)))
        logits_NKHW: Tensor = self.classify(compared, size, None if fine is None else compare(*fine))
        return logits_NKHW

    def _tokens(self, map_NChw: Tensor) -> Tensor:
        """Weighted means of the cells, (N, L, C) (the paper's equation 2)."""
        weight_NLn = functional.softmax(self.attend(map_NChw).flatten(2), dim=-1)
        return weight_NLn.to(map_NChw.dtype) @ map_NChw.flatten(2).transpose(1, 2)


class _Attention(nn.Module):
    """A pre-norm transformer block whose queries look at a memory."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm_query, self.norm_memory, self.norm_hidden = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.memory = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.output = nn.Linear(dim, dim)
        self.expand, self.reduce = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)

    def forward(self, query_NnC: Tensor, memory_NLC: Tensor) -> Tensor:
        query = _split(self.query(self.norm_query(query_NnC)))
        key, value = (_split(part) for part in self.memory(self.norm_memory(memory_NLC)).chunk(2, dim=-1))
        mixed = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        found: Tensor = query_NnC + self.output(mixed)
        hidden: Tensor = self.reduce(functional.gelu(self.expand(self.norm_hidden(found))))
        return found + hidden


def _split(tokens_NnC: Tensor) -> Tensor:
    """(N, heads, n, HEAD_DIM)."""
    N, n, C = tokens_NnC.shape
    return tokens_NnC.reshape(N, n, C // HEAD_DIM, HEAD_DIM).transpose(1, 2)
