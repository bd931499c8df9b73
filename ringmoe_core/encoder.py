"""From images of any mix of modalities to a pyramid of features an image.

Legend: N live images, B places, T images a place, H, W pixels, h, w cells of a level, K channels with validity,
D channels, L tokens of an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.attention import WindowAttention
from ringmoe_core.balance import BankUse, RoutingReport, summarise
from ringmoe_core.images import ImagePlan, pick_images, place_images, plan_images
from ringmoe_core.moe import MixtureLayer
from ringmoe_core.patch_embed import FullResolutionSkip, PatchEmbed, masked_input

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """A pyramid of features for every image of a batch, finest level first; padding images are zero."""

    levels: tuple[Tensor, ...]
    """(B, T, D, h, w) of each level; memory is channels-last. T runs over the modalities in their order."""

    weights: tuple[Tensor, ...]
    """(B, T, h, w) of each level: share of a cell's pixels that are valid, 0 to 1; 0 for padding images."""

    day_BT: Tensor
    """Fraction of the year, [0, 1)."""

    age_BT: Tensor
    """Years before the date that the maps are for."""

    modality_BT: Tensor
    """Configuration's index of each image's modality."""

    size: tuple[int, int]
    """Height and width of the input; the finest level may be larger by padding at the bottom and right."""

    routing: RoutingReport | None
    """Use of the experts; None when there was no live image."""


class Block(nn.Module):
    """Attention and mixture of experts, each on normalised input and added to it."""

    def __init__(self, config: RingMoEConfig, dim: int, *, shifted: bool) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = WindowAttention(dim, config.head_dim, config.window, shifted=shifted)
        self.norm_mixture = nn.LayerNorm(dim)
        self.mixture = MixtureLayer(config, dim)

    def forward(self, tokens_NhwD: Tensor, modality_N: Tensor) -> tuple[Tensor, tuple[BankUse, BankUse]]:
        """Tokens of the same shape, and the use of the experts."""
        tokens_NhwD = tokens_NhwD + self.attention(self.norm_attention(tokens_NhwD))
        mixed_NLD, use = self.mixture(self.norm_mixture(tokens_NhwD).flatten(1, 2), modality_N)
        return tokens_NhwD + mixed_NLD.view_as(tokens_NhwD), use


