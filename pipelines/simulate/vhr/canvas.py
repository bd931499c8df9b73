"""What is seen from straight above: ground and solids, the higher one hiding the lower."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.simulate.landscape import WATER
from pipelines.simulate.vhr.materials import material_index
from pipelines.simulate.vhr.solids import COVER_OF_KIND, Solid, Stamp, stamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.simulate.landscape import ByteArray
    from pipelines.simulate.texture import FloatArray
    from pipelines.simulate.vhr.ground import Frame, Ground

GROUND = -1
SLOPE_LIMIT = 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How a solid came out."""

    solid: Solid
    pixels: int
    """Fine pixels of its whole outline, inside the image or not."""


class Canvas:
    """Top surface of the image on fine pixels; solids are added in any order."""

    def __init__(self, ground: Ground) -> None:
        shape = ground.material.shape
        self.frame: Frame = ground.frame
        self.material: ByteArray = ground.material.copy()
        self.gain: FloatArray = ground.gain.copy()
        self.cover: ByteArray = ground.cover.copy()
        self.top_m: FloatArray = np.zeros(shape, dtype=np.float32)
        self.slope_x: FloatArray = np.zeros(shape, dtype=np.float32)
        self.slope_y: FloatArray = np.zeros(shape, dtype=np.float32)
        self.owner: NDArray[np.int32] = np.full(shape, GROUND, dtype=np.int32)
        self.seen: list[Seen] = []

    def copy(self) -> Canvas:
        """Returns a canvas of its own with the same things on it."""
        other = object.__new__(Canvas)
        other.frame, other.seen = self.frame, list(self.seen)
        for name in ("material", "gain", "cover", "top_m", "slope_x", "slope_y", "owner"):
            setattr(other, name, getattr(self, name).copy())
        return other

    def add(self, solid: Solid) -> None:
        """Puts a solid where it is higher than what is there."""
        scale = self.frame.scale
        reach = 0.5 * math.hypot(solid.length_m, solid.width_m) + 1.0 / scale
        if solid.kind == "tree":
            reach = 0.65 * solid.length_m  # crowns are ragged
        first_col, last_col = (math.floor((solid.cx + side * reach) * scale) for side in (-1, 1))
        first_row, last_row = (math.floor((solid.cy + side * reach) * scale) for side in (-1, 1))
        x = ((np.arange(first_col, last_col + 1) + 0.5) / scale - solid.cx).astype(np.float32)[None, :]
        y = ((np.arange(first_row, last_row + 1) + 0.5) / scale - solid.cy).astype(np.float32)[:, None]
        drawn = stamp(solid, x, y)
        number = len(self.seen)
        self.seen.append(Seen(solid=solid, pixels=int(drawn.mask.sum())))
        rows = slice(max(first_row, 0), min(last_row + 1, self.frame.fine))
        cols = slice(max(first_col, 0), min(last_col + 1, self.frame.fine))
        if rows.start >= rows.stop or cols.start >= cols.stop:
            return
        inner = (
            slice(rows.start - first_row, rows.stop - first_row),
            slice(cols.start - first_col, cols.stop - first_col),
        )
        self._paint((rows, cols), inner, drawn, number)

    def _paint(self, window: tuple[slice, slice], inner: tuple[slice, slice], drawn: Stamp, number: int) -> None:
        solid = self.seen[number].solid
        above = drawn.mask[inner] & (drawn.top_m[inner] > self.top_m[window])
        if solid.kind == "wake":
            above &= self.cover[window] == WATER  # foam ends at the bank
        down, right = (np.asarray(np.gradient(drawn.top_m, axis=axis), dtype=np.float32) for axis in (0, 1))
        slopes = (np.float32(self.frame.scale) * right[inner], np.float32(self.frame.scale) * down[inner])
        for target, values in (
            (self.top_m, drawn.top_m[inner]),
            (self.material, drawn.material[inner]),
            (self.gain, drawn.gain[inner]),
            (self.slope_x, np.clip(slopes[0], -SLOPE_LIMIT, SLOPE_LIMIT)),
            (self.slope_y, np.clip(slopes[1], -SLOPE_LIMIT, SLOPE_LIMIT)),
        ):
            target[window][above] = values[above]
        self.owner[window][above] = number
        cover = COVER_OF_KIND[solid.kind]
        if cover is not None:
            self.cover[window][above] = cover

    def is_tree(self) -> NDArray[np.bool_]:
        """Returns where the top is a crown (y, x), which lets some light through."""
        names = ("broadleaf", "needleleaf", "autumn_leaf")
        crowns = np.isin(self.material, [material_index(name) for name in names])
        return np.asarray(crowns & (self.owner != GROUND), dtype=bool)
