"""Regions that are made up, with known truth, written as real scenes in a real catalogue's layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.simulate.acquisition import Acquisition
    from pipelines.simulate.catalog import write_catalog
    from pipelines.simulate.changes import Event
    from pipelines.simulate.decoded import to_cube
    from pipelines.simulate.landsat import simulate_landsat
    from pipelines.simulate.region import SimulatedRegion, simulate_region
    from pipelines.simulate.slc import SlcSpec, simulate_slc
    from pipelines.simulate.spec import RegionSpec
    from pipelines.simulate.vhr import VhrSpec, simulate_vhr, simulate_vhr_pair
    from pipelines.simulate.video import VideoSpec, simulate_video

__all__ = [
    "Acquisition",
    "Event",
    "RegionSpec",
    "SimulatedRegion",
    "SlcSpec",
    "VhrSpec",
    "VideoSpec",
    "simulate_landsat",
    "simulate_region",
    "simulate_slc",
    "simulate_vhr",
    "simulate_vhr_pair",
    "simulate_video",
    "to_cube",
    "write_catalog",
]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "acquisition": ["Acquisition"],
        "catalog": ["write_catalog"],
        "changes": ["Event"],
        "decoded": ["to_cube"],
        "landsat": ["simulate_landsat"],
        "region": ["SimulatedRegion", "simulate_region"],
        "slc": ["SlcSpec", "simulate_slc"],
        "spec": ["RegionSpec"],
        "vhr": ["VhrSpec", "simulate_vhr", "simulate_vhr_pair"],
        "video": ["VideoSpec", "simulate_video"],
    },
)
