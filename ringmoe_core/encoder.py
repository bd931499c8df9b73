"""From images of any mix of modalities to a pyramid of features an image.

Legend: N live images, B places, T images a place, H, W pixels, h, w cells of a level, K channels with validity,
D channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.acquisition import AcquisitionEncoding
from ringmoe_core.balance import summarise
from ringmoe_core.band import describe_bands
from ringmoe_core.block import Block, PatchMerging
from ringmoe_core.features import Features, level_grids, level_weights
from ringmoe_core.image_batch import batch_images
from ringmoe_core.images import ImagePlan, place_images, plan_images
from ringmoe_core.modality_bands import modality_bands
from ringmoe_core.patch_embed import FullResolutionSkip, PatchEmbed, masked_input
from ringmoe_core.plain_embed import PAPER_EPS, PlainEmbed
from ringmoe_core.spectral import SpectralEmbed, SpectralSkip

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core.balance import LayerUse, RoutingReport
    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.hidden_tokens import HiddenTokens
    from ringmoe_core.image_batch import ImageBatch
    from ringmoe_core.series import Series


class Encoder(nn.Module):
    """Patch embeds and full-resolution features by modality, then stages that all images share."""

    def __init__(self, config: RingMoEConfig) -> None:
        super().__init__()
        self.config = config
        self.runs_every_modality = False
        """Whether absent modalities' embeds run too, on an empty image: ranks of one job must run the same layers."""

        channels = dict(zip(config.modalities, config.channels, strict=True))
        dims, windows = config.stage_dims, config.stage_windows
        self.embeds = nn.ModuleDict({name: _embed(config, num) for name, num in channels.items()})
        if config.maps:
            self.skips = nn.ModuleDict({name: _skip(config, num) for name, num in channels.items()})
        if config.encodes_acquisition:
            self.acquisition = AcquisitionEncoding(config.dim)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(config, dim, window, shifted=bool(block % 2)) for block in range(depth))
            for dim, window, depth in zip(dims, windows, config.depths, strict=True)
        )
        self.mergings = nn.ModuleList(PatchMerging(config, dim) for dim in dims[:-1])
        self.norms = nn.ModuleList(_level_norm(config, stage) for stage in range(len(dims)))

    def forward(self, series: Mapping[str, Series], hidden: HiddenTokens | None = None) -> Features:
        """Features of every image of the batch.

        Args:
            series: images by modality.
            hidden: patches that masked pre-training has a learned token stand for, after the patch embed.

        Raises:
            ValueError: the series do not fit each other or the configuration.
        """
        plan = plan_images(series, self.config)
        weights = level_weights(series, plan, self.config)
        if plan.num_live or self.runs_every_modality:
            levels, routing = self._run(series, plan, weights, hidden)
        else:
            levels, routing = self._nothing(plan), None
        return Features(
            levels=levels,
            strides=self.config.strides,
            weights=weights,
            day_BT=torch.cat([series[name].day_BT for name in plan.names], dim=1),
            age_BT=torch.cat([_age(series[name]) for name in plan.names], dim=1),
            modality_BT=self._modality(series, plan),
            size=plan.size,
            routing=routing,
        )

    def _run(
        self, series: Mapping[str, Series], plan: ImagePlan, weights: tuple[Tensor, ...], hidden: HiddenTokens | None
    ) -> tuple[tuple[Tensor, ...], RoutingReport | None]:
        cells = None if hidden is None else hidden.cells
        batches = batch_images(series, plan, self.config, every_modality=self.runs_every_modality, hidden=cells)
        dtype = next(self.parameters()).dtype  # stores may hand in half precision
        inputs = [
            masked_input(batch.pixels_NCHW.to(dtype), batch.valid_NHW, batch.present_NC, self.config.patch)
            for batch in batches
        ]
        token_D = None if hidden is None else hidden.token_D
        tokens_NhwD = torch.cat([self._embed(*pair, token_D) for pair in zip(batches, inputs, strict=True)])
        modality_N = torch.cat(
            [batch.present_NC.new_full((batch.num_kept,), batch.index, dtype=torch.long) for batch in batches]
        )
        live = self._live(weights, plan, modality_N)
        if cells is not None and plan.num_live:
            live = _add_hidden(live, torch.cat([batch.hidden_Nhw for batch in batches if batch.hidden_Nhw is not None]))
        stages, uses = self._run_stages(tokens_NhwD, modality_N, live)
        if self.config.maps:
            stages.insert(0, torch.cat([self._skip(*pair) for pair in zip(batches, inputs, strict=True)]))
        placed = tuple(place_images(level[: plan.num_live], plan).permute(0, 1, 4, 2, 3) for level in stages)
        return placed, summarise(uses)

    def _embed(self, batch: ImageBatch, input_NKHW: Tensor, token_D: Tensor | None) -> Tensor:
        tokens_NhwD: Tensor = self.embeds[batch.name](input_NKHW, batch.present_NC, *self._bands(batch))
        if token_D is not None and batch.hidden_Nhw is not None:
            tokens_NhwD = torch.where(batch.hidden_Nhw[..., None], token_D.to(tokens_NhwD.dtype), tokens_NhwD)
        if self.config.encodes_acquisition:
            context_ND = self.acquisition(batch.day_N, batch.gsd_m_N)
            tokens_NhwD = tokens_NhwD + context_ND.to(tokens_NhwD.dtype)[:, None, None]
        return tokens_NhwD[: batch.num_kept]

    def _skip(self, batch: ImageBatch, input_NKHW: Tensor) -> Tensor:
        known = (batch.present_NC, *self._bands(batch)) if self.config.embedding == "spectral" else ()
        features_NHWS: Tensor = self.skips[batch.name](input_NKHW, *known)
        return features_NHWS[: batch.num_kept]

    def _bands(self, batch: ImageBatch) -> tuple[Tensor, ...]:
        """What the filters are made from, where they are made."""
        if self.config.embedding == "fixed":
            return ()
        return (describe_bands(batch.bands or modality_bands(batch.name)).to(batch.pixels_NCHW.device),)

    def _live(self, weights: tuple[Tensor, ...], plan: ImagePlan, modality_N: Tensor) -> list[Tensor | None]:
        """For each stage, which tokens (N, h, w) hold a valid pixel; None where that does not matter."""
        stages = weights[-len(self.stages) :]
        if not plan.num_live:
            return [
                torch.zeros(len(modality_N), *stage.shape[2:], dtype=torch.bool, device=stage.device)
                for stage in stages
            ]
        if not self.config.masks_attention:
            return [None] * len(stages)
        return [stage.flatten(0, 1).index_select(0, plan.target_N) > 0 for stage in stages]

    def _run_stages(
        self, tokens_NhwD: Tensor, modality_N: Tensor, live: list[Tensor | None]
    ) -> tuple[list[Tensor], list[LayerUse]]:
        levels, uses = [], []
        for index, (stage, live_Nhw) in enumerate(zip(self.stages, live, strict=True)):
            if index:
                tokens_NhwD = self.mergings[index - 1](tokens_NhwD)
            for block in stage:  # type: ignore[attr-defined]
                tokens_NhwD, use = block(tokens_NhwD, modality_N, live_Nhw)
                uses.append(use)
            levels.append(self.norms[index](tokens_NhwD))
        return levels, uses

    def _nothing(self, plan: ImagePlan) -> tuple[Tensor, ...]:
        dims = (self.config.skip_dim, *self.config.stage_dims)[-self.config.num_levels :]
        like = next(self.parameters())
        shape = (plan.num_places, plan.num_images)
        grids = level_grids(plan.size, self.config)
        return tuple(like.new_zeros((*shape, dim, *grid)) for dim, grid in zip(dims, grids, strict=True))

    def _modality(self, series: Mapping[str, Series], plan: ImagePlan) -> Tensor:
        device = series[plan.names[0]].day_BT.device
        index = [self.config.modalities.index(name) for name in plan.names for _ in range(series[name].num_dates)]
        return torch.tensor(index, device=device).expand(plan.num_places, -1)


