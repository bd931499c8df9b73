"""What is planted in an aerial image and must be found again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

ObjectKind = Literal["ship", "vehicle", "building", "aircraft"]
OBJECT_KINDS: Final[tuple[ObjectKind, ...]] = ("ship", "vehicle", "building", "aircraft")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedObject:
    """One object with its oriented box, in pixels: x right, y down, (0, 0) the upper left corner of the image."""

    kind: ObjectKind
    cx: float
    cy: float
    length_px: float
    """Side along the angle, stern to bow or tail to nose; of all but aircraft the longer one."""

    width_px: float
    """Side across it; of an aircraft the span."""

    angle_rad: float
    """Turn from +x towards +y, in [-pi/2, pi/2): a ship's bow and stern are not told apart."""

    height_m: float
    """Of its highest point above ground or water."""

    visible: float = 1.0
    """Share of its outline that the sensor sees: trees, bridges and the edges of image and swath hide the rest."""

    shaded: float = 0.0
    """Share of what is seen that lies in a cast shadow."""

    def corners(self) -> tuple[tuple[float, float], ...]:
        """Returns the four corners (x, y) in turn; they may lie outside the image."""
        cosine, sine = math.cos(self.angle_rad), math.sin(self.angle_rad)
        half_l, half_w = self.length_px / 2.0, self.width_px / 2.0
        signs = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
        return tuple(
            (
                self.cx + a * half_l * cosine - b * half_w * sine,
                self.cy + a * half_l * sine + b * half_w * cosine,
            )
            for a, b in signs
        )

    def upright_box(self) -> tuple[float, float, float, float]:
        """Returns x and y of the upper left and the lower right corner of the box around the oriented one."""
        corners = self.corners()
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return min(xs), min(ys), max(xs), max(ys)


def wrapped(angle_rad: float) -> float:
    """Returns the angle of an undirected line in [-pi/2, pi/2)."""
    turn = (angle_rad + math.pi / 2.0) % math.pi  # pi itself where the sum is a hair below 0
    return turn - math.pi / 2.0 if turn < math.pi else -math.pi / 2.0
