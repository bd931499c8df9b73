"""One date from scenes to a commit: read, merge, write, and move main when it is whole."""

from __future__ import annotations

import functools
import json
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import icechunk

from pipelines.cube.band_choice import known_bands
from pipelines.cube.date_units import WrittenUnits, units_of, write_units
from pipelines.cube.errors import CubeError, ReadFailed
from pipelines.cube.failures import describe, failures_text, gathered, skip_reason
from pipelines.cube.fields import coord_values
from pipelines.cube.group import GroupTemplate, array_of, create_group, make_room, set_coord, stored_dates, write_coords
from pipelines.cube.held_date import HeldDate
from pipelines.cube.lineage import lineage_of
from pipelines.cube.plan import AlreadyThere, HeldBack, held_back, place
from pipelines.cube.raster_file import PASSING_FAULTS
from pipelines.cube.read_policy import read_policy
from pipelines.cube.registrar import coordinates
from pipelines.cube.replay import DateReplay
from pipelines.cube.retry import Patience, with_retries
from pipelines.cube.source import Skipped, Source
from pipelines.cube.stored_scene import RECORD_KEY, scene_record
from pipelines.cube.unit import plan_units
from pipelines.cube.unit_work import DateJob

if TYPE_CHECKING:
    import zarr

    from catalogs.scenes import SceneOutcome
    from pipelines.cube.acquisition import Acquisition
    from pipelines.cube.configuration import CubeConfiguration
    from pipelines.cube.crew import Crew
    from pipelines.cube.encoding import Attributes
    from pipelines.cube.options import BuildOptions
    from pipelines.cube.plan import Placement, StoredDate
    from pipelines.cube.registrar import Registrar
    from pipelines.cube.retry import RetryPolicy
    from pipelines.cube.scout import Scout
    from pipelines.cube.store import Draft, Run
    from pipelines.schema import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What every date of one build shares."""

    run: Run
    configuration: CubeConfiguration
    options: BuildOptions
    input_hash: str
    attribution: tuple[str, ...]
    crew: Crew
    scout: Scout
    sides: Mapping[str, int]
    """Longest side of a unit in pixels, by group."""

    retry: RetryPolicy
    """How often and when a read is tried again."""

    registrar: Registrar | None = None
    """References that scenes are held against, None where nobody looks."""

    def num_units(self, group: str) -> int:
        """Returns how many units a date of a group has, before its files are known."""
        side, shape = self.sides[group], self.configuration.grid.shape
        return math.prod(math.ceil(length / side) for length in shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateResult:
    """How one date ended."""

    written: tuple[str, ...]
    """Ids of its scenes where it was written, else empty."""

    skipped: tuple[SceneOutcome, ...]


def execute_date(
    execution: Execution, acquisition: Acquisition, tell: Callable[[int, int], None] = lambda _done, _total: None
) -> DateResult:
    """Writes and publishes one date, less the scenes that turn out not to be usable.

    Chunks of a scene that cannot be read stay missing, with their reason in the plane and in the date's
    `read_failures`. A scene of which nothing can be read is left out: the date begins anew without it. What the cube
    holds of the date never gets worse: where a scene that it holds cannot be read again, the date stays as it is.

    Args:
        execution: The build.
        acquisition: The date.
        tell: Told the number of units done and wanted.

    Raises:
        CubeError: The store cannot be written; main is as it was.
    """
    prepared = execution.scout.prepared(acquisition)
    failures = {scene_id: source for scene_id, source in prepared.items() if isinstance(source, Skipped)}
    sources = {scene_id: source for scene_id, source in prepared.items() if isinstance(source, Source)}
    snapshot = execution.run.store.snapshot
    held = HeldDate.of(acquisition, _stored(execution, acquisition.group, snapshot), snapshot)
    skipped: list[SceneOutcome] = []
    rest: Acquisition | None = acquisition
    while rest is not None:
        if not failures:
            lacking = held.lacks_pixels_of(rest)
            if (lacking and not _heals(execution, held, sources)) or (skipped and held.holds(rest) and not lacking):
                break
            try:
                failures = _write(execution, rest, [sources[scene_id] for scene_id in rest.ids], held, tell)
            except AlreadyThere:
                return DateResult(written=(), skipped=tuple(skipped))
            except HeldBack as refusal:
                return DateResult(written=(), skipped=(*skipped, *_kept_out(execution, rest, str(refusal))))
            if not failures:
                return DateResult(written=rest.ids, skipped=tuple(skipped))
        lost = sorted(set(failures) & held.scene_ids)
        if lost:
            detail = f"the cube holds {lost[0]} of this date, and it cannot be read again now ({failures[lost[0]]})"
            skipped.extend(_kept_out(execution, rest, f"{detail}; the date stays as it is, and is tried again"))
            break
        for scene in rest.scenes:
            if scene.id in failures and rest is not None:
                skipped.append(failures[scene.id].outcome(scene))
                rest = rest.without(scene.id)
        failures = {}
    return DateResult(written=(), skipped=tuple(skipped))


def _stored(execution: Execution, group: str, snapshot: str | None = None) -> tuple[StoredDate, ...]:
    root = execution.run.store.root(snapshot)
    return () if root is None or group not in root else stored_dates(_group(root, group))


def _kept_out(execution: Execution, date: Acquisition, detail: str) -> list[SceneOutcome]:
    """Returns the scenes that a date cannot take in, since it would lose one that it holds."""
    return held_back(date, _stored(execution, date.group), detail)


def _heals(execution: Execution, held: HeldDate, sources: Mapping[str, Source]) -> bool:
    """Returns whether any chunk that was missing can be read now; a file that stays broken costs no more than that."""
    patience = Patience(most=1)
    for failure in held.failures:
        for block in failure.blocks if failure.scene_id in sources else ():
            retry = execution.retry if patience.lasts else execution.retry.without_retries()
            try:
                with_retries(
                    functools.partial(sources[failure.scene_id].read, block), retry, str(block), execution.crew.pause
                )
            except ReadFailed as error:
                patience.record(failed_in_passing=error.fault in PASSING_FAULTS)
            else:
                return True
    return False


def _write(
    execution: Execution,
    acquisition: Acquisition,
    sources: list[Source],
    held: HeldDate,
    tell: Callable[[int, int], None],
) -> dict[str, Skipped]:
    """Writes and publishes a date; returns the scenes that must be left out, and then nothing was published."""
    try:
        draft = execution.run.begin()
        group = _open_group(execution, draft, acquisition)
        stored = held.stored if draft.base == held.snapshot else stored_dates(group)
        placement = place(acquisition.time_us, acquisition.scenes, stored)
        job = DateJob(
            group=cast("Group", acquisition.group),
            sources=tuple(sources),
            chunk=max(array_of(group, "valid").chunks[-2:]),
            retry=execution.retry,
            read_policy=read_policy(),
            token=uuid.uuid4().hex,
        )
        index = make_room(group, placement.order)
        units = units_of(job, index, grid=execution.configuration.grid, side=execution.sides[job.group])

        def describe_date(draft: Draft) -> None:
            _write_coords(draft, acquisition, sources, placement)

        written = write_units(execution.crew, job, units, draft, aside=describe_date, tell=tell)
        failures = _left_out(execution, acquisition, job, written) or held.losses(acquisition, written.failures)
        if failures:
            return failures
        draft = written.draft
        if written.failures:
            set_coord(_group(draft.root, job.group), "read_failures", index, failures_text(written.failures))
        _publish(execution, draft, acquisition)
    except (OSError, icechunk.IcechunkError) as error:
        raise CubeError(
            f"{acquisition.label} could not be written to {execution.run.store.uri}: {error}; free space or mend the "
            "disk and run again, the cube holds whole dates only and goes on from the last",
        ) from error
    return {}


def _write_coords(draft: Draft, acquisition: Acquisition, sources: list[Source], placement: Placement) -> None:
    values = coord_values(
        acquisition,
        " ".join(dict.fromkeys(source.rule_name for source in sources)),
        json.dumps({source.scene.id: _evidence(source) for source in sources}, sort_keys=True),
    )
    write_coords(
        _group(draft.root, acquisition.group),
        placement.order,
        time_us=acquisition.time_us,
        bounds_us=acquisition.bounds_us,
        values={
            **values,
            "processing": _processing(sources),
            "radiometric_verdict": _verdicts(sources),
            **coordinates(sources),
            **_incidence(acquisition, sources),
            "lineage": lineage_of(placement, snapshot=draft.base, now=datetime.now(UTC)),
        },
    )


def _incidence(acquisition: Acquisition, sources: list[Source]) -> dict[str, float]:
    """Returns the incidence angle that a scene's annotations tell, where no item does."""
    told = [source.incidence_deg for source in sources if not math.isnan(source.incidence_deg)]
    stated = any(scene.view_incidence_deg is not None for scene in acquisition.scenes)
    return {"view_incidence_deg": told[0]} if told and not stated else {}