def _add_hidden(live: list[Tensor | None], hidden_Nhw: Tensor) -> list[Tensor | None]:
    """Live tokens of each stage, those included that stand for hidden patches or are merged with such."""
    joined = []
    for live_Nhw in live:
        joined.append(None if live_Nhw is None else live_Nhw | hidden_Nhw)
        hidden_Nhw = functional.max_pool2d(hidden_Nhw[:, None].float(), 2, ceil_mode=True)[:, 0] > 0
    return joined


def _embed(config: RingMoEConfig, channels: int) -> nn.Module:
    if config.style == "paper":
        return PlainEmbed(channels, config.dim, config.patch)
    if config.embedding == "spectral":
        return SpectralEmbed(config.dim, config.patch)
    return PatchEmbed(channels, config.dim, config.patch)


def _skip(config: RingMoEConfig, channels: int) -> nn.Module:
    if config.embedding == "spectral":
        return SpectralSkip(config.skip_dim)
    return FullResolutionSkip(channels, config.skip_dim)


def _level_norm(config: RingMoEConfig, stage: int) -> nn.Module:
    """Of a stage's features; the paper normalises the last stage's alone."""
    if config.style == "modern":
        return nn.LayerNorm(config.stage_dims[stage])
    last = stage == len(config.depths) - 1
    return nn.LayerNorm(config.stage_dims[stage], eps=PAPER_EPS) if last else nn.Identity()


def _age(series: Series) -> Tensor:
    return torch.zeros_like(series.day_BT) if series.age_BT is None else series.age_BT
