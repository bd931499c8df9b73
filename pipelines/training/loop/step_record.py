"""StepRecord: what is told of a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.training.places.sampler import Counts
    from ringmoe_core.balance import RoutingReport


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What one step was like."""

    stage: str
    step: int
    """From 1."""

    steps: int | None
    """Of the stage; None while a stage given in minutes does not know."""

    kinds: tuple[str, ...]
    """Of the step's batches."""

    total: float
    terms: Mapping[str, float]
    """Means over the batches, of all processes, that have them."""

    rate: float
    norm: float
    """Of the gradient, before clipping."""

    seconds: float
    """Since the stage began, stops between runs left out."""

    waited: float
    """Share of this run's time in the stage spent waiting for data."""

    counts: Counts
    routing: tuple[RoutingReport, ...]
