"""From the levels of a pyramid to one map, and on to full resolution.

Legend: N maps, D channels of a level, C inner channels, h, w cells of a level, H, W pixels, F fine channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.heads.channel_norm import ConvNorm

if TYPE_CHECKING:
    from collections.abc import Sequence

POOLED_SIDES: Final = (1, 2, 3, 6)
"""Cells a side that the coarsest level is pooled to (PSPNet, arXiv 1612.01105, section 3.2)."""


class PyramidPooling(nn.Module):
    """The coarsest level, told of its surroundings at several scales (PSPNet, arXiv 1612.01105, figure 3)."""

    def __init__(self, dim: int, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(ConvNorm(dim, channels, 1) for _ in POOLED_SIDES)
        self.join = ConvNorm(dim + len(POOLED_SIDES) * channels, channels)

    def forward(self, level_NDhw: Tensor) -> Tensor:
        """(N, C, h, w)."""
        pooled = [
            _spread(branch(functional.adaptive_avg_pool2d(level_NDhw, side)), level_NDhw)
            for side, branch in zip(POOLED_SIDES, self.branches, strict=True)
        ]
        joined: Tensor = self.join(torch.cat([level_NDhw, *pooled], dim=1))
        return joined


class FeaturePyramid(nn.Module):
    """Lateral layers and a way from coarse to fine (FPN, arXiv 1612.03144), headed by pyramid pooling.

    That is UPerNet's decoder (arXiv 1807.10221, section 3.1) before its levels are joined. Pooling sees the whole map:
    a map's values depend on its extent, as a fixed lattice of windows fixes it.
    """

    def __init__(self, dims: Sequence[int], channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(ConvNorm(dim, channels, 1) for dim in dims[:-1])
        self.pooling = PyramidPooling(dims[-1], channels)
        self.smooth = nn.ModuleList(ConvNorm(channels, channels) for _ in dims[:-1])

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Levels of C channels each, finest first.

        Raises:
            ValueError: another number of levels than the neck was built for.
        """
        if len(levels) != len(self.laterals) + 1:
            raise ValueError(
                f"this head reads {len(self.laterals) + 1} levels, got {len(levels)}; give those above full resolution"
            )
        top = self.pooling(levels[-1])
        found = [top]
        for index in range(len(self.laterals) - 1, -1, -1):
            top = self.laterals[index](levels[index]) + enlarge(top, 2, levels[index])
            found.insert(0, self.smooth[index](top))
        return found


class UperNeck(nn.Module):
    """One map at the finest level's resolution out of all levels (UPerNet, arXiv 1807.10221, section 3.1)."""

    def __init__(self, dims: Sequence[int], channels: int) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid(dims, channels)
        self.join = ConvNorm(len(dims) * channels, channels)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """(N, C, h, w) of the finest level."""
        found = self.pyramid(levels)
        alike = [enlarge(level, 2**index, found[0]) for index, level in enumerate(found)]
        joined: Tensor = self.join(torch.cat(alike, dim=1))
        return joined


class FullResolution(nn.Module):
    """A prediction a pixel from a coarse map and, if there are any, from full-resolution features.

    Edges come from the fine features, meaning from the coarse map; without fine features the coarse prediction is
    interpolated.
    """

    def __init__(self, channels: int, fine_dim: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.fine_dim = fine_dim
        if fine_dim:
            self.reduce = nn.Conv2d(channels, fine_dim, 1)
            self.join = ConvNorm(2 * fine_dim, fine_dim)
        self.predict = nn.Conv2d(fine_dim or channels, outputs, 1)

    def forward(self, coarse_NChw: Tensor, size: tuple[int, int], fine_NFHW: Tensor | None) -> Tensor:
        """(N, outputs, H, W).

        Raises:
            ValueError: fine features are missing, or given to a head that was built without them.
        """
        if (fine_NFHW is None) != (self.fine_dim == 0):
            raise ValueError(
                f"this head was built {'with' if self.fine_dim else 'without'} full-resolution features, got "
                f"{'none' if fine_NFHW is None else 'some'}; match its option `fine`"
            )
        if fine_NFHW is None:
            found = _magnify(self.predict(coarse_NChw), self.stride)
        else:
            coarse = enlarge(self.reduce(coarse_NChw), self.stride, fine_NFHW)
            found = self.predict(self.join(torch.cat([coarse, fine_NFHW], dim=1)))
        return found[..., : size[0], : size[1]]


def enlarge(maps: Tensor, factor: int, like: Tensor) -> Tensor:
    """`maps` of cells `factor` times as wide, interpolated to the cells of `like`.

    Levels are padded at the right and the bottom to whole cells, so they are cut there instead of squeezed: squeezing
    would shift what they show by up to half a coarse cell.
    """
    return _magnify(maps, factor)[..., : like.shape[-2], : like.shape[-1]]


def _magnify(maps: Tensor, factor: int) -> Tensor:
    if factor == 1:
        return maps
    return functional.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)


def _spread(maps: Tensor, like: Tensor) -> Tensor:
    """Maps of the same extent as `like`, interpolated to its cells."""
    return functional.interpolate(maps, size=like.shape[-2:], mode="bilinear", align_corners=False)
