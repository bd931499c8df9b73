"""A class for a point out of its series alone, without neighbourhood and without a backbone.

Legend: B points, T dates of a modality, S dates of all modalities, C bands, D channels, K classes, E season inputs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.heads.attentive_pool import AttentivePool
from ringmoe_core.heads.first_values import draw_normal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core.heads.point_series import PointSeries

NUM_HARMONICS: Final = 4
"""Of the day of the year: down to a quarter of a year."""

HEAD_DIM: Final = 16
"""Channels of an attention head."""


class PixelSeriesHead(nn.Module):
    """A small transformer over the dates of all sensors, pooled by a learned query.

    After Presto (arXiv 2304.14065) and the temporal attention encoder (arXiv 2007.00586): each date of each sensor is a
    token made of its bands, of which bands there are, and of the season. Dates that are not valid weigh nothing; the
    order of dates does not matter; a modality may be missing altogether.
    """

    reads: ClassVar[Literal["points"]] = "points"

    def __init__(self, channels: Mapping[str, int], num_classes: int, *, dim: int = 64, depth: int = 2) -> None:
        """Builds the head.

        Args:
            channels: bands of each modality.
            num_classes: logits a point.
            dim: inner width, a multiple of 16.
            depth: transformer blocks, at least 1.

        Raises:
            ValueError: no modality, or a width or depth that does not fit.
        """
        super().__init__()
        if not channels or min(channels.values()) < 1:
            raise ValueError(f"each modality needs one band or more, got {dict(channels)}; name them")
        if dim % HEAD_DIM or dim < HEAD_DIM or depth < 1:
            raise ValueError(f"dim must be a multiple of {HEAD_DIM} and depth at least 1, got {dim} and {depth}")
        self.channels = dict(channels)
        self.embeds = nn.ModuleDict({name: nn.Linear(2 * num, dim) for name, num in channels.items()})
        self.season = nn.Linear(2 * NUM_HARMONICS, dim, bias=False)
        self.summary_D = nn.Parameter(draw_normal(torch.empty(dim), dim**-0.5))
        self.blocks = nn.ModuleList(_Block(dim) for _ in range(depth))
        self.pool = AttentivePool(dim)
        self.norm = nn.LayerNorm(2 * dim)
        self.classify = nn.Linear(2 * dim, num_classes)

    def forward(self, points: Mapping[str, PointSeries]) -> Tensor:
        """Logits (B, K); a point without any valid date gets the same logits whatever its values.

        Raises:
            ValueError: no modality, an unknown one, other bands, or unequal numbers of points.
        """
        logits_BK: Tensor = self.classify(self.embed(points))
        return logits_BK

    def embed(self, points: Mapping[str, PointSeries]) -> Tensor:
        """What the last layer sees, (B, 2 D): also the vector for few-shot protocols."""
        self._check(points)
        tokens, live = zip(*(self._tokens(name, points[name]) for name in self.channels if name in points), strict=True)
        tokens_BSD, live_BS = torch.cat(tokens, dim=1), torch.cat(live, dim=1)
        first_B1D = self.summary_D.to(tokens_BSD.dtype).expand(len(tokens_BSD), 1, -1)
        seen_BS = functional.pad(live_BS, (1, 0), value=True)
        stream_BSD = torch.cat([first_B1D, tokens_BSD], dim=1)
        for block in self.blocks:
            stream_BSD = block(stream_BSD, seen_BS)
        pooled_BD = self.pool(stream_BSD[:, 1:], live_BS)
        embedded_BD: Tensor = self.norm(torch.cat([stream_BSD[:, 0], pooled_BD.to(stream_BSD.dtype)], dim=1))
        return embedded_BD

    def _tokens(self, name: str, series: PointSeries) -> tuple[Tensor, Tensor]:
        present_BTC = series.present_BTC & series.valid_BT[..., None]
        values_BTC = series.values_BTC.masked_fill(~present_BTC, 0.0)  # marked as absent by the flag beside it
        inputs = torch.cat([values_BTC, present_BTC.to(values_BTC.dtype)], dim=-1)
        dtype = self.season.weight.dtype
        tokens_BTD = self.embeds[name](inputs.to(dtype)) + self.season(_season(series.day_BT).to(dtype))
        return tokens_BTD, present_BTC.any(-1)

    def _check(self, points: Mapping[str, PointSeries]) -> None:
        unknown = sorted(set(points) - set(self.channels))
        if unknown or not points:
            raise ValueError(
                f"points must be of one or more of {sorted(self.channels)}, got {sorted(points)}; leave out the others"
            )
        for name, series in points.items():
            if series.values_BTC.shape[2] != self.channels[name]:
                raise ValueError(
                    f"{name} must have {self.channels[name]} bands, got {series.values_BTC.shape[2]}; mark absent ones "
                    "instead of leaving them out"
                )
        if len({series.num_points for series in points.values()}) > 1:
            counts = {name: series.num_points for name, series in points.items()}
            raise ValueError(f"all modalities must hold the same points, got {counts}; pad with invalid dates")


class _Block(nn.Module):
    """A pre-norm transformer block that sees live tokens alone."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm_attention, self.norm_hidden = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.projection = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.expand, self.reduce = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)

    def forward(self, tokens_BSD: Tensor, live_BS: Tensor) -> Tensor:
        B, S, D = tokens_BSD.shape
        parts = (
            self.qkv(self.norm_attention(tokens_BSD)).reshape(B, S, 3, D // HEAD_DIM, HEAD_DIM).permute(2, 0, 3, 1, 4)
        )
        mask = live_BS[:, None, None, :]  # the summary token is always live, so that no row is empty
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=mask)
        tokens_BSD = tokens_BSD + self.projection(mixed.transpose(1, 2).reshape(B, S, D))
        hidden: Tensor = self.reduce(functional.gelu(self.expand(self.norm_hidden(tokens_BSD))))
        return tokens_BSD + hidden


def _season(day_BT: Tensor) -> Tensor:
    """Sines and cosines of the day of the year, (B, T, E)."""
    harmonics = torch.arange(1, NUM_HARMONICS + 1, device=day_BT.device)
    phase = 2 * math.pi * day_BT[..., None].float() * harmonics
    return torch.cat([phase.sin(), phase.cos()], dim=-1)
