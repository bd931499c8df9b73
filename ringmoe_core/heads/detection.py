"""Objects as boxes, without anchors.

Legend: N images, D channels of a level, C inner channels, P points of all levels, K classes, h, w cells of a level.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.heads.channel_norm import ConvNorm
from ringmoe_core.heads.detection_outputs import DetectionOutputs
from ringmoe_core.heads.first_values import draw_normal
from ringmoe_core.heads.neck import FeaturePyramid

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_PROBABILITY: Final = 0.01
"""Of any class at a point before training (focal loss, arXiv 1708.02002, section 4.1)."""

FIRST_SIDE: Final = 3.0
"""Sides of a box before training, in strides."""

FIRST_AXIS: Final = 0.1
"""Length of the direction before training: short, so that it turns quickly, and not zero, where it has none."""

AXIS_EPS: Final = 1e-4
"""Shortest length that a direction is divided by."""


class DetectionHead(nn.Module):
    """At each point of each level: a score a class, a box, and how central the point is (FCOS, arXiv 1904.01355).

    Different from it: a box is written by the offset of its centre and its sides instead of four distances, so that
    points just outside a small object can serve it, and the same numbers serve rotated boxes. The angle is a direction
    of twice the angle, which has no jump at half a turn (phase-shifting coder, arXiv 2211.06444, section 3.2).
    """

    reads: ClassVar[Literal["pyramid"]] = "pyramid"

    def __init__(
        self,
        dims: Sequence[int],
        num_classes: int,
        *,
        strides: Sequence[int] = (4, 8, 16, 32),
        rotated: bool = False,
        channels: int = 64,
        tower: int = 2,
    ) -> None:
        """Builds the head.

        Args:
            dims: channels of each level, finest first.
            num_classes: kinds of object.
            strides: pixels a cell of each level.
            rotated: whether boxes have an angle.
            channels: inner width.
            tower: convolutions before the predictions of classes and of boxes, shared by all levels.
        """
        super().__init__()
        self.strides = tuple(strides)
        self.rotated = rotated
        self.neck = FeaturePyramid(dims, channels)
        self.class_tower = nn.Sequential(*(ConvNorm(channels, channels) for _ in range(tower)))
        self.box_tower = nn.Sequential(*(ConvNorm(channels, channels) for _ in range(tower)))
        self.classify = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.place = nn.Conv2d(channels, 6 if rotated else 4, 3, padding=1)
        self.centre = nn.Conv2d(channels, 1, 3, padding=1)
        for layer in (self.classify, self.place, self.centre):
            draw_normal(layer.weight, 0.01)  # as FCOS
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        assert self.classify.bias is not None
        nn.init.constant_(self.classify.bias, math.log(FIRST_PROBABILITY / (1 - FIRST_PROBABILITY)))

    def forward(
        self, levels: Sequence[Tensor], size: tuple[int, int], fine_NFHW: Tensor | None = None
    ) -> DetectionOutputs:
        """Predictions at the points of all levels; full-resolution features are not read.

        Args:
            levels: (N, D, h, w), finest first.
            size: H and W.
            fine_NFHW: ignored, every head takes it.
        """
        del fine_NFHW
        found = [self._level(level, stride) for level, stride in zip(self.neck(levels), self.strides, strict=True)]
        logits, boxes, centreness, points = zip(*found, strict=True)
        strides = [grid.new_full((len(grid),), stride) for grid, stride in zip(points, self.strides, strict=True)]
        return DetectionOutputs(
            logits_NPK=torch.cat(logits, dim=1),
            boxes_NPG=torch.cat(boxes, dim=1),
            centreness_NP=torch.cat(centreness, dim=1).squeeze(-1),
            points_P2=torch.cat(points),
            strides_P=torch.cat(strides),
            size=size,
        )

    def _level(self, level_NChw: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        points_P2 = level_points((level_NChw.shape[2], level_NChw.shape[3]), stride, level_NChw.device)
        shared = self.box_tower(level_NChw)
        raw_NPG = _flat(self.place(shared)).float()
        centre = points_P2 + raw_NPG[..., :2] * stride
        sides = functional.softplus(raw_NPG[..., 2:4] + math.log(math.expm1(FIRST_SIDE))) * stride
        parts = [centre, sides]
        if self.rotated:
            axis = raw_NPG[..., 4:] + raw_NPG.new_tensor([FIRST_AXIS, 0.0])
            parts.append(functional.normalize(axis, dim=-1, eps=AXIS_EPS))
        return (
            _flat(self.classify(self.class_tower(level_NChw))),
            torch.cat(parts, dim=-1),
            _flat(self.centre(shared)),
            points_P2,
        )


def level_points(grid: tuple[int, int], stride: int, device: torch.device) -> Tensor:
    """Middle of each cell, x and y, (h w, 2), pixels."""
    y, x = torch.meshgrid(*(torch.arange(side, device=device) for side in grid), indexing="ij")
    return (torch.stack([x, y], dim=-1).reshape(-1, 2).float() + 0.5) * stride


def _flat(maps_NChw: Tensor) -> Tensor:
    """(N, h w, C)."""
    return maps_NChw.flatten(2).transpose(1, 2)
