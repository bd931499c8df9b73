"""Builds a cube, or brings it up to date: plan, then one commit a date."""

from __future__ import annotations

import contextlib
import json
import math
import uuid
from typing import TYPE_CHECKING

from catalogs.scenes import SceneOutcome
from pipelines.cube.contradiction import require_same_side
from pipelines.cube.execute import Execution, execute_date
from pipelines.cube.failures import describe, parse_failures
from pipelines.cube.group import array_of, values_of
from pipelines.cube.migration import migrate
from pipelines.cube.options import BuildOptions
from pipelines.cube.plan import BuildPlan, plan_build
from pipelines.cube.progress import UnitTracker
from pipelines.cube.read_policy import use_read_policy
from pipelines.cube.reference import CubeRef
from pipelines.cube.registrar import registrar_of, require_same_action
from pipelines.cube.result import BuildResult
from pipelines.cube.retry import retry_policy
from pipelines.cube.scout import Scout
from pipelines.cube.source import prepare
from pipelines.cube.staff import crew_of, workloads_of
from pipelines.cube.store import create_store
from pipelines.cube.wanted import configuration_of, dates_by_group, stored_by_group

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import zarr

    from catalogs.scenes import Scene, SceneSet
    from pipelines.cube.configuration import CubeConfiguration
    from pipelines.cube.failures import ReadFailure
    from pipelines.cube.progress import Progress
    from pipelines.cube.registrar import Registrar
    from pipelines.cube.source import Source
    from pipelines.cube.store import Run, Store
    from pipelines.grid import TargetGrid


