"""The regions of the demonstration: six real pairs and one simulated place, as region configurations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from flows.config import RegionConfig
from flows.weights import DEMONSTRATED

if TYPE_CHECKING:
    from pathlib import Path

    from flows.bigearthnet_catalog import RealPlace
    from pipelines.simulate import SimulatedRegion

SEED: Final = 7
"""Of the simulated region; training, validation and test regions have seeds from 1000 on."""

SIZE_PX: Final = 256
NUM_DATES: Final = 12
SENSORS: Final = ("sentinel-2-l2a", "sentinel-1-grd")
DAY: Final = timedelta(days=1)


def real_config(place: RealPlace, catalog: Path, out: Path, *, weights: str = DEMONSTRATED) -> RegionConfig:
    """Returns the region of a real pair: its exact patch, the day or two days of its acquisitions."""
    return RegionConfig.model_validate(
        {
            "name": place.name,
            "area": {"crs": f"EPSG:{place.epsg}", "bounds": place.bounds},
            "resolution": 10,
            "time": {"start": _midnight(place.start), "end": _midnight(place.end) + DAY},
            "sources": [{"catalog": str(catalog), "collections": SENSORS}],
            "products": ["land-cover", "change"],
            "output": out / place.name,
            "inference": {"weights": weights},
        }
    )


def simulated_config(region: SimulatedRegion, catalog: Path, out: Path, *, weights: str = DEMONSTRATED) -> RegionConfig:
    """Returns the region of the simulated place, all of its dates."""
    grid = region.grid
    times = [scene.time for scene in region.acquisitions]
    return RegionConfig.model_validate(
        {
            "name": f"simulated-{region.spec.seed}",
            "area": {"crs": f"EPSG:{grid.epsg}", "bounds": grid.bounds},
            "resolution": grid.resolution,
            "time": {"start": _midnight(min(times)), "end": _midnight(max(times)) + DAY},
            "sources": [{"catalog": str(catalog), "collections": SENSORS}],
            "products": ["land-cover", "change"],
            "output": out,
            "inference": {"weights": weights},
        }
    )


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), datetime.min.time(), UTC)
