"""What a run tells of itself: each stage, and the whole as `report.json` has it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.routing_verdict import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSummary:
    """How a stage went."""

    name: str
    steps: int
    minutes: float
    waited: float
    """Share of the last run's time in it spent waiting for data."""

    last: dict[str, float]
    """Means of the terms over its last tenth."""

    held_out: dict[str, float]
    """Terms on batches of validation ground."""

    draws: dict[str, int]
    """Chips used, and draws that were rejected and why."""

    findings: tuple[Finding, ...]
    """Of the use of experts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What a run leaves in `report.json`."""

    config: dict[str, Any]
    places: dict[str, int]
    """Of each kind, held-out ones included."""

    stages: tuple[StageSummary, ...]
    figures: dict[str, float] = field(default_factory=dict)
    """On test ground: land cover and change, where there are series to measure them on."""

    notes: tuple[str, ...] = ()
    """What was skipped or looks wrong."""

    files: tuple[str, ...] = ()
    processes: int = 1
    device: str = "cpu"

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as JSON has it."""
        return asdict(self)


def stage_summary(values: Mapping[str, Any]) -> StageSummary:
    """Returns the summary that JSON holds."""
    from flows.routing_verdict import Finding

    findings = tuple(Finding(**one | {"cases": tuple(one["cases"])}) for one in values["findings"])
    return StageSummary(**dict(values) | {"findings": findings})


def report_json(report: TrainingReport) -> str:
    """Returns the report as one JSON object."""
    return json.dumps(report.to_dict())
