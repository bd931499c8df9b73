"""The main job: search, cube, inference, products and catalogue of one region, and the report of all of it.

`run_region` is a plain function. Whoever orchestrates hands in `Stages` whose functions do the same with retries and
records around them; the order of the stages and the report are decided here alone.
"""

from __future__ import annotations

import errno
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from catalogs import write_snapshot
from flows import ledger
from flows.area import target_grid
from flows.budget import excesses
from flows.completeness import judge_completeness
from flows.errors import NothingFoundError, OutputBusyError, OverBudgetError, RunFailedError
from flows.estimate import estimate_run
from flows.lock import exclusive
from flows.origins import remember_origins
from flows.own_heads import check_asked_of_weights, own_head_notes
from flows.paths import OutputPaths
from flows.progress import OnProgress, ignore_progress
from flows.region_file import dump_region
from flows.run_report import (
    CubeRow,
    ProductRow,
    ReadFailureRow,
    RunReport,
    SceneRow,
    Status,
    final_status,
    write_atomically,
)
from flows.search import empty_collections, nothing_found, nothing_usable
from flows.transient import causes
from flows.weights import weights_path

if TYPE_CHECKING:
    from pathlib import Path

    from catalogs import SceneOutcome, SceneSet
    from flows.completeness import Completeness
    from flows.config import RegionConfig
    from flows.estimate import Estimate
    from pipelines.cube import BuildResult, CubeRef
    from pipelines.cube.failures import ReadFailure
    from pipelines.inference import PredictionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every stage of one run may read."""

    config: RegionConfig
    run_id: str
    on_progress: OnProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The stages as functions of small values."""

    search: Callable[[Job], SceneSet]
    build_cube: Callable[[Job, SceneSet], BuildResult]
    composite: Callable[[Job, BuildResult], BuildResult]
    """The cube that the later stages see."""

    infer: Callable[[Job, CubeRef], PredictionRef]
    make_products: Callable[[Job, BuildResult, PredictionRef, SceneSet], tuple[ProductRow, ...]]
    publish: Callable[[Job], Path]


@dataclass(slots=True, kw_only=True)
class _Record:
    """What is known of a run while it goes on."""

    region: str
    run_id: str
    started: datetime
    clock: float = field(default_factory=time.perf_counter)
    stage: str = "start"
    scenes: tuple[SceneRow, ...] = ()
    unmatched: int = 0
    cube: CubeRow | None = None
    read_failures: tuple[ReadFailureRow, ...] = ()
    changed: bool = False
    products: tuple[ProductRow, ...] = ()
    catalog: str | None = None
    completeness: Completeness | None = None
    estimate: Estimate | None = None
    notes: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str, on_progress: OnProgress) -> Iterator[None]:
        self.stage = stage
        start = time.perf_counter()
        try:
            yield
            on_progress(stage, 1, 1)
        finally:
            self.timings[stage] = round(time.perf_counter() - start, 3)

    def report(self, status: Status, error: str | None = None) -> RunReport:
        timings = {**self.timings, "total": round(time.perf_counter() - self.clock, 3)}
        return RunReport(
            status=status,
            region=self.region,
            run_id=self.run_id,
            started=_instant(self.started),
            finished=_instant(datetime.now(UTC)),
            scenes=self.scenes,
            unmatched=self.unmatched,
            cube=self.cube,
            read_failures=self.read_failures,
            products=self.products,
            timings=timings,
            error=error,
            notes=tuple(self.notes),
            catalog=self.catalog,
            completeness=None if self.completeness is None else asdict(self.completeness),
            estimate=None if self.estimate is None else self.estimate.to_dict(),
        )


def plain_stages() -> Stages:
    """Returns the stages as the plain functions of this package."""
    from flows.build_cube import build_cube
    from flows.composite import composite
    from flows.infer import infer
    from flows.make_products import make_products
    from flows.publish import publish
    from flows.search import search

    return Stages(
        search=lambda job: search(job.config),
        build_cube=lambda job, scenes: build_cube(job.config, scenes, run_id=job.run_id, on_progress=job.on_progress),
        composite=lambda job, built: composite(job.config, built, run_id=job.run_id, on_progress=job.on_progress),
        infer=lambda job, cube: infer(job.config, cube, on_progress=job.on_progress),
        make_products=lambda job, built, answers, scenes: make_products(
            job.config,
            built.ref,
            answers,
            scenes,
            groups=built_groups(built),
            run_id=job.run_id,
            on_progress=job.on_progress,
        ),
        publish=lambda job: publish(job.config),
    )


