"""What to simulate: seed, size, pixel and kind of one aerial image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SCENE_CLASSES: Final = (
    "residential",
    "industrial",
    "parking",
    "harbour",
    "airport",
    "forest",
    "farmland",
    "river",
    "bare",
    "wetland",
)
"""Kinds of scene; a seed draws one of them with equal chance."""

GSD_M: Final = (0.3, 1.0)
SIZE_PX: Final = (64, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class VhrSpec:
    """A simulated aerial image; equal specs give equal bytes."""

    seed: int
    """Any non-negative integer."""

    size: int = 256
    """Height and width in pixels, 64 to 1024."""

    gsd_m: float = 0.5
    """Pixel in metres, 0.3 to 1."""

    scene_class: str | None = None
    """One of `SCENE_CLASSES`; None draws it by seed."""

    changes: tuple[int, int] = (2, 6)
    """Least and largest number of buildings that a pair gains or loses, see `simulate_vhr_pair`; one image has none."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"a seed is a non-negative integer, got {self.seed}; choose another")
        if not SIZE_PX[0] <= self.size <= SIZE_PX[1]:
            raise ValueError(f"size is {SIZE_PX[0]} to {SIZE_PX[1]} pixels, got {self.size}; cut larger scenes up")
        if not GSD_M[0] <= self.gsd_m <= GSD_M[1]:
            raise ValueError(
                f"gsd_m is {GSD_M[0]} to {GSD_M[1]}, got {self.gsd_m}; coarser sensors are simulated apart"
            )
        if self.scene_class is not None and self.scene_class not in SCENE_CLASSES:
            raise ValueError(f"scene_class is one of {SCENE_CLASSES}, got {self.scene_class!r}; use one of them")
        least, most = self.changes
        if not 0 <= least <= most:
            raise ValueError(f"changes is (least, most), got {self.changes}; order it")
