"""The ground of an aerial image while it is laid out: material, brightness and land cover, and masks to paint it by."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.simulate.landscape import BARE, BUILT, CROP, GRASS, TREE, WATER, WETLAND
from pipelines.simulate.vhr.materials import MATERIAL_NAMES, draw_gain, material_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.simulate.landscape import BoolArray, ByteArray
    from pipelines.simulate.texture import FloatArray

OVERSAMPLING: Final = 2
"""Fine pixels per pixel and axis."""

COVER_OF: Final = {
    **dict.fromkeys(("lawn", "meadow", "dry_grass"), GRASS),
    **dict.fromkeys(("crop_green", "crop_pale", "crop_ripe"), CROP),
    **dict.fromkeys(("soil", "sand", "gravel"), BARE),
    **dict.fromkeys(("clear_water", "turbid_water", "green_water", "foam"), WATER),
    **dict.fromkeys(("reed", "mud"), WETLAND),
    **dict.fromkeys(("broadleaf", "needleleaf", "autumn_leaf"), TREE),
}
"""WorldCover code of a material where nothing else is said; all others are built-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Size and sampling of an image."""

    size: int
    """Pixels."""

    gsd_m: float

    @property
    def width_m(self) -> float:
        """Side of the image in metres."""
        return self.size * self.gsd_m

    @property
    def fine(self) -> int:
        """Side of the image in fine pixels."""
        return self.size * OVERSAMPLING

    @property
    def scale(self) -> float:
        """Fine pixels per metre."""
        return OVERSAMPLING / self.gsd_m

    def metres(self) -> tuple[FloatArray, FloatArray]:
        """Returns x (1, x) and y (y, 1) of the fine pixels' centres in metres."""
        line = ((np.arange(self.fine) + 0.5) / self.scale).astype(np.float32)
        return line[None, :], line[:, None]


class Ground:
    """Ground that a layout paints, area by area; the last one wins."""

    def __init__(self, frame: Frame, rng: np.random.Generator, material: str) -> None:
        shape = (frame.fine, frame.fine)
        self.frame = frame
        self.material: ByteArray = np.full(shape, material_index(material), dtype=np.uint8)
        self.gain: FloatArray = np.full(shape, draw_gain(rng, material), dtype=np.float32)
        self.cover: ByteArray = np.full(shape, COVER_OF.get(material, BUILT), dtype=np.uint8)
        self._rng = rng

    def fill(
        self,
        mask: BoolArray,
        material: str,
        *,
        cover: int | None = None,
        gain: float | None = None,
        pattern: FloatArray | None = None,
    ) -> None:
        """Paints an area.

        Args:
            mask: Fine pixels (y, x).
            material: Name in the table.
            cover: WorldCover code, None for that of the material.
            gain: Factor on the brightness, None draws it.
            pattern: Further factor (y, x) inside the area, such as the rows of a crop.
        """
        assert material in MATERIAL_NAMES, material
        level = np.float32(draw_gain(self._rng, material) if gain is None else gain)
        self.material[mask] = material_index(material)
        self.gain[mask] = level if pattern is None else level * pattern[mask]
        self.cover[mask] = COVER_OF.get(material, BUILT) if cover is None else cover

    def along(self, cx: float, cy: float, angle_rad: float) -> tuple[FloatArray, FloatArray]:
        """Returns coordinates (y, x) in metres along and across a direction, from a centre."""
        x, y = self.frame.metres()
        cosine, sine = np.float32(np.cos(angle_rad)), np.float32(np.sin(angle_rad))
        return cosine * (x - np.float32(cx)) + sine * (y - np.float32(cy)), -sine * (x - np.float32(cx)) + cosine * (
            y - np.float32(cy)
        )

    def box(self, cx: float, cy: float, length_m: float, width_m: float, angle_rad: float) -> BoolArray:
        """Returns the fine pixels of a turned rectangle."""
        u, v = self.along(cx, cy, angle_rad)
        return np.asarray((np.abs(u) <= length_m / 2) & (np.abs(v) <= width_m / 2), dtype=bool)

    def distance_to(self, points: NDArray[np.float64]) -> tuple[FloatArray, FloatArray]:
        """Returns the distance (y, x) to a line of points (n, 2) in metres, and how far along it the foot lies."""
        x, y = self.frame.metres()
        best = np.full((self.frame.fine, self.frame.fine), np.inf, dtype=np.float32)
        place = np.zeros_like(best)
        start = 0.0
        for first, second in pairwise(points):
            step = second - first
            length = float(np.hypot(*step))
            if length == 0:
                continue
            along = ((x - first[0]) * (step[0] / length) + (y - first[1]) * (step[1] / length)).astype(np.float32)
            foot = np.clip(along, 0.0, length)
            across = (-(x - first[0]) * (step[1] / length) + (y - first[1]) * (step[0] / length)).astype(np.float32)
            distance = np.hypot(across, along - foot)
            nearer = distance < best
            best[nearer] = distance[nearer]
            place[nearer] = start + foot[nearer]
            start += length
        return best, place
