"""Detections: the objects found in one image.

Legend: n objects, G numbers of a box: 4 or 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

HORIZONTAL, ROTATED = 4, 5
"""Numbers of a box: x and y of two corners; or centre x, centre y, width, height and angle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections:
    """Objects of one image, best first.

    Positions are in pixel edges: the image's upper left corner is (0, 0) and its first pixel's centre (0.5, 0.5); x
    runs right, y down.
    """

    boxes: Tensor
    """(n, 4): x and y of the upper left and the lower right corner; or (n, 5): centre x and y, width, height, angle.
    The width lies along the angle, which turns from +x towards +y, in radians in [-pi / 2, pi / 2)."""

    scores: Tensor
    """(n,), 0 to 1."""

    labels: Tensor
    """(n,), index of the class."""

    def __post_init__(self) -> None:
        n = self.boxes.shape[0]
        if self.boxes.dim() != 2 or self.boxes.shape[1] not in (HORIZONTAL, ROTATED):  # noqa: PLR2004 - rows and columns
            raise ValueError(
                f"boxes must be (n, 4) or (n, 5), got {tuple(self.boxes.shape)}; give corners, or centre, sides, angle"
            )
        if self.scores.shape != (n,) or self.labels.shape != (n,):
            raise ValueError(
                f"each of {n} boxes has one score and one label, got {tuple(self.scores.shape)} and "
                f"{tuple(self.labels.shape)}; make them equally long"
            )

    def __len__(self) -> int:
        return self.boxes.shape[0]

    @property
    def rotated(self) -> bool:
        """Whether boxes have an angle."""
        return self.boxes.shape[1] == ROTATED

    def above(self, score: float) -> Detections:
        """Those with at least this score."""
        kept = self.scores >= score
        return Detections(boxes=self.boxes[kept], scores=self.scores[kept], labels=self.labels[kept])


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectTargets:
    """The true objects of one image, boxes as in `Detections`."""

    boxes: Tensor
    """(n, 4) or (n, 5), sides above 0; n may be 0."""

    labels: Tensor
    """(n,), index of the class; anything where ignored."""

    ignore: Tensor | None = None
    """(n,) bool: neither to be found nor to be missed (crowds, difficult ones). None: none."""

    def __post_init__(self) -> None:
        n = self.boxes.shape[0]
        if self.boxes.dim() != 2 or self.boxes.shape[1] not in (HORIZONTAL, ROTATED):  # noqa: PLR2004 - rows and columns
            raise ValueError(
                f"boxes must be (n, 4) or (n, 5), got {tuple(self.boxes.shape)}; an image of no object has (0, 4)"
            )
        if self.labels.shape != (n,) or (self.ignore is not None and self.ignore.shape != (n,)):
            raise ValueError(f"each of {n} boxes has one label and one ignore flag; make them equally long")
        sides = self.boxes[:, 2:4] if self.boxes.shape[1] == ROTATED else self.boxes[:, 2:] - self.boxes[:, :2]
        if not bool(torch.isfinite(self.boxes).all()) or not bool((sides > 0).all()):
            bad = int((~((sides > 0).all(1) & torch.isfinite(self.boxes).all(1))).nonzero()[0])
            raise ValueError(
                f"a box must be finite with sides above 0, got {self.boxes[bad].tolist()} (number {bad}); leave it out"
            )

    @property
    def counted(self) -> Tensor:
        """(n,) bool, those to be found."""
        return torch.ones_like(self.labels, dtype=torch.bool) if self.ignore is None else ~self.ignore


def canonical_angle(angle: Tensor) -> Tensor:
    """The angle of the same box in [-pi / 2, pi / 2): half a turn changes nothing."""
    turned = torch.remainder(angle + math.pi / 2, math.pi) - math.pi / 2
    return torch.where(turned >= math.pi / 2, turned - math.pi, turned)  # the remainder may be rounded up to pi
