"""A class for each pixel.

Legend: N maps, P map channels, K classes, H, W pixels.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn


class SegmentationHead(nn.Module):
    """One linear layer a pixel."""

    reads: ClassVar[Literal["maps"]] = "maps"

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.classify = nn.Conv2d(dim, num_classes, 1)

    def forward(self, maps_NPHW: Tensor) -> Tensor:
        """Logits (N, K, H, W)."""
        logits_NKHW: Tensor = self.classify(maps_NPHW)
        return logits_NKHW
