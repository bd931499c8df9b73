"""StageConfig: how long, with what batches and how fast a model learns one thing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from pipelines.training.loop.optimiser import OptimiserConfig
from pipelines.training.loop.schedule import Schedule

TIMED_STEPS: Final = 20
"""Steps after which a stage given in minutes knows its number of steps; the first quarter of them is not timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipPhase:
    """Part of a stage with one size of chip."""

    size: int
    batch: int
    share: float = 1.0
    """Of the stage's steps; the shares of all phases sum to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageConfig:
    """One stage of a run."""

    name: str
    steps: int | None = None
    """Steps of the optimiser; None where minutes are given."""

    minutes: float | None = None
    """Wall-clock time that the steps shall fill: their number is fixed after `TIMED_STEPS` and kept from then on, also
    by a run that resumes."""

    phases: tuple[ChipPhase, ...] = (ChipPhase(size=64, batch=16),)
    accumulate: int = 1
    """Batches a step, each of a kind of its own."""

    schedule: Schedule = field(default_factory=Schedule)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    average: float = 0.998
    """Decay of the running average of the weights, which is what the stage leaves; 0 keeps the last weights."""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError(
                f"a stage has either steps or minutes, got {self.steps} and {self.minutes} in {self.name}; give one"
            )
        if (self.steps is not None and self.steps < 1) or (self.minutes is not None and not self.minutes > 0):
            raise ValueError(
                f"a stage lasts, got {self.steps} steps or {self.minutes} minutes in {self.name}; raise it"
            )
        if not self.phases or not math.isclose(sum(phase.share for phase in self.phases), 1.0, abs_tol=1e-6):
            raise ValueError(f"the phases' shares sum to 1, got {[one.share for one in self.phases]} in {self.name}")
        if self.accumulate < 1 or not 0 <= self.average < 1:
            raise ValueError(
                f"accumulate is at least 1, average in [0, 1), got {self.accumulate}, {self.average} in {self.name}"
            )


def phase_at(step: int, steps: int, phases: tuple[ChipPhase, ...]) -> int:
    """Returns the number of the phase that a step belongs to."""
    end = 0.0
    for number, phase in enumerate(phases):
        end += phase.share
        if step < round(steps * end):
            return number
    return len(phases) - 1


def average_decay(step: int, decay: float) -> float:
    """Returns the running average's decay after a step: short at first, so that the first weights are forgotten."""
    return min(decay, (1 + step) / (10 + step))


def steps_for(minutes: float, seconds_a_step: float, *, done: int) -> int:
    """Returns how many steps fill some minutes, at least those that are done."""
    return max(done, round(60 * minutes / max(seconds_a_step, 1e-6)))
