"""A height for each pixel, with how sure it is.

Legend: N maps, Z bins, D channels of a level, C inner channels, H, W pixels, F fine channels.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.heads.attentive_pool import AttentivePool
from ringmoe_core.heads.height_prediction import HeightPrediction
from ringmoe_core.heads.neck import FullResolution, UperNeck

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_SHARE: Final = 1e-3
"""Of the range that a bin keeps, as AdaBins' epsilon (arXiv 2011.14141, equation 1)."""

LEAST_LOG_SPREAD: Final = -6.0
"""Of a bin's spread over that of a uniform one: a quarter of a per cent of it, so that the score stays finite."""

FINE_HEIGHT_M: Final = 2.0
"""Before training bins are as wide as equal steps of arsinh(height / 2 m): even near the ground, then in proportion."""

UNIFORM_SD: Final = 1 / math.sqrt(12)
"""Standard deviation of a uniform distribution over its width."""


class HeightHead(nn.Module):
    """Adaptive bins: each image cuts the range of heights its own way, each pixel weighs the bins.

    AdaBins (arXiv 2011.14141, equations 1 to 3) and BinsFormer (arXiv 2204.00987); here the weights are read as a
    distribution, with a bin's own spread, so that the prediction has a standard deviation.
    """

    reads: ClassVar[Literal["pyramid"]] = "pyramid"

    def __init__(
        self,
        dims: Sequence[int],
        *,
        num_bins: int = 32,
        range_m: tuple[float, float] = (-5.0, 120.0),
        channels: int = 64,
        fine_dim: int = 0,
        stride: int = 4,
    ) -> None:
        """Builds the head.

        Args:
            dims: channels of each level, finest first.
            num_bins: at least 2.
            range_m: lowest and highest height, metres.
            channels: inner width.
            fine_dim: channels of the full-resolution features; 0 for none.
            stride: pixels a cell of the finest level.

        Raises:
            ValueError: fewer than two bins, or an empty range.
        """
        super().__init__()
        self.fine_dim = fine_dim
        if num_bins < 2 or not -math.inf < range_m[0] < range_m[1] < math.inf:  # noqa: PLR2004 - one bin tells nothing
            raise ValueError(
                f"heights need two bins and a range that is not empty, got {num_bins} bins over {range_m} m; widen them"
            )
        self.range_m = range_m
        self.neck = UperNeck(dims, channels)
        self.pool = AttentivePool(channels)
        self.widths = nn.Sequential(nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, num_bins))
        last = self.widths[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.bias.copy_(_first_log_widths(num_bins, range_m))
            last.weight.mul_(0.1)  # the image moves the bins, it does not place them
        self.spread_Z = nn.Parameter(torch.zeros(num_bins))
        self.weigh = FullResolution(channels, fine_dim, num_bins, stride)

    def forward(
        self, levels: Sequence[Tensor], size: tuple[int, int], fine_NFHW: Tensor | None = None
    ) -> HeightPrediction:
        """The distribution of each pixel's height.

        Args:
            levels: (N, D, h, w) at strides 4, 8, 16, 32, finest first.
            size: H and W.
            fine_NFHW: full-resolution features, padded to whole patches.
        """
        map_NChw = self.neck(levels)
        logits_NZHW = self.weigh(map_NChw, size, fine_NFHW)
        raw_NZ = self.widths(self.pool(map_NChw.flatten(2).transpose(1, 2))).float()
        lowest, highest = self.range_m
        share_NZ = functional.softmax(raw_NZ, dim=1) + LEAST_SHARE
        width_NZ = (highest - lowest) * share_NZ / share_NZ.sum(1, keepdim=True)
        upper_NZ = lowest + width_NZ.cumsum(1)
        return HeightPrediction(
            weights_NZHW=functional.softmax(logits_NZHW.float(), dim=1),
            centres_NZ=upper_NZ - width_NZ / 2,
            spreads_NZ=width_NZ * UNIFORM_SD * self.spread_Z.float().clamp(min=LEAST_LOG_SPREAD).exp(),
        )


def _first_log_widths(num_bins: int, range_m: tuple[float, float]) -> Tensor:
    """Logarithm of the bins' widths before training, (Z,), in metres."""
    lowest, highest = (math.asinh(side / FINE_HEIGHT_M) for side in range_m)
    edges_m = [FINE_HEIGHT_M * math.sinh(lowest + (highest - lowest) * edge / num_bins) for edge in range(num_bins + 1)]
    return torch.tensor([math.log(upper - lower) for lower, upper in pairwise(edges_m)])
