"""What a run will cost: bytes, requests, core-seconds, memory and time, corrected by what past runs took."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from flows.area import target_grid
from flows.build_cube import build_options
from flows.experience import REST, Lesson, learn
from flows.own_heads import num_own_classes, reads_statistics
from flows.paths import OutputPaths, cube_uri
from pipelines.grid import Lattice

if TYPE_CHECKING:
    from pathlib import Path

    from catalogs import SceneSet
    from flows.config import RegionConfig
    from pipelines.cube.forecast import CubeForecast
    from pipelines.grid import TargetGrid

NETWORK_BYTES_S: Final = 20e6
"""Of a server and a line of which nothing is known."""

REQUEST_S: Final = 0.05
"""Until a server answers."""

INFER_S: Final = 0.4
"""Weights loaded, epochs planned, the store made."""

IMAGE_CORE_S: Final = 0.05
"""One window of 128 pixels of one date through `nano-dense`."""

OWN_STATISTICS_CORE_S: Final = 0.004
"""Statistics of one window of 128 pixels of one date, made once for all of a user's heads that read them."""

OWN_HEAD_CORE_S: Final = 0.004
OWN_HEAD_OF_STATISTICS_CORE_S: Final = 0.025
"""A user's head on one window of 128 pixels, of maps alone and with statistics: 0.003 to 0.005 and 0.020 to 0.030 for 2
to 30 classes. CPU seconds of one thread by `benchmarks/own_heads.py`; what blending and storing their planes adds to a
whole map is lost in the noise."""

MOST_IMAGES: Final = 16
"""Images of a place that the model is shown at most: eight epochs of two sensors."""

REST_S: Final = 2.5
"""Search, composites, co-registration, publication and the libraries' loading, all of it fixed for want of better."""

PRODUCT_S: Final = 0.33
PRODUCT_S_MPX: Final = 3.3
"""A product made and written, and a million of its pixels."""

BYTES_OF_PREDICTION: Final = 40
BYTES_OF_OWN_CLASS: Final = 3
"""Compressed bytes a pixel of one class of a user's head: a float32, as the eleven of `BYTES_OF_PREDICTION`."""

BYTES_OF_PRODUCT: Final = {"land-cover": 6, "change": 3}
"""Compressed bytes a pixel, a product in both its forms. These and the seconds above: the demonstration's region on two
idle cores of an ordinary server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A run that has not begun."""

    scenes: int
    """To be read: what the cube holds already is not."""

    settled: int
    """Scenes that the cube holds already."""

    dates: Mapping[str, int]
    """To be written, by group."""

    rasters: int
    bytes_read: int
    requests: int
    units: int
    core_seconds: float
    bytes_cube: int
    """Compressed, of the new dates."""

    bytes_output: int
    """Of cube, predictions and products."""

    peak_bytes: int
    """Upper bound of what the build of the cube holds."""

    seconds: float
    """By the clock."""

    seconds_low: float
    seconds_high: float
    """About two of three runs should end between them."""

    stage_seconds: Mapping[str, float]
    raw_stage_seconds: Mapping[str, float]
    """Before the correction by past runs."""

    learned_from: int
    """Runs that the correction rests on, of the stage that most rest on."""

    def to_dict(self) -> dict[str, object]:
        """Returns the estimate as plain values, ready for JSON."""
        return asdict(self)


def estimate_run(config: RegionConfig, scene_set: SceneSet) -> Estimate:
    """Returns what a run would cost; no raster is opened and nothing is written.

    Args:
        config: The region.
        scene_set: What its search found.

    Raises:
        CubeError: What the build would refuse before it opens a raster.
    """
    from pipelines.cube.forecast import forecast_cube

    grid = target_grid(config.area, config.resolution)
    paths = OutputPaths(root=config.output)
    forecast = forecast_cube(scene_set, grid, cube_uri(config), options=build_options(config))
    cores = max(1, min(config.workers, os.cpu_count() or 1))
    core_seconds = _core_seconds(config, forecast, grid)
    raw = {stage: seconds / cores for stage, seconds in core_seconds.items()}
    raw["build_cube"] = max(raw["build_cube"], _network_seconds(forecast))
    raw[REST] = REST_S
    lessons = learn(ledgers(paths))
    return _estimate(config, forecast, grid, core_seconds=core_seconds, raw=raw, lessons=lessons)


