"""Regions that are made up, with known truth, written as real scenes in a real catalogue's layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.simulate.acquisition import Acquisition
    from pipelines.simulate.catalog import write_catalog
    from pipelines.simulate.changes import Event
    from pipelines.simulate.decoded import to_cube
    from pipelines.simulate.region import SimulatedRegion, simulate_region
    from pipelines.simulate.spec import RegionSpec

__all__ = ["Acquisition", "Event", "RegionSpec", "SimulatedRegion", "simulate_region", "to_cube", "write_catalog"]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "acquisition": ["Acquisition"],
        "catalog": ["write_catalog"],
        "changes": ["Event"],
        "decoded": ["to_cube"],
        "region": ["SimulatedRegion", "simulate_region"],
        "spec": ["RegionSpec"],
    },
)
