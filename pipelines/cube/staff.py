"""Who carries out a build and how its work is cut: what the options ask for, within what the machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.cube.budget import Workload, plan_workload, process_memory, unit_load
from pipelines.cube.crew import CrewShape, ThreadCrew
from pipelines.cube.group import array_of
from pipelines.cube.machine import memory_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    import zarr

    from pipelines.cube.acquisition import Acquisition
    from pipelines.cube.configuration import CubeConfiguration
    from pipelines.cube.crew import Crew
    from pipelines.cube.options import BuildOptions


def crew_of(options: BuildOptions) -> Crew:
    """Returns the workers that a build's options ask for; Dask is loaded only where they do."""
    if options.cluster == "threads":
        return ThreadCrew(options.num_threads)
    from pipelines.cube.cluster import ClusterCrew

    return ClusterCrew(
        num_processes=options.num_threads, address=None if options.cluster == "local" else options.cluster
    )


def crew_shape_of(options: BuildOptions) -> CrewShape:
    """Returns what a build would have to work with, without hiring anybody; a cluster elsewhere is not asked.

    Args:
        options: Of the build.
    """
    if options.cluster == "threads":
        return CrewShape(num_processes=1, threads_each=options.num_threads)
    local = options.cluster == "local"
    return CrewShape(
        num_processes=options.num_threads if local else 1,
        threads_each=1,
        memory_each=None if local else options.memory or memory_bytes(),
        on_this_machine=local,
    )


def workloads_of(
    root: zarr.Group | None,
    configuration: CubeConfiguration,
    options: BuildOptions,
    wanted: Iterable[Acquisition],
    shape: CrewShape,
) -> dict[str, Workload]:
    """Returns how each group that has a date to be written is cut, so that it keeps within the memory budget.

    Args:
        root: The cube's root group, None where nothing was written yet.
        configuration: Grid and bands.
        options: Chunks of a new group, memory.
        wanted: Dates to be written, at least one.
        shape: The workers.

    Raises:
        CubeError: Not one unit fits.
    """
    memory = process_memory(options.memory, shape, memory_bytes())
    held = {} if root is None else {name: max(array_of(group, "valid").chunks[-2:]) for name, group in root.groups()}
    dates: dict[str, list[Acquisition]] = {}
    for date in wanted:
        dates.setdefault(date.group, []).append(date)
    return {
        group: plan_workload(
            unit_load(group, configuration.bands[group], members, recipe=options.recipe, epsg=configuration.grid.epsg),
            shape=configuration.grid.shape,
            chunk=held.get(group, min(options.chunk, max(configuration.grid.shape))),
            crew=shape,
            memory=memory,
        )
        for group, members in dates.items()
    }
