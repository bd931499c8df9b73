"""How right answers of six tasks are, over places; and the command that measures, draws and writes the page.

python -m flows.task_figures nano --figures docs/models/nano.tasks.json --page docs/six-tasks.md
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flows.six_tasks import Answer, SixTasks, TaskPlan
    from flows.train_config import Kind
    from pipelines.training.benchmarks.sample import MaskTarget, Target
    from pipelines.training.metrics.prediction import MaskPrediction, Prediction

KINDS: Final[tuple[Kind, ...]] = ("vhr", "series", "slc", "video")

SHOWN: Final = {
    "classification": 8, "detection": 4, "segmentation": 2, "radar_segmentation": 2, "tracking": 1, "change": 2,
    "height": 2,
}  # fmt: skip
"""Places of each task that a picture shows: the first of the range, whatever is said of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFigures:
    """Of one task."""

    first_seed: int
    last_seed: int
    values: dict[str, float | None]
    """By the names of the task's metric, the headline first; None where it is not defined."""

    intervals: dict[str, tuple[float, float] | None]
    """95 %, over places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksReport:
    """What weights and their heads are worth on simulated places that they never saw."""

    weights: str
    weights_sha256: str
    heads_sha256: str
    plan: dict[str, int]
    tasks: dict[str, TaskFigures]
    shown: dict[str, TaskFigures]
    """The same, of the places that the pictures show alone."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as JSON has it."""
        return asdict(self)


def task_figures(name: str, answers: Sequence[Answer]) -> TaskFigures:
    """Returns the figures of a task over its answers.

    Args:
        name: Of the task.
        answers: At least one, seeds rising.
    """
    from flows.six_tasks import task_kinds
    from pipelines.training.metrics.choose import metric_for
    from pipelines.training.metrics.resampling import Resampling

    task = task_kinds()[name]
    num_classes = 2 if task.measure == "change" else len(task.classes)
    metric = metric_for(task.measure, num_classes, Resampling())
    for answer in answers:
        unit = f"{task.kind}-{answer.seed}"
        for index, pair in enumerate(zip(answer.said, answer.truth, strict=True)):
            said, truth = _any_change(*pair) if task.measure == "change" else pair
            metric.update(said, truth, image=f"{unit}-{index}", unit=unit)
    intervals = metric.intervals() if len(answers) > 1 else {}
    values = {key: value if math.isfinite(value) else None for key, value in metric.compute().items()}
    return TaskFigures(
        first_seed=answers[0].seed,
        last_seed=answers[-1].seed,
        values=values,
        intervals={key: intervals.get(key) for key in values},
    )


def _any_change(said: Prediction, truth: Target) -> tuple[MaskPrediction, MaskTarget]:
    """Kinds of change as one; 255 stays what does not count."""
    from pipelines.training.benchmarks.sample import MaskTarget
    from pipelines.training.metrics.prediction import MaskPrediction
    from pipelines.training.scene_arrays import IGNORE

    assert isinstance(said, MaskPrediction)
    assert isinstance(truth, MaskTarget)
    known = truth.mask != IGNORE
    return (
        MaskPrediction(mask=(said.mask > 0).astype(np.int64)),
        MaskTarget(mask=np.where(known, truth.mask > 0, IGNORE).astype(np.int64)),
    )


def measure_tasks(
    six: SixTasks, weights: str, plan: TaskPlan, say: Callable[[str], None] = print
) -> tuple[TasksReport, dict[str, list[Answer]]]:
    """Returns the figures of all tasks over a plan's places, and the answers that pictures show."""
    from flows.six_tasks import task_kinds

    found: dict[str, list[Answer]] = {}
    for kind in KINDS:
        say(f"asking about {plan.places} places: {kind}")
        for answers in six.answers(kind, plan):
            for name, answer in answers.items():
                kept = len(found.setdefault(name, [])) < SHOWN[name]
                found[name].append(answer if kept else replace(answer, images=(), spread_m=None))
    names = list(task_kinds())
    first = {name: found[name][: SHOWN[name]] for name in names}
    report = TasksReport(
        weights=weights,
        weights_sha256=six.loaded.sha256,
        heads_sha256=six.heads_sha256,
        plan=asdict(plan),
        tasks={name: task_figures(name, found[name]) for name in names},
        shown={name: task_figures(name, first[name]) for name in names},
    )
    return report, first


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    from flows.errors import ConfigError
    from flows.six_tasks import FIRST_SEED, SixTasks, TaskPlan
    from flows.task_page import write_page
    from flows.weights import heads_path, weights_path
    from ringmoe_core.errors import CheckpointError

    parser = argparse.ArgumentParser(prog="python -m flows.task_figures", description=__doc__)
    parser.add_argument("weights", help="name of shipped weights, or a path; the heads lie beside them")
    parser.add_argument("--places", type=int, default=20, help="of each kind, at least 8 to fill the pictures")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--figures", type=Path, help="JSON to write")
    parser.add_argument("--page", type=Path, help="page to write, its pictures into images/tasks beside it")
    given = parser.parse_args(arguments)
    if given.places < 1:
        parser.error(f"--places is at least 1, got {given.places}; 20 is the default")
    try:
        six = SixTasks(weights_path(given.weights), heads_path(given.weights))
    except (CheckpointError, ConfigError) as error:
        sys.stderr.write(f"ringmoe: {error}\n")
        raise SystemExit(2) from error
    plan = TaskPlan(places=given.places, first_seed=given.first_seed)
    report, shown = measure_tasks(six, given.weights, plan, lambda line: print(line, file=sys.stderr))  # noqa: T201
    text = json.dumps(report.to_dict(), indent=1)
    if given.figures is not None:
        given.figures.parent.mkdir(parents=True, exist_ok=True)
        given.figures.write_text(text + "\n", encoding="utf-8")
    if given.page is not None:
        write_page(report, shown, given.page)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
