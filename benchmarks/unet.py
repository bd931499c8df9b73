"""A small U-Net (Ronneberger et al. 2015, arXiv 1505.04597), the peer of the comparisons that learn from pixels."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class UNet(nn.Module):
    """Three levels, two 3 x 3 convolutions each; from (N, channels, H, W) to logits (N, classes, H, W)."""

    def __init__(self, channels=2, classes=1, width=12):
        super().__init__()
        sides = [width, 2 * width, 4 * width]
        self.down = nn.ModuleList(_block(i, o) for i, o in zip([channels, *sides[:-1]], sides, strict=True))
        self.up = nn.ModuleList(_block(i + o, o) for i, o in ((sides[2], sides[1]), (sides[1], sides[0])))
        self.out = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        kept = []
        for index, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if index else x)
            kept.append(x)
        for block, skip in zip(self.up, kept[-2::-1], strict=True):
            wide = functional.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([wide, skip], 1))
        return self.out(x)


def _block(given, wanted):
    layers = []
    for channels in (given, wanted):
        layers += [nn.Conv2d(channels, wanted, 3, padding=1, bias=False), nn.BatchNorm2d(wanted), nn.ReLU()]
    return nn.Sequential(*layers)
