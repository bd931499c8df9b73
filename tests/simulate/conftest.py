"""Regions that several tests look at, rendered once."""

from __future__ import annotations

import pytest

from pipelines.simulate import RegionSpec, SimulatedRegion, simulate_region


@pytest.fixture(scope="session")
def region() -> SimulatedRegion:
    """An ordinary region: 256 px, 12 dates, clouds."""
    return simulate_region(RegionSpec(seed=41))


@pytest.fixture(scope="session")
def clear_regions() -> tuple[SimulatedRegion, ...]:
    """Three regions under a clear sky."""
    return tuple(simulate_region(RegionSpec(seed=seed, cloud_cover=(0.0, 0.0))) for seed in (51, 52, 53))
