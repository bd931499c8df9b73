"""What a token is told of its image: the season and the size of a pixel on the ground.

Legend: N images, E inputs, F frequencies, D token channels.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

NUM_HARMONICS: Final = 3
"""A year, half a year and four months: enough for a spring and an autumn crop."""

REFERENCE_GSD_M: Final = 10.0
"""Where the logarithm is zero."""

GSD_PERIODS_OCTAVES: Final = (32.0, 16.0, 8.0, 4.0)
"""The longest is twice the span from 0.1 m to 10 km, so that no two distances look alike."""

NUM_INPUTS: Final = 2 * NUM_HARMONICS + 2 * len(GSD_PERIODS_OCTAVES)
"""E."""


class AcquisitionEncoding(nn.Module):
    """A vector to add to every token of an image.

    encoding = A [sin 2 pi k t, cos 2 pi k t; sin 2 pi g / P, cos 2 pi g / P] + a, with t the fraction of the year,
    k = 1, 2, 3, g = log2(GSD / 10 m) and P = 32, 16, 8, 4 octaves. Where the GSD is not known its inputs are zero and a
    learned vector stands for them. All parameters start at zero, so that a model that gets the encoding gives the same
    outputs as before until it is trained; A and the vector then have gradient at once.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.projection = nn.Linear(NUM_INPUTS, dim)
        self.unknown_gsd_D = nn.Parameter(torch.empty(dim))

    def forward(self, day_N: Tensor, gsd_m_N: Tensor) -> Tensor:
        """Encodings (N, D).

        Args:
            day_N: acquisition as a fraction of the year, [0, 1).
            gsd_m_N: ground sampling distance in metres, above 0; NaN where it is not known.
        """
        known_N1 = ~torch.isnan(gsd_m_N)[:, None]
        octaves_N = torch.log2(torch.nan_to_num(gsd_m_N, nan=REFERENCE_GSD_M) / REFERENCE_GSD_M)
        distance_NF = _waves(octaves_N, [1 / period for period in GSD_PERIODS_OCTAVES])
        season_NF = _waves(day_N, [float(harmonic) for harmonic in range(1, NUM_HARMONICS + 1)])
        inputs_NE = torch.cat([season_NF, torch.where(known_N1, distance_NF, 0.0)], dim=1)
        encoding_ND: Tensor = self.projection(inputs_NE.to(self.projection.weight.dtype))
        return encoding_ND + torch.where(known_N1, 0.0, self.unknown_gsd_D)


def _waves(values_N: Tensor, frequencies: list[float]) -> Tensor:
    """Sines, then cosines, (N, 2 F)."""
    phase_NF = 2 * math.pi * values_N[:, None].float() * torch.tensor(frequencies, device=values_N.device)
    return torch.cat([phase_NF.sin(), phase_NF.cos()], dim=1)
