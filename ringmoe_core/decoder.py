"""From a fused pyramid to maps at full resolution.

Legend: N groups of places, F fused channels, P map channels, H, W pixels, h, w cells of a level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.fusion import FusedPyramid


class Decoder(nn.Module):
    """Adds levels from coarse to fine, then joins the full-resolution features."""

    def __init__(self, config: RingMoEConfig) -> None:
        super().__init__()
        self.patch = config.patch
        # one convolution on each of the two finest deep levels; coarser levels are only added
        self.smooth = nn.ModuleList(
            nn.Conv2d(config.fusion_dim, config.fusion_dim, 3, padding=1) for _ in range(min(2, len(config.depths)))
        )
        self.reduce = nn.Conv2d(config.fusion_dim, config.map_dim, 1)
        self.join = nn.Conv2d(config.skip_fused_dim, config.map_dim, 3, padding=1)
        self.refine = nn.Conv2d(config.map_dim, config.map_dim, 3, padding=1)

    def forward(self, fused: FusedPyramid) -> Tensor:
        """Maps (N, P, H, W)."""
        fine, *deep = fused.levels
        top = deep[-1]
        for index in range(len(deep) - 2, -1, -1):
            top = deep[index] + _double(top, deep[index])
            if index < len(self.smooth):
                top = top + functional.gelu(self.smooth[index](top))
        coarse = functional.interpolate(self.reduce(top), scale_factor=self.patch, mode="bilinear", align_corners=False)
        maps = functional.gelu(self.join(fine) + coarse)
        maps = maps + functional.gelu(self.refine(maps))
        height, width = fused.size
        return maps[..., :height, :width]


def _double(coarse: Tensor, fine: Tensor) -> Tensor:
    """`coarse` at twice its resolution, cut to the size of `fine` where that was odd."""
    doubled = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return doubled[..., : fine.shape[-2], : fine.shape[-1]]
