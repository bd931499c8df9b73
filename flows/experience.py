"""What past runs took against what had been foreseen of them: the correction of the next forecast."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

NMAD: Final = 1.4826
"""Median absolute deviation to standard deviation, for normally distributed errors."""

REST: Final = "rest"
"""What a run takes besides the stages that are foreseen one by one."""

MOST_RUNS: Final = 30
"""The newest runs that count: machines and programs change."""

LEAST_SECONDS: Final = 0.2
"""Stages that were foreseen to take less teach nothing but how long a start takes."""

_FEW: Final[Mapping[int, float]] = {0: 3.0, 1: 2.0, 2: 1.6}
"""Factor either way that is believed of a forecast after so many runs."""

_LEAST_SPREAD: Final = 1.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """How a stage's forecast is to be corrected."""

    factor: float = 1.0
    """Median of taken over foreseen."""

    spread: float = _FEW[0]
    """Factor either way within which about two of three runs lay."""

    num_runs: int = 0


def lesson_of(ratios: Iterable[float]) -> Lesson:
    """Returns the correction from ratios of taken over foreseen, each above 0, newest last."""
    logs = [math.log(ratio) for ratio in ratios][-MOST_RUNS:]
    if not logs:
        return Lesson()
    middle = statistics.median(logs)
    scatter = NMAD * statistics.median(abs(log - middle) for log in logs)
    spread = max(math.exp(scatter), _LEAST_SPREAD, _FEW.get(len(logs), 0.0))
    return Lesson(factor=math.exp(middle), spread=spread, num_runs=len(logs))


def learn(ledgers: Iterable[Path]) -> dict[str, Lesson]:
    """Returns the lesson of each stage from the ledgers of regions.

    Runs that failed or found nothing new teach nothing. A ledger that cannot be read, is of another program or holds
    what is no time is passed over, row by row: a forecast is no worse without it, and a run must not fail of it.
    """
    ratios: dict[str, list[tuple[str, float]]] = {}
    for folder in ledgers:
        for started, foreseen, taken in _runs(folder):
            for stage, seconds in foreseen.items():
                if seconds >= LEAST_SECONDS and stage in taken:
                    ratios.setdefault(stage, []).append((started, taken[stage] / seconds))
    return {stage: lesson_of(ratio for _, ratio in sorted(found)) for stage, found in ratios.items()}


def _runs(folder: Path) -> list[tuple[str, dict[str, float], dict[str, float]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    runs = []
    for path in sorted(folder.glob("*.parquet")):
        try:
            (row,) = pq.read_table(path, columns=["status", "started", "timings", "estimate"]).to_pylist()
        except (OSError, pa.ArrowException, ValueError):
            continue
        estimate = _parsed(row.get("estimate"))
        if row.get("status") in {"Completed", "CompletedWithGaps"} and isinstance(estimate, dict):
            foreseen, taken = _seconds(estimate.get("raw_stage_seconds")), _seconds(_parsed(row.get("timings")))
            taken[REST] = max(0.0, taken.get("total", 0.0) - sum(taken.get(stage, 0.0) for stage in foreseen))
            runs.append((str(row.get("started")), foreseen, taken))
    return runs


def _parsed(text: object) -> object:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _seconds(document: object) -> dict[str, float]:
    """Returns the times of stages, those left out that are none: absent, not above 0, not finite."""
    if not isinstance(document, dict):
        return {}
    return {
        str(stage): time for stage, time in document.items() if isinstance(time, float | int) and 0 < time < math.inf
    }
