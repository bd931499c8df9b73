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

    Runs that failed or found nothing new teach nothing. A ledger that cannot be read, or is of an older program, is
    passed over: a forecast is no worse without it.
    """
    ratios: dict[str, list[tuple[str, float]]] = {}
    for folder in ledgers:
        for started, foreseen, taken in _runs(folder):
            for stage, seconds in foreseen.items():
                if seconds >= LEAST_SECONDS and taken.get(stage, 0.0) > 0:
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
        if row["status"] in {"Completed", "CompletedWithGaps"} and row["estimate"]:
            foreseen = json.loads(row["estimate"])["raw_stage_seconds"]
            runs.append((str(row["started"]), foreseen, json.loads(row["timings"])))
    return runs
