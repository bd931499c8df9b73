"""What a Prefect server says about a run, read back over its API."""

from __future__ import annotations

from dataclasses import dataclass

from prefect import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterName,
    FlowRunFilterTags,
)
from prefect.client.schemas.sorting import FlowRunSort


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRun:
    """A flow run as the server holds it."""

    id: str
    name: str
    state: str
    """Name of its state: `Completed`, `CompletedWithGaps`, `NoNewData`, `Failed` ..."""

    state_type: str
    tags: tuple[str, ...]
    artifacts: tuple[str, ...]
    """Keys, sorted."""


def latest_run(region: str) -> ObservedRun | None:
    """Returns the newest `monitor` run of a region on the server that the settings name, None where it has none."""
    tagged = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[f"region:{region}"]), name=FlowRunFilterName(like_=f"{region}-")
    )
    with get_client(sync_client=True) as client:
        runs = [
            run
            for run in client.read_flow_runs(flow_run_filter=tagged, sort=FlowRunSort.START_TIME_DESC)
            if run.parent_task_run_id is None
        ]
        if not runs:
            return None
        run = runs[0]
        of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        keys = sorted({str(artifact.key) for artifact in client.read_artifacts(artifact_filter=of_run)})
    return ObservedRun(
        id=str(run.id),
        name=run.name,
        state=(run.state.name or "") if run.state else "",
        state_type=run.state.type.value if run.state else "",
        tags=tuple(sorted(run.tags)),
        artifacts=tuple(keys),
    )
