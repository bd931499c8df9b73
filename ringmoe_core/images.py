"""Which images of a batch are worth computing, and where each one's features belong.

Legend: B places, T images a place over all modalities, N live images, M modalities, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ringmoe_core.permute import inverse_permutation, permute_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlan:
    """The live images of a mapping of series, modality after modality."""

    names: tuple[str, ...]
    """Modalities of the batch, in the configuration's order."""

    picks: tuple[Tensor, ...]
    """For each name, the flat index (place * dates + date) of its live images."""

    modality_N: Tensor
    """Configuration's index of each live image's modality."""

    target_N: Tensor
    """Flat position (place * T + date) of each live image among all images of the batch."""

    num_places: int
    """B."""

    num_images: int
    """T, over all modalities, padding included."""

    size: tuple[int, int]
    """Height and width in pixels."""

    @property
    def num_live(self) -> int:
        """N."""
        return self.target_N.shape[0]


def plan_images(series: Mapping[str, Series], config: RingMoEConfig) -> ImagePlan:
    """The plan of a batch.

    Raises:
        ValueError: no series, an unknown modality, a wrong number of channels, or series of unequal batch or size.
    """
    names = _check(series, config)
    first = series[names[0]]
    num_images = sum(series[name].num_dates for name in names)
    picks, modalities, targets = [], [], []
    offset = 0
    for name in names:
        one = series[name]
        live_BT = one.valid_BTHW.flatten(2).any(-1) & one.present_BTC.any(-1)
        pick = live_BT.flatten().nonzero()[:, 0]
        place = torch.div(pick, one.num_dates, rounding_mode="floor")
        picks.append(pick)
        targets.append(place * num_images + offset + pick % one.num_dates)
        modalities.append(torch.full_like(pick, config.modalities.index(name)))
        offset += one.num_dates
    return ImagePlan(
        names=names,
        picks=tuple(picks),
        modality_N=torch.cat(modalities),
        target_N=torch.cat(targets),
        num_places=first.num_places,
        num_images=num_images,
        size=first.size,
    )


def pick_images(values: Tensor, pick: Tensor) -> Tensor:
    """The rows of `values` (flat images first) in `pick`, without a copy when it is all of them."""
    return values if pick.shape[0] == values.shape[0] else values.index_select(0, pick)


def place_images(values: Tensor, plan: ImagePlan) -> Tensor:
    """Live images' values (N, ...) at their places (B, T, ...); zero for padding."""
    total = plan.num_places * plan.num_images
    if plan.num_live == total:
        if len(plan.names) > 1:
            values = permute_rows(values, inverse_permutation(plan.target_N), plan.target_N)
    else:
        values = values.new_zeros((total, *values.shape[1:])).index_copy(0, plan.target_N, values)
    return values.reshape(plan.num_places, plan.num_images, *values.shape[1:])


def _check(series: Mapping[str, Series], config: RingMoEConfig) -> tuple[str, ...]:
    if not series:
        raise ValueError("a batch holds at least one modality, got none; give a series")
    unknown = sorted(set(series) - set(config.modalities))
    if unknown:
        raise ValueError(f"modalities must be among {config.modalities}, got {unknown}; rename them")
    names = tuple(name for name in config.modalities if name in series)
    first = series[names[0]]
    for name in names:
        one = series[name]
        wanted = config.channels[config.modalities.index(name)]
        free = config.embedding == "spectral" and one.bands is not None  # any bands that say what they are
        if not free and one.pixels_BTCHW.shape[2] != wanted:
            raise ValueError(
                f"{name} has {wanted} channels, got {one.pixels_BTCHW.shape[2]}; give absent bands as not present"
            )
        if (one.num_places, one.size) != (first.num_places, first.size):
            raise ValueError(
                f"series of a batch share places and size, got {name} {(one.num_places, *one.size)} "
                f"and {names[0]} {(first.num_places, *first.size)}; cut them alike"
            )
    return names
