"""Contrast between the modalities of a place.

Legend: B places, T dates of a modality, N rows that have both, D channels of the last stage, E projected channels,
h, w cells.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from ringmoe_core.losses.noise_contrastive import info_nce
from ringmoe_core.losses.sigmoid_pairs import sigmoid_contrastive
from ringmoe_core.pretraining.pair_dates import nearest_dates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.autograd.function import FunctionCtx

    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.features import Features
    from ringmoe_core.pretraining.config import PretrainConfig
    from ringmoe_core.series import Series

FIRST_SCALE: Final = {"info_nce": 1 / 0.07, "sigmoid": 10.0}
"""First inverse temperature (CLIP, arXiv 2103.00020, section 2.5; SigLIP, arXiv 2303.15343, section 3.2)."""

LARGEST_SCALE: Final = 100.0
"""CLIP's bound, for training's sake."""


class Contrast(nn.Module):
    """Projects each modality's pooled features and contrasts each pair of modalities over the batch's places.

    Only images of different modalities within a few days are drawn together, never two dates of one modality: that
    would teach blindness to change.
    """

    def __init__(self, model: RingMoEConfig, config: PretrainConfig) -> None:
        super().__init__()
        self.kind = config.contrastive
        self.max_days = config.contrastive_days
        dim = model.stage_dims[-1]
        self.projections = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, config.projection_dim))
                for name in model.modalities
            }
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE[self.kind])))
        if self.kind == "sigmoid":
            self.bias = nn.Parameter(torch.tensor(config.sigmoid_bias))

    def forward(self, features: Features, shown: Mapping[str, Series], place_B: Tensor | None) -> Tensor | None:
        """Mean loss over the pairs of modalities that have rows, in nats; None where there is none.

        Args:
            features: of `shown`.
            shown: series as the encoder saw them.
            place_B: as of `PretrainBatch`.
        """
        names = [name for name in self.projections if name in shown]
        counts = [shown[name].num_dates for name in names]
        dates, weights = (
            dict(zip(names, torch.split(part[-1], counts, 1), strict=True))
            for part in (features.levels, features.weights)
        )
        losses = []
        for first, second in combinations(names, 2):
            pairs = nearest_dates(shown[first], shown[second], self.max_days)
            if not len(pairs.row_N):
                continue
            rows_ND = [
                self.projections[name](_pool(dates[name], weights[name], pairs.row_N, date_N))
                for name, date_N in ((first, pairs.first_N), (second, pairs.second_N))
            ]
            losses.append(self._judge(rows_ND[0], rows_ND[1], _same_place(place_B, pairs.row_N)))
        return torch.stack(losses).mean() if losses else None

    def idle(self, features: Features) -> Tensor:
        """Zero, by way of every layer."""
        nothing_ND = features.levels[-1].new_zeros(0, features.levels[-1].shape[2])
        total = sum((project(nothing_ND).float().sum() for project in self.projections.values()), 0.0 * self.log_scale)
        return total + 0.0 * self.bias if self.kind == "sigmoid" else total

    def _judge(self, first_NE: Tensor, second_NE: Tensor, ignore_NN: Tensor | None) -> Tensor:
        log_scale = bounded(self.log_scale, math.log(LARGEST_SCALE))
        if self.kind == "info_nce":
            return info_nce(first_NE, second_NE, log_scale, ignore_NN)
        return sigmoid_contrastive(first_NE, second_NE, log_scale, self.bias, ignore_NN)


def bounded(value: Tensor, most: float) -> Tensor:
    """`value`, at most `most`; a gradient that leads down passes beyond the bound, so that nothing sticks there."""
    found: Tensor = _Bounded.apply(value, most)  # type: ignore[no-untyped-call]
    return found


class _Bounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, value: Tensor, most: float) -> Tensor:
        ctx.save_for_backward(value > most)
        return value.clamp(max=most)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        (beyond,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return torch.where(beyond, gradient.clamp(min=0), gradient), None


def _pool(level_BTDhw: Tensor, weight_BThw: Tensor, row_N: Tensor, date_N: Tensor) -> Tensor:
    """Mean of the visible cells of some images, (N, D), each cell by its share of visible pixels."""
    level_NDhw, weight_Nhw = level_BTDhw[row_N, date_N], weight_BThw[row_N, date_N]
    weighted_ND = (level_NDhw * weight_Nhw[:, None].to(level_NDhw.dtype)).sum((2, 3))
    return weighted_ND / weight_Nhw.sum((1, 2)).clamp_min(1e-6)[:, None].to(weighted_ND.dtype)


def _same_place(place_B: Tensor | None, row_N: Tensor) -> Tensor | None:
    if place_B is None:
        return None
    place_N = place_B.to(row_N.device)[row_N]
    return place_N[:, None] == place_N[None]