def own_bytes(config: RegionConfig) -> int:
    """Returns the bytes a pixel that the classes of the user's heads add to a prediction."""
    return BYTES_OF_OWN_CLASS * sum(num_own_classes(entry.head) for entry in config.own_products)


def own_core_seconds(config: RegionConfig, images: int) -> float:
    """Returns what the user's heads add to a window of 128 pixels, core-seconds.

    Args:
        config: The region.
        images: Of a place that the model is shown.
    """
    reading = [reads_statistics(entry.head) for entry in config.own_products]
    heads = sum(OWN_HEAD_OF_STATISTICS_CORE_S if one else OWN_HEAD_CORE_S for one in reading)
    return any(reading) * images * OWN_STATISTICS_CORE_S + heads


def ledgers(paths: OutputPaths) -> list[Path]:
    """Returns the ledgers that forecasts learn from: the region's own and those of the regions beside it."""
    return sorted({paths.ledger, *paths.root.parent.glob("*/ledger")})


def _core_seconds(config: RegionConfig, forecast: CubeForecast, grid: TargetGrid) -> dict[str, float]:
    chosen = config.inference
    lattice = Lattice(height=grid.height, width=grid.width, window=chosen.window, stride=chosen.stride)
    new = forecast.effort.dates > 0
    images = min(MOST_IMAGES, max(1, sum(forecast.dates.values())))
    windows = len(lattice.rows) * len(lattice.cols) * (chosen.window / 128) ** 2
    mpx = grid.width * grid.height / 1e6
    return {
        "build_cube": forecast.effort.core_seconds,
        "infer": new * (INFER_S + windows * (images * IMAGE_CORE_S + own_core_seconds(config, images))),
        "make_products": new * len(config.products) * (PRODUCT_S + PRODUCT_S_MPX * mpx),
    }


def _network_seconds(forecast: CubeForecast) -> float:
    effort = forecast.effort
    workers = max(1, forecast.num_workers)
    return max(effort.bytes_remote / NETWORK_BYTES_S, effort.requests * REQUEST_S / workers)


def _estimate(
    config: RegionConfig,
    forecast: CubeForecast,
    grid: TargetGrid,
    *,
    core_seconds: Mapping[str, float],
    raw: Mapping[str, float],
    lessons: Mapping[str, Lesson],
) -> Estimate:
    effort, pixels = forecast.effort, grid.width * grid.height
    told = {stage: lessons.get(stage, Lesson()) for stage in raw}
    stages = {stage: raw[stage] * told[stage].factor for stage in raw}
    products = pixels * sum(BYTES_OF_PRODUCT.get(name, BYTES_OF_PRODUCT["land-cover"]) for name in config.products)
    written = (effort.dates > 0) * (pixels * (BYTES_OF_PREDICTION + own_bytes(config)) + products)
    return Estimate(
        scenes=effort.scenes,
        settled=forecast.num_settled,
        dates=forecast.dates,
        rasters=effort.rasters,
        bytes_read=effort.bytes_read,
        requests=effort.requests,
        units=forecast.num_units,
        core_seconds=round(sum(seconds * told[stage].factor for stage, seconds in core_seconds.items()), 2),
        bytes_cube=effort.bytes_stored,
        bytes_output=effort.bytes_stored + written,
        peak_bytes=forecast.peak_bytes,
        seconds=round(sum(stages.values()), 2),
        seconds_low=round(sum(stages[stage] / told[stage].spread for stage in raw), 2),
        seconds_high=round(sum(stages[stage] * told[stage].spread for stage in raw), 2),
        stage_seconds={stage: round(seconds, 3) for stage, seconds in stages.items()},
        raw_stage_seconds={stage: round(seconds, 3) for stage, seconds in raw.items()},
        learned_from=max((lesson.num_runs for lesson in told.values()), default=0),
    )
