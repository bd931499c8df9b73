"""What `ringmoe evaluate` is asked, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.training.metrics.resampling import FEW_UNITS, FEWEST_UNITS, LEVEL, NUM_REPLICATES

if TYPE_CHECKING:
    from pipelines.training.benchmarks.info import BenchmarkInfo
    from pipelines.training.protocols.settings import Settings
    from pipelines.training.protocols.stream import Streamed


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRun:
    """What is asked for."""

    benchmark: str
    data: Path
    settings: Settings | None = None
    """None for predictions, or for the task's first protocol at its defaults."""

    weights: str | None = None
    heads: Path | None = None
    head: str | None = None
    """Name of the head in `heads`; not needed where one fits."""

    predictions: Path | None = None
    split: str | None = None
    train_split: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the benchmark's own class."""

    limit: int | None = None
    """Only the first so many samples of each split: a trial, not a result."""

    replicates: int = NUM_REPLICATES
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateReport:
    """What came out."""

    run: EvaluateRun
    info: BenchmarkInfo
    split: str
    numbers: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float] | None]
    by_class: Mapping[str, Mapping[str, float]]
    """Measure -> class -> value; empty where the task has none."""

    streamed: Streamed
    protocol: Mapping[str, Any]
    weights: Mapping[str, Any] | None
    held_bytes: int
    notes: tuple[str, ...] = ()
    """What a reader of the numbers must know."""

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-ready values; numbers that do not exist are null."""
        return {
            "benchmark": self.info.name,
            "title": self.info.title,
            "task": self.info.task,
            "split": self.split,
            "headline": self.info.metrics[0],
            "metrics": {
                name: {"value": or_null(value), "interval": _pair(self.intervals[name])}
                for name, value in self.numbers.items()
            },
            "interval": {
                "level": LEVEL,
                "method": "bootstrap over images or videos",
                "replicates": self.run.replicates,
            },
            "by_class": {
                measure: {name: or_null(value) for name, value in values.items()}
                for measure, values in self.by_class.items()
            },
            "protocol": dict(self.protocol),
            "num_images": self.streamed.num_images,
            "num_units": self.streamed.num_units,
            "limit": self.run.limit,
            "options": dict(self.run.options),
            "skipped": {"num": self.streamed.num_skipped, "reasons": list(self.streamed.reasons)},
            "notes": list(self.notes),
            "seeds": {"learning": self.run.seed, "resampling": self.run.seed},
            "weights": None if self.weights is None else dict(self.weights),
            "held_bytes": self.held_bytes,
        }


def few_units_note(num_units: int) -> tuple[str, ...]:
    """What is to be said of the intervals of so few images, scenes or videos; nothing where there are enough."""
    if num_units < FEWEST_UNITS:
        note = f"intervals need {FEWEST_UNITS} images or videos, got {num_units}: none is given; evaluate on more"
    elif num_units < FEW_UNITS:
        note = (
            f"intervals of fewer than {FEW_UNITS} images or videos are too narrow, got {num_units}: they cover the "
            f"truth less often than {LEVEL:.0%}; evaluate on more before two numbers are told apart"
        )
    else:
        return ()
    return (note,)


def or_null(value: float) -> float | None:
    """The value, None where it is no finite number."""
    return value if math.isfinite(value) else None


def _pair(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
