"""StageState: how far a stage has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.training.places.sampler import SamplerState


@dataclass(slots=True, kw_only=True)
class StageState:
    """How far a stage has come."""

    sampler: SamplerState
    step: int = 0
    steps: int | None = None
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Returns the state as JSON has it."""
        return {
            "sampler": self.sampler.state_dict(), "step": self.step, "steps": self.steps, "seconds": self.seconds,
        }  # fmt: skip

    def load(self, values: Mapping[str, Any]) -> None:
        """Takes a state over."""
        self.sampler.load_state_dict(values["sampler"])
        self.step, self.steps, self.seconds = int(values["step"]), values["steps"], float(values["seconds"])
