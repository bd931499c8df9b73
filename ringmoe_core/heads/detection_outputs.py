"""DetectionOutputs: what a detection head says at each of its points, before anything is chosen.

Legend: N images, P points of all levels, K classes, G numbers of a box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionOutputs:
    """Dense predictions, levels finest first, rows before columns within one."""

    logits_NPK: Tensor
    """Of each class by itself."""

    boxes_NPG: Tensor
    """Centre x, centre y, width, height, pixels, float32; rotated ones also cosine and sine of twice the angle."""

    centreness_NP: Tensor
    """Logit of how near the point is to the middle of its object."""

    points_P2: Tensor
    """x and y of each point, pixels."""

    strides_P: Tensor
    """Pixels a cell of the point's level."""

    size: tuple[int, int]
    """Height and width of the image."""

    @property
    def rotated(self) -> bool:
        """Whether boxes have an angle."""
        return self.boxes_NPG.shape[2] > 4  # noqa: PLR2004 - centre and sides
