"""The learning rate of a step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Linear warm-up, then a cosine, a line or a constant."""

    kind: Literal["cosine", "linear", "constant"] = "cosine"
    peak: float = 1.5e-3
    final: float = 1e-5
    """At the last step; a constant schedule has none."""

    warmup_steps: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.final <= self.peak or not self.peak > 0 or self.warmup_steps < 0:
            raise ValueError(
                f"learning rates are 0 <= final <= peak and peak > 0, warm-up is at least 0, got {self}; correct them"
            )


def rate_at(step: int, steps: int, schedule: Schedule) -> float:
    """Returns the learning rate of a step.

    Args:
        step: From 0.
        steps: Of the whole stage.
        schedule: Its course.
    """
    if step < schedule.warmup_steps:
        return schedule.peak * (step + 1) / schedule.warmup_steps
    if schedule.kind == "constant":
        return schedule.peak
    done = min(1.0, (step - schedule.warmup_steps) / max(1, steps - schedule.warmup_steps))
    left = 1 - done if schedule.kind == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return schedule.final + (schedule.peak - schedule.final) * left
