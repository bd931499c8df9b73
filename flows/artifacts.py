"""What a run leaves in Prefect for people to read: its scenes, its results, how far it is.

Keys depend on the region alone, so that each artifact's page shows the history of the region.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows.progress import STAGES, percent

if TYPE_CHECKING:
    from flows.run_report import RunReport

MAX_ROWS: Final = 2000
"""Rows of the scenes table; Prefect keeps artifacts in its database, so they are bounded."""

UPDATE_SECONDS: Final = 2.0
"""Least time between two updates of the progress within a stage."""


def artifact_key(region: str, kind: str) -> str:
    """Returns the stable key of a region's artifact: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{region}-{kind}".lower()).strip("-")


class ArtifactProgress:
    """Shows how far a run is as a Prefect progress artifact; usable from any task of the run by its id."""

    def __init__(self, artifact_id: UUID) -> None:
        self.artifact_id = artifact_id
        self._next = 0.0

    @classmethod
    def create(cls, region: str) -> ArtifactProgress:
        """Makes the artifact of a new run at 0 percent."""
        made = create_progress_artifact(progress=0.0, key=artifact_key(region, "progress"), description="Progress")
        assert isinstance(made, UUID), "a coroutine comes to asynchronous callers only"
        return cls(made)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Moves the artifact, at most every two seconds within a stage."""
        now = time.monotonic()
        if now < self._next and done < total:
            return
        self._next = now + UPDATE_SECONDS
        description = f"{stage} ({STAGES.index(stage) + 1} of {len(STAGES)}): {done} of {total}"
        update_progress_artifact(
            self.artifact_id, progress=round(percent(stage, done, total), 1), description=description
        )


def publish_report(report: RunReport) -> None:
    """Creates the scenes table and the results page of a run, failed or not."""
    rows = [
        {
            "scene": row.id,
            "collection": row.collection,
            "outcome": row.outcome,
            "reason": row.reason or "",
            "detail": row.detail,
        }
        for row in report.scenes[:MAX_ROWS]
    ]
    cut = f", the first {MAX_ROWS} shown" if len(report.scenes) > MAX_ROWS else ""
    create_table_artifact(
        table=rows,
        key=artifact_key(report.region, "scenes"),
        description=f"{len(report.scenes)} scenes{cut}; {report.unmatched} items not matched",
    )
    create_markdown_artifact(
        markdown=results_markdown(report), key=artifact_key(report.region, "results"), description=report.status
    )


def results_markdown(report: RunReport) -> str:
    """Returns a run's results as Markdown: status, cube, products, gaps, timings."""
    used = sum(row.outcome == "used" for row in report.scenes)
    lines = [
        f"# {report.region}: {report.status}",
        "",
        f"Run `{report.run_id}`, {report.started} to {report.finished}.",
        "",
    ]
    if report.error:
        lines += ["**Failed.** The cause:", "", "```", report.error.replace("```", "'''"), "```", ""]
    lines += [f"{used} scenes used, {len(report.scenes) - used} skipped, {report.unmatched} items not matched.", ""]
    if report.cube:
        lines += [f"Cube `{report.cube.uri}` at snapshot `{report.cube.snapshot}`.", ""]
    if report.products:
        lines += ["| product | state | path | snapshot |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {row.name} | {row.state} {row.reason} | `{row.path or ''}` | `{row.snapshot or ''}` |"
            for row in report.products
        ]
        lines.append("")
    if report.gaps:
        lines += ["| gap | reason | detail |", "| --- | --- | --- |"]
        lines += [f"| {row.id} | {row.reason} | {_cell(row.detail)} |" for row in report.gaps[:MAX_ROWS]] + [""]
    if report.read_failures:
        lines += ["| read failure | units | fault | file | cause |", "| --- | ---: | --- | --- | --- |"]
        lines += [
            f"| {row.scene} | {row.num_units} | {row.fault} | {_cell(row.href)} | {_cell(row.cause)} |"
            for row in report.read_failures[:MAX_ROWS]
        ] + [""]
    lines += ["| stage | seconds |", "| --- | ---: |"]
    lines += [f"| {stage} | {seconds:.2f} |" for stage, seconds in report.timings.items()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