def _left_out(
    execution: Execution, acquisition: Acquisition, job: DateJob, written: WrittenUnits
) -> dict[str, Skipped]:
    """Returns the scenes of which no pixel came: unreadable where something failed, else without a value."""
    num_units = len(plan_units(job.group, 0, shape=execution.configuration.grid.shape, chunk=job.chunk, side=1))
    left_out = {}
    for scene_id in acquisition.ids:
        if scene_id in written.filled:
            continue
        failed = [failure for failure in gathered(written.failures) if failure.scene_id == scene_id]
        if failed:
            left_out[scene_id] = Skipped(skip_reason(failed[0].fault), describe(failed, num_units))
        else:
            detail = f"a scene has a value within the grid, in {scene_id} every pixel is nodata"
            left_out[scene_id] = Skipped("all_nodata", detail)
    return left_out


def _open_group(execution: Execution, draft: Draft, acquisition: Acquisition) -> zarr.Group:
    """Returns the group of a date in a draft, made with its template where it is the first."""
    root, name, configuration = draft.root, acquisition.group, execution.configuration
    lines = [line for line in str(root.attrs.get("attribution", "")).splitlines() if line]
    attribution = "\n".join(dict.fromkeys([*lines, *execution.attribution]))
    _describe(
        root,
        {
            "schema_version": configuration.schema_version,
            "configuration": configuration.digest,
            "grid": cast("Attributes", configuration.grid.to_dict()),
            "recipe": cast("Attributes", dict(configuration.recipe)),
            "attribution": attribution,
        },
    )
    if name in root:
        group = _group(root, name)
    else:
        known = known_bands(name, acquisition.scenes[0].sensor)
        group = create_group(
            root,
            GroupTemplate(
                name=name,
                grid=configuration.grid,
                bands=tuple(known[band] for band in configuration.bands[name]),
                chunk=execution.options.chunk,
                title=execution.options.title,
            ),
        )
    more = {} if execution.registrar is None else execution.registrar.attributes(name)
    _describe(group, {"attribution": attribution, **more})
    return group


