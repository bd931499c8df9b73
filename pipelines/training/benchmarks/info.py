"""What a benchmark is: its task, classes, splits and metrics, and where its authors publish it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Task = Literal[
    "classification",
    "multi_label",
    "segmentation",
    "detection",
    "rotated_detection",
    "tracking",
    "change",
    "height",
]

TASKS: Final[tuple[Task, ...]] = get_args(Task)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkInfo:
    """The facts of one benchmark, the same for each copy of it."""

    name: str
    """What `ringmoe evaluate --benchmark` takes: lower case, digits, hyphens and dots."""

    title: str
    """As its authors write it."""

    task: Task

    classes: tuple[str, ...]
    """In the order of the labels: a label is an index into it. Empty for height."""

    splits: tuple[str, ...]
    """Those that `open_benchmark` takes."""

    metrics: tuple[str, ...]
    """Names that the task's metric reports; the first is the headline."""

    home: str
    """Address of the authors' page, or of the paper where the data have none."""

    licence: str
    """As the authors state it, or that they state none."""

    layout: str
    """The official folder tree, a line a folder or file."""

    citation: str

    paper_run: bool = False
    """One of the runs of the paper's own table (24 public or private sets)."""

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"{self.name}: task must be one of {list(TASKS)}, got {self.task!r}")
        if not self.name or not set(self.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-."):
            raise ValueError(f"a benchmark's name has lower case, digits, '-' and '.' only, got {self.name!r}")
        if not self.splits or not self.metrics:
            raise ValueError(f"{self.name}: must have at least one split and one metric")
        if bool(self.classes) == (self.task == "height") or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"{self.name}: classes must be distinct, and empty for height only, got {self.classes}")
