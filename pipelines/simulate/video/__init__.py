"""Short aerial videos with moving vehicles, ships and aircraft, and their true tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.simulate.video.scene import SimulatedVideo, simulate_video
    from pipelines.simulate.video.spec import VideoSpec
    from pipelines.simulate.video.tracks import PlantedTrack

__all__ = ["PlantedTrack", "SimulatedVideo", "VideoSpec", "simulate_video"]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "scene": ["SimulatedVideo", "simulate_video"],
        "spec": ["VideoSpec"],
        "tracks": ["PlantedTrack"],
    },
)
