"""The run of a region as Prefect flows: `monitor`, and one thin subflow with one task for each stage.

Every task wraps one plain function. Flows take and tasks return URIs and small values; arrays stay in the stores.
Only errors of the network are retried: a fault in the data would come again.

This module imports Prefect, which takes seconds: the plain path never loads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from uuid import UUID

from prefect import flow, tags, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State  # noqa: TC002 as above
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict

from catalogs import SceneSet, load_sensor, read_snapshot
from catalogs.sensors import SENSOR_NAMES
from flows import build_cube as build_cube_stage
from flows import composite as composite_stage
from flows import infer as infer_stage
from flows import make_products as make_products_stage
from flows import publish as publish_stage
from flows import search as search_stage
from flows.artifacts import ArtifactProgress, publish_report
from flows.config import RegionConfig  # noqa: TC001 as above
from flows.errors import RunFailedError
from flows.monitor import Stages, built_groups, run_region
from flows.paths import OutputPaths
from flows.run_report import ProductRow, RunReport  # noqa: TC001 as above
from flows.transient import is_transient
from pipelines.cube import BuildResult, CubeRef
from pipelines.inference import PredictionRef

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE


def _may_pass(_task: object, _run: object, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return is_transient(error if isinstance(error, BaseException) else None)


RETRY: Final[dict[str, Any]] = {
    "retries": 3,
    "retry_delay_seconds": [5, 20, 60],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _may_pass,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
"""Shared by all tasks. NO_CACHE: Prefect would hash every argument, and a stage is idempotent by its own store."""


class MadeFrom(BaseModel):
    """What products are made from, as a flow's parameter."""

    model_config = ConfigDict(frozen=True)

    cube_uri: str
    cube_snapshot: str
    groups: tuple[str, ...]
    prediction_uri: str
    prediction_snapshot: str
    prediction_key: str


def made_from(built: BuildResult, answers: PredictionRef) -> MadeFrom:
    """Returns the addresses and versions of a cube and of the model's answers."""
    return MadeFrom(
        cube_uri=built.ref.uri,
        cube_snapshot=built.ref.snapshot,
        groups=built_groups(built),
        prediction_uri=answers.uri,
        prediction_snapshot=answers.snapshot,
        prediction_key=answers.key,
    )


def _run_name() -> str:
    config: RegionConfig = flow_run.parameters["config"]
    return f"{config.name}-{'+'.join(config.products)}-{flow_run.scheduled_start_time:%Y-%m-%d}"


def _stage_name() -> str:
    return f"{flow_run.flow_name}-{flow_run.parameters['config'].name}"


@task(name="search", timeout_seconds=30 * MINUTE, **RETRY)
def search_task(config: RegionConfig) -> SceneSet:
    """Returns the scenes of the region's sources."""
    return search_stage.search(config)


@flow(name="search", flow_run_name=_stage_name)
def search(config: RegionConfig) -> SceneSet:
    """Finds the scenes."""
    return search_task(config)


@task(name="build-cube", timeout_seconds=12 * HOUR, **RETRY)
def build_cube_task(config: RegionConfig, scenes: Path, run_id: str, progress: UUID) -> BuildResult:
    """Returns what the build did."""
    on_progress = ArtifactProgress(progress)
    return build_cube_stage.build_cube(config, read_snapshot(scenes), run_id=run_id, on_progress=on_progress)


@flow(name="build-cube", flow_run_name=_stage_name)
def build_cube(config: RegionConfig, scenes: Path, run_id: str, progress: UUID) -> BuildResult:
    """Brings the scenes onto one grid."""
    return build_cube_task(config, scenes, run_id, progress)


@task(name="composite", timeout_seconds=12 * HOUR, **RETRY)
def composite_task(config: RegionConfig, built: BuildResult, run_id: str, progress: UUID) -> BuildResult:
    """Returns the cube that the later stages see."""
    return composite_stage.composite(config, built, run_id=run_id, on_progress=ArtifactProgress(progress))


@task(name="infer", timeout_seconds=24 * HOUR, **RETRY)
def infer_task(config: RegionConfig, cube: CubeRef, progress: UUID) -> PredictionRef:
    """Returns where the model's answers lie."""
    return infer_stage.infer(config, cube, on_progress=ArtifactProgress(progress))