def _describe(group: zarr.Group, attributes: Attributes) -> None:
    """Sets attributes; one that says so already is not written again."""
    held = dict(group.attrs)
    if any(held.get(name) != value for name, value in attributes.items()):
        group.attrs.update(attributes)


def _publish(execution: Execution, draft: Draft, acquisition: Acquisition) -> None:
    draft.publish(
        f"{acquisition.label}: {' '.join(acquisition.ids)}",
        {
            "input_hash": execution.input_hash,
            "schema_version": execution.configuration.schema_version,
            "group": acquisition.group,
            "scenes": list(acquisition.ids),
        },
        replay=DateReplay(
            store=execution.run.store, base=draft.base, group=acquisition.group, scene_ids=acquisition.ids
        ),
    )


def _processing(sources: list[Source]) -> str:
    """Returns the optional steps of each scene as JSON, '' where the recipe has none."""
    steps = {source.scene.id: source.processing for source in sources if source.processing}
    return json.dumps({"steps": steps}, sort_keys=True) if steps else ""


def _evidence(source: Source) -> dict[str, object]:
    """Returns the radiometric evidence of a scene, with the facts by which a later version of it is told."""
    return {**source.evidence, RECORD_KEY: scene_record(source.scene)}


def _verdicts(sources: list[Source]) -> str:
    """Returns what the pixels say of the scenes' rules, each verdict once, joined by a blank."""
    return " ".join(dict.fromkeys(source.verdict for source in sources if source.verdict))


def _group(root: zarr.Group, name: str) -> zarr.Group:
    import zarr

    group = root[name]
    assert isinstance(group, zarr.Group), name
    return group