def run_region(
    config: RegionConfig, *, stages: Stages | None = None, on_progress: OnProgress = ignore_progress
) -> RunReport:
    """Returns the report of one run of a region; the same report lies in `run.json` and in the ledger.

    Args:
        config: The region.
        stages: Who does the work; the plain functions where None.
        on_progress: Told how far each stage is.

    Raises:
        ConfigError: The region asks for what cannot be: nothing is written.
        RunFailedError: The run ended `Failed`; its report is in the error, in `run.json` and in the ledger.
    """
    check_region(config)
    started = datetime.now(UTC)
    record = _Record(region=config.name, run_id=_run_id(started), started=started)
    paths = OutputPaths(root=config.output)
    job = Job(config=config, run_id=record.run_id, on_progress=on_progress)
    try:
        with exclusive(paths.lock):
            _run(job, stages or plain_stages(), record, paths)
            status = final_status(
                changed=record.changed,
                scenes=record.scenes,
                products=record.products,
                read_failures=record.read_failures,
            )
            report = record.report(status)
            _write(paths, report, config)
    except OutputBusyError as error:  # the folder's report belongs to the run that holds it
        raise RunFailedError(record.report("Failed", str(error))) from error
    except (Exception, KeyboardInterrupt) as error:
        report = _write_failed(paths, record.report("Failed", _cause(record.stage, error)), config)
        raise RunFailedError(report) from error
    return report


def check_region(config: RegionConfig) -> None:
    """Finds what a region asks for in vain before anything is searched or written.

    Raises:
        ConfigError: No grid can be made of the area, the weights are not there, or they cannot be asked what the
            region wants of them.
    """
    target_grid(config.area, config.resolution)
    weights_path(config.inference.weights)
    check_asked_of_weights(config)


def failed_before_start(config: RegionConfig, error: Exception) -> RunReport:
    """Returns the report of a run that never came to its first stage."""
    now = datetime.now(UTC)
    return _Record(region=config.name, run_id=_run_id(now), started=now).report("Failed", _cause("start", error))


def _run(job: Job, stages: Stages, record: _Record, paths: OutputPaths) -> None:
    with record.timed("search", job.on_progress):
        scene_set = stages.search(job)
        record.unmatched = scene_set.unmatched
        record.scenes = _found(scene_set)
        record.notes += empty_collections(job.config, scene_set)
        record.completeness = judge_completeness(job.config, scene_set)
        if not scene_set.scenes:
            raise NothingFoundError(nothing_found(job.config, scene_set))
        write_snapshot(scene_set, paths.scenes)
        remember_origins(paths.origins, scene_set)
    record.stage = "build_cube"
    record.estimate = _within_budget(job.config, scene_set)
    with record.timed("build_cube", job.on_progress):
        built = stages.build_cube(job, scene_set)
        record.scenes, record.changed = _rows(built.outcomes, built.notes), built.changed
        record.cube = CubeRow(uri=built.ref.uri, snapshot=built.ref.snapshot)
        record.read_failures = _read_failures(built.read_failures)
        record.notes += [f"{scene}: {note}" for scene, notes in sorted(built.notes.items()) for note in notes]
        record.notes += _left_aside(built)
    if not any(built.dates.values()):
        raise NothingFoundError(nothing_usable(built.outcomes))
    write_atomically(paths.resolved, dump_region(job.config))
    if job.config.composite is not None:
        with record.timed("composite", job.on_progress):
            built = stages.composite(job, built)
    if not built_groups(built):
        record.products = _not_made(job.config, built)
        return
    record.notes += own_head_notes(job.config, built.ref)
    with record.timed("infer", job.on_progress):
        answers = stages.infer(job, built.ref)
    with record.timed("make_products", job.on_progress):
        record.products = stages.make_products(job, built, answers, scene_set)
    with record.timed("publish", job.on_progress):
        if any(product.path for product in record.products):
            record.catalog = str(stages.publish(job))


