"""What to simulate: size, pixel, length and pace of one video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipelines.simulate.texture import generator
from pipelines.simulate.vhr.spec import VhrSpec

TRAFFIC_CLASSES: Final = ("residential", "industrial", "parking", "harbour", "airport", "river", "farmland")
"""Kinds of scene where enough moves; a seed draws one of them with equal chance."""

NUM_FRAMES: Final = (2, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSpec:
    """A simulated video; equal specs give equal bytes."""

    seed: int
    """Any non-negative integer."""

    size: int = 256
    num_frames: int = 12
    gsd_m: float = 0.5
    frame_interval_s: float = 0.4
    """Between two frames; satellite videos of 10 to 30 frames a second, thinned out."""

    scene_class: str | None = None
    """One of the kinds of aerial scene; None draws one with traffic by seed."""

    def __post_init__(self) -> None:
        least, most = NUM_FRAMES
        if not least <= self.num_frames <= most:
            raise ValueError(f"num_frames is {least} to {most}, got {self.num_frames}; cut longer videos up")
        if self.frame_interval_s <= 0:
            raise ValueError(f"frame_interval_s is above 0, got {self.frame_interval_s}; give seconds")
        VhrSpec(seed=self.seed, size=self.size, gsd_m=self.gsd_m, scene_class=self.scene_class)

    @property
    def place(self) -> VhrSpec:
        """The aerial scene that the video looks at."""
        drawn = self.scene_class or str(generator(self.seed, "video").choice(TRAFFIC_CLASSES))
        return VhrSpec(seed=self.seed, size=self.size, gsd_m=self.gsd_m, scene_class=drawn)
