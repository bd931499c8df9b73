"""From the images of a place to one pyramid for each group of images.

Legend: B places, G groups, T images a place, h, w cells of a level, D channels of an image, F fused channels,
A heads (groups of channels), V values (channels pooled), Q time and modality inputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.features import Features

SCORE_LIMIT = 8.0
"""Scores stay within +-8, so that exp(score) needs no maximum over images and groups can share it."""

AGE_SCALES_YEARS = (0.03, 0.15, 0.75)
"""Decay times of the age inputs: about 11 days, 8 weeks, 9 months."""

SPREAD_FLOOR = 1e-4
"""Added to a variance before its root, for a finite slope at zero spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedPyramid:
    """One pyramid for each group of each place, finest level first; batch index = place * G + group."""

    levels: tuple[Tensor, ...]
    """(B G, F, h, w) of each level."""

    count_NHW: Tensor
    """(B G, H, W) valid observations of each pixel that the group holds."""

    size: tuple[int, int]
    """Height and width of the input; the finest level may be larger by padding."""


class LevelFusion(nn.Module):
    """Weighted mean and spread over images of one level, which no order of images changes."""

    def __init__(self, dim: int, values: int, fused: int, *, num_inputs: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.num_values = values
        self.projection = nn.Linear(dim, values + num_heads)
        self.context = nn.Linear(num_inputs, values + num_heads, bias=False)
        self.output = nn.Linear(2 * values + 1, fused)
        self.nothing_F = nn.Parameter(torch.empty(fused))

    def forward(
        self, level_BTDhw: Tensor, weight_BThw: Tensor, inputs_BTQ: Tensor, member_BGT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fused cells (B G, h, w, F) and the number of valid observations (B G, h, w).

        weight = exp(8 tanh(score / 8)) * valid share * membership; mean and spread are taken with it for each head.
        """
        B, T, h, w = weight_BThw.shape
        value, score = self._project(level_BTDhw.permute(0, 1, 3, 4, 2), self.context(inputs_BTQ)[:, :, None, None])
        with torch.autocast(value.device.type, enabled=False):  # sums of squares need float32
            value, score = value.float(), score.float()
            score = SCORE_LIMIT * torch.tanh(score / SCORE_LIMIT)
            valid = weight_BThw.float()
            weight = score.exp() * valid[..., None]
            value = functional.gelu(value).reshape(*weight.shape, -1)
            weighted = weight[..., None] * value
            member = member_BGT.float()
            mass, total, square, count = (
                torch.bmm(member, part.reshape(B, T, -1)).reshape(-1, h, w, *part.shape[4:])
                for part in (weight, weighted, weighted * value, valid)
            )
            mass = mass.clamp_min(1e-12)[..., None]  # exp(-8) / 1024 is the least mass of an observed cell
            mean = total / mass
            spread = torch.sqrt((square / mass - mean.square()).clamp_min(0) + SPREAD_FLOOR) - SPREAD_FLOOR**0.5
            summary = torch.cat([mean.flatten(-2), spread.flatten(-2), count.log1p()[..., None]], dim=-1)
        fused = functional.gelu(self.output(summary))
        return torch.where((count > 0)[..., None], fused, self.nothing_F.to(fused.dtype)), count

    def _project(self, cells: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Values and scores, each by a product of its own: views of a joint one would not be contiguous, and slow."""
        parts = [self.num_values, self.num_heads]
        weights, biases = torch.split(self.projection.weight, parts), torch.split(self.projection.bias, parts)
        value, score = (
            functional.linear(cells, weight, bias) + shift
            for weight, bias, shift in zip(weights, biases, torch.split(context, parts, dim=-1), strict=True)
        )
        return value, score


class Fusion(nn.Module):
    """Fuses every level of the features of a batch."""

    def __init__(self, config: RingMoEConfig) -> None:
        super().__init__()
        self.num_modalities = len(config.modalities)
        num_inputs = 4 + len(AGE_SCALES_YEARS) + self.num_modalities
        skip = LevelFusion(
            config.skip_dim,
            config.skip_dim,
            config.skip_fused_dim,
            num_inputs=num_inputs,
            num_heads=config.fusion_heads,
        )
        deep = [
            LevelFusion(dim, config.fusion_dim, config.fusion_dim, num_inputs=num_inputs, num_heads=config.fusion_heads)
            for dim in config.stage_dims
        ]
        self.levels = nn.ModuleList([skip, *deep])

    def forward(self, features: Features, membership_BGT: Tensor) -> FusedPyramid:
        """One pyramid for each group.

        Args:
            features: what the encoder gave.
            membership_BGT: bool, whether a group holds an image; a group may be empty.

        Raises:
            ValueError: the membership does not fit the features.
        """
        B, T = features.day_BT.shape
        if membership_BGT.dtype != torch.bool or membership_BGT.dim() != 3 or membership_BGT.shape[::2] != (B, T):  # noqa: PLR2004
            raise ValueError(
                f"membership must be bool (B={B}, G, T={T}), got {membership_BGT.dtype} {tuple(membership_BGT.shape)}; "
                "give one row a group and one column an image"
            )
        inputs_BTQ = self._inputs(features)
        levels, counts = zip(
            *(
                fuse(level, weight, inputs_BTQ, membership_BGT)
                for fuse, level, weight in zip(self.levels, features.levels, features.weights, strict=True)
            ),
            strict=True,
        )
        return FusedPyramid(
            levels=tuple(level.permute(0, 3, 1, 2) for level in levels), count_NHW=counts[0], size=features.size
        )

    def _inputs(self, features: Features) -> Tensor:
        """Season (two harmonics), age (three decays) and modality (one-hot) of each image."""
        angle = 2 * math.pi * features.day_BT.float()
        season = [torch.sin(angle), torch.cos(angle), torch.sin(2 * angle), torch.cos(2 * angle)]
        age = [torch.exp(-features.age_BT.float() / scale) for scale in AGE_SCALES_YEARS]
        modality_BTM = functional.one_hot(features.modality_BT, self.num_modalities).float()
        return torch.cat([torch.stack([*season, *age], dim=-1), modality_BTM], dim=-1)
