"""Builds a cube, or brings it up to date: plan, then one commit a date."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Final

from catalogs.scenes import SceneOutcome
from catalogs.sensors import group_of
from pipelines.cube.acquisition import Acquisition, acquisitions
from pipelines.cube.configuration import CubeConfiguration, require_same, stored_configuration
from pipelines.cube.execute import Execution, execute_date
from pipelines.cube.group import stored_dates, values_of
from pipelines.cube.options import BuildOptions
from pipelines.cube.plan import BuildPlan, StoredDate, plan_build
from pipelines.cube.progress import Progress
from pipelines.cube.reference import CubeRef
from pipelines.cube.result import BuildResult
from pipelines.cube.store import create_store
from pipelines.schema import GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import zarr

    from catalogs.scenes import Scene, SceneSet
    from pipelines.cube.store import Store
    from pipelines.grid import TargetGrid

DEFAULT_BANDS: Final[dict[str, tuple[str, ...]]] = {
    "s2": ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
    "s1": ("VV", "VH", "HH", "HV"),
    "l8": ("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"),
    "modis": ("B01", "B02", "B03", "B04", "B05", "B06", "B07"),
    "slc": ("VV", "VH", "HH", "HV"),
    "vhr": ("blue", "green", "red", "nir"),
}
"""Bands taken where none are named and a scene carries them: those that see the ground, and any polarisation."""


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
    scene that cannot be used is recorded with its reason, and tried again by the next build.

    Args:
        scene_set: What a search found.
        grid: The grid of the cube, the same for all its builds.
        uri: Folder of the cube, made where there is none.
        options: Bands, chunks, threads.
        on_progress: Called after each date.

    Raises:
        CubeError: The folder holds something else or a cube of another grid, bands or schema version; another run is
            writing; the disk is full.
    """
    options = options or BuildOptions()
    store = create_store(uri)
    with store.run(options.run_id or uuid.uuid4().hex[:12]) as run:
        before = store.snapshot
        wanted = _by_group(scene_set.scenes)
        configuration = _configuration(store, grid, options, wanted)
        execution = Execution(
            run=run,
            configuration=configuration,
            options=options,
            input_hash=scene_set.input_hash(),
            attribution=scene_set.attribution,
        )
        plan = plan_build([date for dates in wanted.values() for date in dates], _stored(store))
        added, skipped = _execute(execution, plan, on_progress)
        return _result(store, scene_set, before, added, skipped)


def _execute(
    execution: Execution, plan: BuildPlan, on_progress: Callable[[Progress], None] | None
) -> tuple[list[str], list[SceneOutcome]]:
    added: list[str] = []
    skipped: list[SceneOutcome] = []
    for done, date in enumerate(plan.dates, start=1):
        result = execute_date(execution, date)
        added.extend(result.written)
        skipped.extend(result.skipped)
        if on_progress is not None:
            on_progress(Progress(stage="cube", done=done, total=len(plan.dates), label=date.label))
    return added, skipped


def _by_group(scenes: tuple[Scene, ...]) -> dict[str, tuple[Acquisition, ...]]:
    gathered: dict[str, list[Scene]] = {group: [] for group in GROUPS}
    for scene in scenes:
        gathered[group_of(scene)].append(scene)
    return {group: acquisitions(members, group) for group, members in gathered.items()}


def _configuration(
    store: Store,
    grid: TargetGrid,
    options: BuildOptions,
    wanted: Mapping[str, tuple[Acquisition, ...]],
) -> CubeConfiguration:
    """Returns the bands of every group: as asked for, else as stored, else those of the default that scenes carry."""
    named = {str(group): options.bands(group) for group in GROUPS}
    asked = {group: bands for group, bands in named.items() if bands is not None}
    stored = stored_configuration(store.root(), store.uri)
    if stored is not None:
        require_same(stored, grid=grid, asked=asked, recipe=options.recipe, uri=store.uri)
    held: Mapping[str, tuple[str, ...]] = stored.bands if stored is not None else {}
    bands = {group: asked.get(group) or held.get(group) or _carried(group, wanted[group]) for group in named}
    return CubeConfiguration(grid=grid, bands=bands, recipe=options.recipe.to_dict())


def _carried(group: str, dates: tuple[Acquisition, ...]) -> tuple[str, ...]:
    carried = {asset.band for date in dates for scene in date.scenes for asset in scene.assets}
    # where no scene carries any, each is to be skipped for the lack of all of them
    return tuple(band for band in DEFAULT_BANDS[group] if band in carried) or DEFAULT_BANDS[group]


def _stored(store: Store) -> dict[str, tuple[StoredDate, ...]]:
    root = store.root()
    return {} if root is None else {name: stored_dates(group) for name, group in root.groups()}


def _result(
    store: Store, scene_set: SceneSet, before: str, added: list[str], skipped: list[SceneOutcome]
) -> BuildResult:
    root = store.root()
    groups = {} if root is None else dict(root.groups())
    notes: dict[str, tuple[str, ...]] = {}
    for group in groups.values():
        notes |= _stored_notes(group)
    failed = {(outcome.collection, outcome.id): outcome for outcome in skipped}
    outcomes = list(scene_set.skipped)
    for scene in scene_set.scenes:
        used = SceneOutcome(
            id=scene.id, collection=scene.collection, outcome="used", detail="; ".join(notes.get(scene.id, ()))
        )
        outcomes.append(failed.get((scene.collection, scene.id), used))
    ids = {scene.id for scene in scene_set.scenes}
    return BuildResult(
        ref=CubeRef(uri=store.uri, snapshot=store.snapshot),
        outcomes=tuple(sorted(outcomes, key=lambda outcome: (outcome.collection, outcome.id))),
        added=tuple(added),
        changed=store.snapshot != before,
        dates={name: len(values_of(group, "time")) for name, group in sorted(groups.items())},
        notes={scene_id: text for scene_id, text in sorted(notes.items()) if scene_id in ids and text},
    )


def _stored_notes(group: zarr.Group) -> dict[str, tuple[str, ...]]:
    records = (json.loads(str(text)) for text in values_of(group, "radiometric_evidence"))
    return {scene_id: tuple(record["notes"]) for by_scene in records for scene_id, record in by_scene.items()}