@flow(name="infer", flow_run_name=_stage_name)
def infer(config: RegionConfig, uri: str, snapshot: str, progress: UUID) -> PredictionRef:
    """Maps the model over the cube."""
    return infer_task(config, CubeRef(uri=uri, snapshot=snapshot), progress)


@task(name="make-products", timeout_seconds=4 * HOUR, **RETRY)
def make_products_task(
    config: RegionConfig, made_from: MadeFrom, scenes: Path, run_id: str, progress: UUID
) -> tuple[ProductRow, ...]:
    """Returns how every product ended."""
    return make_products_stage.make_products(
        config,
        CubeRef(uri=made_from.cube_uri, snapshot=made_from.cube_snapshot),
        PredictionRef(
            uri=made_from.prediction_uri, snapshot=made_from.prediction_snapshot, key=made_from.prediction_key
        ),
        read_snapshot(scenes),
        groups=made_from.groups,
        run_id=run_id,
        on_progress=ArtifactProgress(progress),
    )


@flow(name="make-products", flow_run_name=_stage_name)
def make_products(
    config: RegionConfig, made_from: MadeFrom, scenes: Path, run_id: str, progress: UUID
) -> tuple[ProductRow, ...]:
    """Turns the answers into published products."""
    return make_products_task(config, made_from, scenes, run_id, progress)


@task(name="publish", timeout_seconds=30 * MINUTE, **RETRY)
def publish_task(config: RegionConfig) -> Path:
    """Returns the path of the output catalogue."""
    return publish_stage.publish(config)


@flow(name="publish", flow_run_name=_stage_name)
def publish(config: RegionConfig) -> Path:
    """Writes the output catalogue."""
    return publish_task(config)


@flow(name="monitor", flow_run_name=_run_name)
def monitor(config: RegionConfig) -> State[RunReport]:
    """Runs a region from search to catalogue.

    The final state is `Completed`, `CompletedWithGaps` or `NoNewData`; a run that fails raises and is `Failed`.

    Raises:
        RunFailedError: As `run_region`; the artifacts of the failed run are written first.
    """
    progress = ArtifactProgress.create(config.name)
    try:
        report = run_region(config, stages=_stages(progress.artifact_id), on_progress=progress)
    except RunFailedError as error:
        publish_report(error.report)
        raise
    publish_report(report)
    used = sum(row.outcome == "used" for row in report.scenes)
    return Completed(name=report.status, message=f"{used} of {len(report.scenes)} scenes used", data=report)


def run_monitored(config: RegionConfig) -> RunReport:
    """Runs `monitor` against the server that the settings name, and returns its report.

    Raises:
        RunFailedError: As `run_region`.
    """
    with tags(*run_tags(config)):
        state = monitor(config, return_state=True)
    answer: RunReport | BaseException = state.result(raise_on_failure=False)  # type: ignore[assignment]
    if isinstance(answer, BaseException):
        raise answer
    return answer


def run_tags(config: RegionConfig) -> tuple[str, ...]:
    """Returns the tags of a region's runs: `region:`, `product:` and `sensor:`."""
    sensors = dict.fromkeys(_sensor(name) for source in config.sources for name in source.collections)
    return (
        f"region:{config.name}",
        *(f"product:{product}" for product in config.products),
        *(f"sensor:{sensor}" for sensor in sensors),
    )


def _sensor(collection: str) -> str:
    """The sensor that a collection is known to hold; the collection itself where only its items can tell."""
    known = (load_sensor(name) for name in SENSOR_NAMES)
    return next((sensor.name for sensor in known if collection in sensor.collections), collection)


def _stages(progress: UUID) -> Stages:
    """Returns the stages as subflows of the running flow; their parameters are small and shown in Prefect."""

    def scenes(config: RegionConfig) -> Path:
        return OutputPaths(root=config.output).scenes

    return Stages(
        search=lambda job: search(job.config),
        build_cube=lambda job, _: build_cube(job.config, scenes(job.config), job.run_id, progress),
        composite=lambda job, built: composite_task(job.config, built, job.run_id, progress),
        infer=lambda job, cube: infer(job.config, cube.uri, cube.snapshot, progress),
        make_products=lambda job, built, answers, _: make_products(
            job.config, made_from(built, answers), scenes(job.config), job.run_id, progress
        ),
        publish=lambda job: publish(job.config),
    )