def _within_budget(config: RegionConfig, scene_set: SceneSet) -> Estimate:
    """Returns what the run is foreseen to cost.

    Raises:
        OverBudgetError: More than the region's budget allows; no pixel has been read.
    """
    estimate = estimate_run(config, scene_set)
    over = excesses(config.budget, estimate)
    if over:
        raise OverBudgetError(
            f"a run keeps to its budget, this one would not: {'; '.join(over)}; raise the budget, or ask for a smaller "
            "area, a shorter time or fewer bands"
        )
    return estimate


def _found(scene_set: SceneSet) -> tuple[SceneRow, ...]:
    """What a run that fails from here on has to say of every matched item."""
    waiting = [SceneRow(id=row.id, collection=row.collection, outcome="not_reached") for row in scene_set.scenes]
    return tuple(sorted([*_rows(scene_set.skipped), *waiting], key=lambda row: (row.collection, row.id)))


def built_groups(built: BuildResult) -> tuple[str, ...]:
    """Returns the groups of a cube that products are made from: those that the model knows and that hold a date."""
    from pipelines.inference.channels import MODEL_GROUPS

    return tuple(group for group in MODEL_GROUPS if built.dates.get(group))


def _left_aside(built: BuildResult) -> list[str]:
    """Tells of the groups that are in the cube and that no product is made from."""
    from pipelines.inference.channels import MODEL_GROUPS

    others = {group: number for group, number in built.dates.items() if number and group not in MODEL_GROUPS}
    known = " and ".join(MODEL_GROUPS)
    return [
        f"group {group} is in the cube with {number} dates and feeds no product: the model knows {known}"
        for group, number in sorted(others.items())
    ]


def _not_made(config: RegionConfig, built: BuildResult) -> tuple[ProductRow, ...]:
    """How products end where the cube is all that the scenes give: no group of it is one that the model knows."""
    from pipelines.inference.channels import MODEL_GROUPS

    held = " and ".join(sorted(group for group, number in built.dates.items() if number))
    reason = f"the model knows {' and '.join(MODEL_GROUPS)}, the cube holds {held}"
    return tuple(ProductRow(name=name, state="not_made", reason=reason) for name in config.products)


def _rows(
    outcomes: tuple[SceneOutcome, ...], notes: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[SceneRow, ...]:
    """The outcomes as rows of a report, a used scene with what the cube notes of it."""
    told = {scene: "; ".join(lines) for scene, lines in (notes or {}).items()}
    rows = [
        SceneRow(
            id=row.id,
            collection=row.collection,
            outcome=row.outcome,
            reason=row.reason,
            detail=row.detail or told.get(row.id, ""),
        )
        for row in outcomes
    ]
    return tuple(sorted(rows, key=lambda row: (row.collection, row.id)))


def _read_failures(failures: tuple[ReadFailure, ...]) -> tuple[ReadFailureRow, ...]:
    return tuple(
        ReadFailureRow(
            scene=row.scene_id,
            band=row.band,
            href=row.href,
            fault=row.fault,
            cause=row.cause,
            num_units=len(row.blocks),
            blocks=tuple((block.row, block.col, block.height, block.width) for block in row.blocks),
        )
        for row in failures
    )


def _write(paths: OutputPaths, report: RunReport, config: RegionConfig) -> None:
    ledger.append_run(paths.ledger, report, config=dump_region(config))
    write_atomically(paths.report, report.to_json(indent=2) + "\n")


def _write_failed(paths: OutputPaths, report: RunReport, config: RegionConfig) -> RunReport:
    """Writes a failed run's report where that can be done at all, and returns it; its caller raises the failure."""
    try:
        write_atomically(paths.report, report.to_json(indent=2) + "\n")
        ledger.append_run(paths.ledger, report, config=dump_region(config))
    except OSError as error:
        return replace(report, notes=(*report.notes, f"the report could not be written: {error}"))
    return report


def _cause(stage: str, error: BaseException) -> str:
    """Returns the stage, the kind and the message of a failure, with what it stems from and what to do."""
    chain = list(causes(error))
    text = f"{stage}: {type(error).__name__}: {error}"
    if len(chain) > 1 and str(chain[-1]) and str(chain[-1]) not in text:
        text += f" (from {type(chain[-1]).__name__}: {chain[-1]})"
    if any(getattr(cause, "errno", None) == errno.ENOSPC or "No space left on device" in str(cause) for cause in chain):
        text += "; the disk is full: free some space and run again, what is whole is kept"
    return text


def _run_id(started: datetime) -> str:
    return f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
