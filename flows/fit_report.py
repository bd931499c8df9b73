"""What a fit says of itself: one JSON object, and the page made of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from pipelines.training.own_labels.area_estimate import AreaEstimate
    from pipelines.training.own_labels.design import Design

    Floats = npt.NDArray[np.float64]


NO_AREAS: Final = "areas were not estimated"
"""How a note begins that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """A user's classes, learnt, with what held-out labels say of them."""

    title: str
    source: str
    """Path of the labels."""

    column: str
    class_names: tuple[str, ...]
    counts: tuple[int, ...]
    """Samples of each class."""

    sample: str
    """What a sample is: `pixels` or `points`."""

    skipped: Mapping[str, int]
    """What was left out, by reason."""

    left_out: Mapping[str, int]
    """Classes with too few samples."""

    designs: tuple[Design, ...]
    """The first is the one whose temperature the head keeps."""

    places: tuple[Floats, Floats]
    """x and y of each sample, for the map of folds."""

    head: Mapping[str, Any]
    """Path, SHA-256, kind and features of the head."""

    areas: tuple[AreaEstimate, ...] = ()
    """Where the labels are a random sample of the region."""

    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """Where everything comes from: cube, weights, seed, software."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """All that a reader of the figures must know."""
        scarce = [
            f"{name}: left out, only {number} sample{'s' * (number != 1)}" for name, number in self.left_out.items()
        ]
        return (*self.notes, *scarce, *(line for design in self.designs for line in _told(design, self.designs)))

    def to_dict(self) -> dict[str, object]:
        """Returns plain values."""
        return {
            "title": self.title,
            "labels": {"path": self.source, "column": self.column, "sample": self.sample},
            "classes": dict(zip(self.class_names, self.counts, strict=True)),
            "skipped": dict(self.skipped),
            "classes_left_out": dict(self.left_out),
            "designs": [design.to_dict(self.class_names) for design in self.designs],
            "areas": [entry.to_dict() for entry in self.areas],
            "head": dict(self.head),
            "warnings": list(self.warnings),
            "provenance": dict(self.facts),
        }


def write_report(report: FitReport, stem: Path) -> tuple[Path, Path]:
    """Writes `<stem>.report.html` and `<stem>.report.json`, and returns their paths."""
    from flows.fit_page import render
    from flows.run_report import write_atomically

    page, values = stem.with_name(f"{stem.name}.report.html"), stem.with_name(f"{stem.name}.report.json")
    write_atomically(values, json.dumps(report.to_dict(), indent=1) + "\n")
    write_atomically(page, render(report))
    return page, values


def summary(report: FitReport, page: Path) -> str:
    """Returns the report in a few lines, for the terminal."""
    from flows.tables import table

    counts = ", ".join(f"{name} {number}" for name, number in zip(report.class_names, report.counts, strict=True))
    lines = [f"{report.title}: {sum(report.counts)} {report.sample} of {len(report.class_names)} classes ({counts})"]
    for design in report.designs:
        rows = [
            (name.replace("_", " "), _figure(score.overall), _figure(score.macro_f1))
            for name, score in design.scores.items()
        ]
        lines += ["", f"{design.name}: {design.folds.num_folds} folds of {design.folds.kind}"]
        lines.append(table(("method", "overall accuracy (95 %)", "macro F1 (95 %)"), rows))
        lines.append(
            f"calibration error {design.before.ece:.3f}, with the temperature of the other folds {design.after.ece:.3f}"
        )
    lines += ["", *(f"note: {line}" for line in report.warnings)]
    if report.skipped:
        lines.append("left out: " + ", ".join(f"{number} {name}" for name, number in report.skipped.items()))
    lines += [f"head {report.head['path']}", f"report {page}"]
    if report.sample == "pixels":
        name = str(report.head["task"])
        lines.append(
            f"map it: own: [{{name: {name}, head: {report.head['path']}}}] and products: [{name}] in the region"
        )
    return "\n".join(lines)


def _figure(interval: Any) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def _told(design: Design, designs: tuple[Design, ...]) -> list[str]:
    """The design's warnings, with its name where there are several."""
    return [line if len(designs) == 1 else f"{design.name}: {line}" for line in design.warnings]
