"""Aerial images of 0.3 to 1 m in red, green and blue, with the truth about every object and height."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.simulate.vhr.objects import PlantedObject
    from pipelines.simulate.vhr.pair import SimulatedVhrPair, simulate_vhr_pair
    from pipelines.simulate.vhr.scene import SimulatedVhr, simulate_vhr
    from pipelines.simulate.vhr.spec import SCENE_CLASSES, VhrSpec

__all__ = [
    "SCENE_CLASSES",
    "PlantedObject",
    "SimulatedVhr",
    "SimulatedVhrPair",
    "VhrSpec",
    "simulate_vhr",
    "simulate_vhr_pair",
]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "objects": ["PlantedObject"],
        "pair": ["SimulatedVhrPair", "simulate_vhr_pair"],
        "scene": ["SimulatedVhr", "simulate_vhr"],
        "spec": ["SCENE_CLASSES", "VhrSpec"],
    },
)
