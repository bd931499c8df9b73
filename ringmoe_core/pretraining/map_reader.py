"""MapReader: what maps of a place say of an image of one sensor on a day.

Legend: N images, P map channels, Q inputs of a day, R numbers a pixel, E inner channels, H, W pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.fusion import AGE_SCALES_YEARS

NUM_DAY_INPUTS = 5 + len(AGE_SCALES_YEARS)
"""Q."""


class MapReader(nn.Module):
    """A perceptron a pixel on its map and the day that is asked for: light, so that the maps have to know."""

    def __init__(self, map_dim: int, dim: int, num_numbers: int) -> None:
        super().__init__()
        self.maps = nn.Conv2d(map_dim, dim, 1)
        self.day = nn.Linear(NUM_DAY_INPUTS, dim, bias=False)
        self.mix = nn.Conv2d(dim, dim, 1)
        self.output = nn.Conv2d(dim, num_numbers, 1)

    def forward(self, maps_NPHW: Tensor, day_N: Tensor, age_N: Tensor) -> Tensor:
        """Numbers (N, R, H, W).

        Args:
            maps_NPHW: of each image's place.
            day_N: fraction of the year, [0, 1).
            age_N: years before the date that the maps are for.
        """
        day_NE = self.day(day_inputs(day_N, age_N).to(maps_NPHW.dtype))
        inner = functional.gelu(self.maps(maps_NPHW) + day_NE[..., None, None])
        inner = inner + functional.gelu(self.mix(inner))
        numbers_NRHW: Tensor = self.output(inner)
        return numbers_NRHW


def day_inputs(day_N: Tensor, age_N: Tensor) -> Tensor:
    """Two harmonics of the season, three decays of the age, and the age in years itself, (N, Q)."""
    angle = 2 * math.pi * day_N.float()
    season = [torch.sin(angle), torch.cos(angle), torch.sin(2 * angle), torch.cos(2 * angle)]
    age = [torch.exp(-age_N.float() / scale) for scale in AGE_SCALES_YEARS]
    return torch.stack([*season, *age, age_N.float()], dim=-1)
