"""What is learned from, and by which settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.training.benchmarks.registry import Benchmark
    from pipelines.training.protocols.settings import Settings
    from ringmoe_core.task_model import TaskModel

HEAD: Final = "benchmark"
"""Name of the head in the task model."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """A task model with a head `HEAD`, and the samples that it learns from."""

    task: TaskModel
    benchmark: Benchmark
    """The split to learn from."""

    trained: tuple[str, ...]
    """Modalities that the weights know."""

    settings: Settings
    chosen: tuple[int, ...]
    """Samples of the split, in the order in which they were drawn."""

    @property
    def num_classes(self) -> int:
        """Of the benchmark."""
        return len(self.benchmark.info.classes)

    def nothing(self, skipped: Sequence[str]) -> str:
        """What to say where no sample can be used."""
        first = f"; the first: {skipped[0]}" if skipped else ""
        return (
            f"{self.benchmark.info.title}: a split to learn from must have a sample that can be used, "
            f"none of {len(self.chosen)} can{first}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What was learned from."""

    num_samples: int
    """Of the training split that were chosen."""

    skipped: tuple[str, ...]
    """Messages of those that could not be used."""

    last_loss: float
    """At the end, or the mean over the last tenth of the steps; NaN where there is none."""

    num_parameters: int
    """That learned, of head and backbone."""
