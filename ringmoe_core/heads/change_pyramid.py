"""What changed at each pixel between two dates, by the difference of their pyramids.

Legend: N pairs, D channels of a level, K kinds of change, h, w cells of a level, H, W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from ringmoe_core.heads.neck import FullResolution, UperNeck

if TYPE_CHECKING:
    from collections.abc import Sequence


class ChangePyramidHead(nn.Module):
    """Two dates' levels and their absolute difference (FC-Siam-conc and -diff, arXiv 1810.08462), by UPerNet's way."""

    reads: ClassVar[Literal["pair"]] = "pair"

    def __init__(
        self, dims: Sequence[int], num_classes: int, *, channels: int = 64, fine_dim: int = 0, stride: int = 4
    ) -> None:
        """Builds the head; arguments as of `ChangeTransformerHead`."""
        super().__init__()
        self.fine_dim = fine_dim
        self.neck = UperNeck([3 * dim for dim in dims], channels)
        self.classify = FullResolution(channels, 3 * fine_dim, num_classes, stride)

    def forward(
        self,
        before: Sequence[Tensor],
        after: Sequence[Tensor],
        size: tuple[int, int],
        fine: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Logits (N, K, H, W); arguments as of `ChangeTransformerHead`.

        Raises:
            ValueError: the two differ in shape.
        """
        check_pair(before, after)
        compared = [compare(first, second) for first, second in zip(before, after, strict=True)]
        logits_NKHW: Tensor = self.classify(self.neck(compared), size, None if fine is None else compare(*fine))
        return logits_NKHW


def compare(before_NDhw: Tensor, after_NDhw: Tensor) -> Tensor:
    """Both and their absolute difference, (N, 3 D, h, w)."""
    return torch.cat([before_NDhw, after_NDhw, (before_NDhw - after_NDhw).abs()], dim=1)


def check_pair(before: Sequence[Tensor], after: Sequence[Tensor]) -> None:
    """Checks that two pyramids are alike.

    Raises:
        ValueError: they differ in shape.
    """
    shapes = [[tuple(level.shape) for level in levels] for levels in (before, after)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"pyramids before and after must have one shape, got {shapes[0]} and {shapes[1]}; pair them")