class PatchMerging(nn.Module):
    """Half the grid, twice the channels; an odd grid is padded with zeros."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
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
        merged: Tensor = self.reduction(self.norm(joined))
        return merged


class Encoder(nn.Module):
    """Patch embeds and full-resolution features by modality, then stages that all images share."""

    def __init__(self, config: RingMoEConfig) -> None:
        super().__init__()
        self.config = config
        channels = dict(zip(config.modalities, config.channels, strict=True))
        dims = config.stage_dims
        self.embeds = nn.ModuleDict({name: PatchEmbed(num, config.dim, config.patch) for name, num in channels.items()})
        self.skips = nn.ModuleDict({name: FullResolutionSkip(num, config.skip_dim) for name, num in channels.items()})
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(config, dim, shifted=bool(block % 2)) for block in range(depth))
            for dim, depth in zip(dims, config.depths, strict=True)
        )
        self.mergings = nn.ModuleList(PatchMerging(dim) for dim in dims[:-1])
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for dim in dims)

    def forward(self, series: Mapping[str, Series]) -> Features:
        """Features of every image of the batch.

        Raises:
            ValueError: the series do not fit each other or the configuration.
        """
        plan = plan_images(series, self.config)
        if plan.num_live:
            skip_NHWS, tokens_NhwD = self._embed(series, plan)
            levels, routing = self._run_stages(tokens_NhwD, plan.modality_N)
            placed = tuple(place_images(level, plan).permute(0, 1, 4, 2, 3) for level in (skip_NHWS, *levels))
        else:
            placed, routing = self._nothing(plan), None
        return Features(
            levels=placed,
            weights=self._weights(series, plan),
            day_BT=torch.cat([series[name].day_BT for name in plan.names], dim=1),
            age_BT=torch.cat([_age(series[name]) for name in plan.names], dim=1),
            modality_BT=self._modality(series, plan),
            size=plan.size,
            routing=routing,
        )

    def _embed(self, series: Mapping[str, Series], plan: ImagePlan) -> tuple[Tensor, Tensor]:
        skips, tokens = [], []
        dtype = next(self.parameters()).dtype  # stores may hand in half precision
        for name, pick in zip(plan.names, plan.picks, strict=True):
            if not pick.shape[0]:
                continue
            one = series[name]
            images = (one.pixels_BTCHW, one.valid_BTHW, one.present_BTC)
            pixels_NCHW, valid_NHW, present_NC = (pick_images(part.flatten(0, 1), pick) for part in images)
            input_NKHW = masked_input(pixels_NCHW.to(dtype), valid_NHW, present_NC, self.config.patch)
            tokens.append(self.embeds[name](input_NKHW, present_NC))
            skips.append(self.skips[name](input_NKHW))
        return torch.cat(skips), torch.cat(tokens)

    def _run_stages(self, tokens_NhwD: Tensor, modality_N: Tensor) -> tuple[list[Tensor], RoutingReport]:
        levels, uses = [], []
        for index, stage in enumerate(self.stages):
            if index:
                tokens_NhwD = self.mergings[index - 1](tokens_NhwD)
            for block in stage:  # type: ignore[attr-defined]
                tokens_NhwD, use = block(tokens_NhwD, modality_N)
                uses.append(use)
            levels.append(self.norms[index](tokens_NhwD))
        return levels, summarise(uses)

    def _nothing(self, plan: ImagePlan) -> tuple[Tensor, ...]:
        grids = _grids(plan.size, self.config)
        dims = (self.config.skip_dim, *self.config.stage_dims)
        like = next(self.parameters())
        shape = (plan.num_places, plan.num_images)
        return tuple(like.new_zeros((*shape, dim, *grid)) for dim, grid in zip(dims, grids, strict=True))

    def _weights(self, series: Mapping[str, Series], plan: ImagePlan) -> tuple[Tensor, ...]:
        valid_BTHW = torch.cat(
            [series[name].valid_BTHW & series[name].present_BTC.any(-1)[..., None, None] for name in plan.names], dim=1
        )
        fine = _pad_to_multiple(valid_BTHW.to(next(self.parameters()).dtype), self.config.patch)
        coarse = [fine, functional.avg_pool2d(fine, self.config.patch)]
        while len(coarse) < self.config.num_levels:
            coarse.append(functional.avg_pool2d(_pad_to_multiple(coarse[-1], 2), 2))
        return tuple(coarse)

    def _modality(self, series: Mapping[str, Series], plan: ImagePlan) -> Tensor:
        device = series[plan.names[0]].day_BT.device
        index = [self.config.modalities.index(name) for name in plan.names for _ in range(series[name].num_dates)]
        return torch.tensor(index, device=device).expand(plan.num_places, -1)


def _age(series: Series) -> Tensor:
    return torch.zeros_like(series.day_BT) if series.age_BT is None else series.age_BT


def _pad_to_multiple(values: Tensor, multiple: int) -> Tensor:
    pad_rows, pad_columns = (-size % multiple for size in values.shape[-2:])
    return functional.pad(values, (0, pad_columns, 0, pad_rows)) if pad_rows or pad_columns else values


def _grids(size: tuple[int, int], config: RingMoEConfig) -> list[tuple[int, int]]:
    """Rows and columns of each level, finest (padded to whole patches) first."""
    rows, columns = (-(-side // config.patch) for side in size)
    grids = [(rows * config.patch, columns * config.patch), (rows, columns)]
    while len(grids) < config.num_levels:
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
        grids.append((rows, columns))
    return grids
