"""Features: what the encoder knows of every image of a batch.

Legend: B places, T images a place, D channels, h, w cells of a level, H, W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core.balance import RoutingReport
    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.images import ImagePlan
    from ringmoe_core.series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """A pyramid of features for every image of a batch, finest level first; padding images are zero."""

    levels: tuple[Tensor, ...]
    """(B, T, D, h, w) of each level; memory is channels-last. T runs over the modalities in their order."""

    strides: tuple[int, ...]
    """Pixels a cell of each level: 1 where full-resolution features are built, then 4, 8, 16, 32 by default."""

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
    """Use of the experts; None when there was no live image or no expert to choose."""

    def pyramid(self) -> dict[int, Tensor]:
        """The stages' features (B, T, D, h, w) by their stride in pixels: 4, 8, 16 and 32 by default."""
        return {stride: level for stride, level in zip(self.strides, self.levels, strict=True) if stride > 1}


def level_grids(size: tuple[int, int], config: RingMoEConfig) -> tuple[tuple[int, int], ...]:
    """Rows and columns of each level of an input of `size` pixels, finest (padded to whole patches) first."""
    rows, columns = (-(-side // config.patch) for side in size)
    grids = [(rows * config.patch, columns * config.patch)] if config.maps else []
    for _ in config.depths:
        grids.append((rows, columns))
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    return tuple(grids)


def level_weights(series: Mapping[str, Series], plan: ImagePlan, config: RingMoEConfig) -> tuple[Tensor, ...]:
    """Share of valid pixels (B, T, h, w) in each cell of each level, float32."""
    valid_BTHW = torch.cat(
        [series[name].valid_BTHW & series[name].present_BTC.any(-1)[..., None, None] for name in plan.names], dim=1
    )
    fine = _pad_to_multiple(valid_BTHW.float(), config.patch)
    coarse = [functional.avg_pool2d(fine, config.patch)]
    while len(coarse) < len(config.depths):
        coarse.append(functional.avg_pool2d(_pad_to_multiple(coarse[-1], 2), 2))
    return (fine, *coarse) if config.maps else tuple(coarse)


def _pad_to_multiple(values: Tensor, multiple: int) -> Tensor:
    pad_rows, pad_columns = (-size % multiple for size in values.shape[-2:])
    return functional.pad(values, (0, pad_columns, 0, pad_rows)) if pad_rows or pad_columns else values