def build_cube(
    scene_set: SceneSet,
    grid: TargetGrid,
    uri: str | Path,
    *,
    options: BuildOptions | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> BuildResult:
    """Returns the cube after it holds every usable scene of the set; only what is new is read and written.

    Each date is one commit, visible as a whole or not at all. A build that was killed is taken up by the next one. A
    scene that cannot be used is recorded with its reason, and tried again by the next build; so is a date of which
    some parts could not be read, and it is written again where more of it can.

    Args:
        scene_set: What a search found.
        grid: The grid of the cube, the same for all its builds.
        uri: Folder of the cube, made where there is none.
        options: Bands, chunks, workers, memory.
        on_progress: Called after each unit.

    Raises:
        CubeError: The folder holds something else or a cube of another grid, bands or schema version; another run is
            writing; the disk is full; the memory budget does not hold one unit; the cluster does not answer or went
            away.
    """
    options = options or BuildOptions()
    if options.reading is not None:
        use_read_policy(options.reading)
    store = create_store(uri)
    with store.run(options.run_id or uuid.uuid4().hex[:12]) as run:
        before = store.snapshot
        migrate(run)
        wanted = dates_by_group(scene_set.scenes)
        configuration = configuration_of(store.root(), store.uri, grid, options, wanted)
        plan = plan_build([date for dates in wanted.values() for date in dates], stored_by_group(store.root()))
        with contextlib.ExitStack() as stack:
            added: list[str] = []
            skipped = list(plan.left_out)
            if plan.dates:
                execution = _execution(
                    stack, run=run, configuration=configuration, options=options, plan=plan, scene_set=scene_set
                )
                _execute(execution, plan, on_progress, added, skipped)
        return _result(store, scene_set, before, added, skipped)


def _execution(
    stack: contextlib.ExitStack,
    *,
    run: Run,
    configuration: CubeConfiguration,
    options: BuildOptions,
    plan: BuildPlan,
    scene_set: SceneSet,
) -> Execution:
    """Returns all that the dates share; workers are hired and the budget is checked before any raster is opened."""
    crew = stack.enter_context(crew_of(options))
    workloads = workloads_of(run.store.root(), configuration, options, plan.dates, crew.shape)
    crew.limit(min(workload.slots_each for workload in workloads.values()))
    retry = retry_policy(options, run.run_id)

    def open_scene(scene: Scene, group: str) -> Source:
        return prepare(
            scene,
            group=group,
            bands=configuration.bands[group],
            grid=configuration.grid,
            chunk=options.chunk,
            recipe=options.recipe,
            on_contradiction=options.on_contradiction,
            reader=options.reader,
        )

    root = run.store.root()
    stored = {} if root is None else dict(root.groups())
    require_same_action(stored, options.coregister)
    require_same_side(stored, options.on_contradiction)
    registrar: Registrar | None = None
    if options.coregister is not None:
        registrar = registrar_of(options.coregister, stored, plan.dates, configuration.grid, open_scene)

    def open_registered(scene: Scene, group: str) -> Source:
        source = open_scene(scene, group)
        return source if registrar is None else registrar.check(source, group)

    return Execution(
        run=run,
        configuration=configuration,
        options=options,
        input_hash=scene_set.input_hash(),
        attribution=scene_set.attribution,
        crew=crew,
        scout=stack.enter_context(Scout(plan.dates, open_registered, retry)),
        sides={group: workload.side for group, workload in workloads.items()},
        retry=retry,
        registrar=registrar,
    )


def _execute(
    execution: Execution,
    plan: BuildPlan,
    on_progress: Callable[[Progress], None] | None,
    added: list[str],
    skipped: list[SceneOutcome],
) -> None:
    tracker = UnitTracker(plan.dates, execution.num_units, on_progress)
    for date in plan.dates:
        result = execute_date(execution, date, tracker.within(date))
        added.extend(result.written)
        skipped.extend(result.skipped)
        tracker.finish(date)


def _result(
    store: Store, scene_set: SceneSet, before: str, added: list[str], skipped: list[SceneOutcome]
) -> BuildResult:
    root = store.root()
    groups = {} if root is None else dict(root.groups())
    notes: dict[str, tuple[str, ...]] = {}
    missing: dict[str, tuple[str, tuple[ReadFailure, ...]]] = {}
    for group in groups.values():
        notes |= _stored_notes(group)
        missing |= _stored_failures(group)
    failed = {(outcome.collection, outcome.id): outcome for outcome in skipped}
    outcomes = list(scene_set.skipped)
    for scene in scene_set.scenes:
        told = [text for text, _ in [missing[scene.id]]] if scene.id in missing else []
        used = SceneOutcome(
            id=scene.id,
            collection=scene.collection,
            outcome="used",
            detail="; ".join([*told, *notes.get(scene.id, ())]),
        )
        outcomes.append(failed.get((scene.collection, scene.id), used))
    ids = {scene.id for scene in scene_set.scenes}
    return BuildResult(
        ref=CubeRef(uri=store.uri, snapshot=store.snapshot),
        outcomes=tuple(sorted(outcomes, key=lambda outcome: (outcome.collection, outcome.id))),
        added=tuple(added),
        changed=store.snapshot != before,
        dates={name: len(values_of(group, "time")) for name, group in sorted(groups.items())},
        read_failures=tuple(failure for key in sorted(ids & set(missing)) for failure in missing[key][1]),
        notes={scene_id: text for scene_id, text in sorted(notes.items()) if scene_id in ids and text},
    )


def _stored_notes(group: zarr.Group) -> dict[str, tuple[str, ...]]:
    records = (json.loads(str(text)) for text in values_of(group, "radiometric_evidence"))
    return {scene_id: tuple(record["notes"]) for by_scene in records for scene_id, record in by_scene.items()}


def _stored_failures(group: zarr.Group) -> dict[str, tuple[str, tuple[ReadFailure, ...]]]:
    """Returns one line and the records of what is missing of each scene of a group."""
    valid = array_of(group, "valid")
    num_units = math.prod(
        math.ceil(size / chunk) for size, chunk in list(zip(valid.shape, valid.chunks, strict=True))[-2:]
    )
    found: dict[str, tuple[str, tuple[ReadFailure, ...]]] = {}
    for text in values_of(group, "read_failures"):
        by_scene: dict[str, list[ReadFailure]] = {}
        for failure in parse_failures(str(text)):
            by_scene.setdefault(failure.scene_id, []).append(failure)
        found |= {key: (describe(failures, num_units), tuple(failures)) for key, failures in by_scene.items()}
    return found
