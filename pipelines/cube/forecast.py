"""What a build would do, without doing it: the dates it lacks and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.cube.contradiction import require_same_side
from pipelines.cube.effort import Effort, Rates, effort_of_date
from pipelines.cube.plan import plan_build
from pipelines.cube.registrar import require_same_action
from pipelines.cube.staff import crew_shape_of, workloads_of
from pipelines.cube.storage import storage_of
from pipelines.cube.store import open_store
from pipelines.cube.wanted import configuration_of, dates_by_group, stored_by_group

if TYPE_CHECKING:
    from pathlib import Path

    from catalogs.scenes import SceneSet
    from pipelines.cube.options import BuildOptions
    from pipelines.grid import TargetGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeForecast:
    """A build that has not begun."""

    effort: Effort
    """Of the dates that are missing."""

    dates: Mapping[str, int]
    """Missing ones, by group."""

    num_settled: int
    """Scenes that the cube holds already."""

    num_units: int
    peak_bytes: int
    """Upper bound of the memory of all processes on this machine."""

    num_workers: int
    """Units under way at once."""


def forecast_cube(
    scene_set: SceneSet, grid: TargetGrid, uri: str | Path, *, options: BuildOptions, rates: Rates | None = None
) -> CubeForecast:
    """Returns what a build would do; no raster is opened and nothing is written.

    Args:
        scene_set: What a search found.
        grid: The grid.
        uri: The cube, which need not exist.
        options: As for the build.
        rates: Speed of a core, the usual one where None.

    Raises:
        CubeError: As `build_cube` before it opens a raster: another grid, bands or schema version, too little memory,
            dates that were moved back and others that were not, contradictions settled in two ways.
    """
    rates = rates or Rates()
    root = open_store(uri).root() if storage_of(uri).holds_repository() else None
    wanted = dates_by_group(scene_set.scenes)
    configuration = configuration_of(root, str(uri), grid, options, wanted)
    plan = plan_build([date for dates in wanted.values() for date in dates], stored_by_group(root))
    if not plan.dates:
        return CubeForecast(
            effort=Effort(), dates={}, num_settled=len(plan.settled), num_units=0, peak_bytes=0, num_workers=0
        )
    stored = {} if root is None else dict(root.groups())
    require_same_action(stored, options.coregister)
    require_same_side(stored, options.on_contradiction)
    shape = crew_shape_of(options)
    workloads = workloads_of(root, configuration, options, plan.dates, shape)
    counted: dict[str, int] = {}
    num_units, effort = 0, Effort()
    for date in plan.dates:
        counted[date.group] = counted.get(date.group, 0) + 1
        side = workloads[date.group].side
        num_units += -(-grid.height // side) * -(-grid.width // side)
        effort += effort_of_date(date, configuration.bands[date.group], grid, rates)
    slots = min(workload.slots_each for workload in workloads.values())
    return CubeForecast(
        effort=effort,
        dates=dict(sorted(counted.items())),
        num_settled=len(plan.settled),
        num_units=num_units,
        peak_bytes=shape.num_processes * max(workload.process_bytes for workload in workloads.values()),
        num_workers=shape.num_processes * slots,
    )
