"""What changed at each pixel between two groups of images.

Legend: N pairs, P map channels, K kinds of change, H, W pixels.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional


class ChangeHead(nn.Module):
    """Reads both maps and their absolute difference; the order of the two matters."""

    reads: ClassVar[Literal["map_pair"]] = "map_pair"

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.compare = nn.Conv2d(3 * dim, dim, 1)
        self.classify = nn.Conv2d(dim, num_classes, 3, padding=1)

    def forward(self, before_NPHW: Tensor, after_NPHW: Tensor) -> Tensor:
        """Logits (N, K, H, W).

        Raises:
            ValueError: the two differ in shape.
        """
        if before_NPHW.shape != after_NPHW.shape:
            raise ValueError(
                f"maps before and after must have one shape, got {tuple(before_NPHW.shape)} and "
                f"{tuple(after_NPHW.shape)}; pair them"
            )
        joined = torch.cat([before_NPHW, after_NPHW, (before_NPHW - after_NPHW).abs()], dim=1)
        logits_NKHW: Tensor = self.classify(functional.gelu(self.compare(joined)))
        return logits_NKHW
