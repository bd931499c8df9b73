"""A class for each pixel, out of all levels of the pyramid.

Legend: N maps, K classes, H, W pixels, F fine channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor, nn

from ringmoe_core.heads.neck import FullResolution, UperNeck

if TYPE_CHECKING:
    from collections.abc import Sequence


class UperHead(nn.Module):
    """UPerNet's decoder (arXiv 1807.10221), then a class a pixel."""

    reads: ClassVar[Literal["pyramid"]] = "pyramid"

    def __init__(
        self, dims: Sequence[int], num_classes: int, *, channels: int = 64, fine_dim: int = 0, stride: int = 4
    ) -> None:
        """Builds the head.

        Args:
            dims: channels of each level, finest first.
            num_classes: logits a pixel.
            channels: inner width.
            fine_dim: channels of the full-resolution features; 0 for none.
            stride: pixels a cell of the finest level.
        """
        super().__init__()
        self.fine_dim = fine_dim
        self.neck = UperNeck(dims, channels)
        self.classify = FullResolution(channels, fine_dim, num_classes, stride)

    def forward(self, levels: Sequence[Tensor], size: tuple[int, int], fine_NFHW: Tensor | None = None) -> Tensor:
        """Logits (N, K, H, W).

        Args:
            levels: (N, D, h, w) at strides 4, 8, 16, 32, finest first.
            size: H and W.
            fine_NFHW: full-resolution features, padded to whole patches.
        """
        logits_NKHW: Tensor = self.classify(self.neck(levels), size, fine_NFHW)
        return logits_NKHW
