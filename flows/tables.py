"""Plain text tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.run_report import RunReport

MAX_CELL: Final = 72


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns rows under a head, columns aligned by blanks; long cells but the last are cut with an ellipsis."""
    cells = [[*map(_cell, row[:-1]), _line(row[-1])] for row in rows]
    widths = [max(len(line[column]) for line in [list(head), *cells]) for column in range(len(head))]
    widths[-1] = min(widths[-1], MAX_CELL)
    rule = ["-" * width for width in widths]
    lines = [list(head), rule, *cells]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def scenes_table(report: RunReport) -> str:
    """Returns every scene of a run with its outcome."""
    rows = [(row.id, row.collection, row.outcome, row.reason or "", row.detail) for row in report.scenes]
    return table(("scene", "collection", "outcome", "reason", "detail"), rows)


def products_table(report: RunReport) -> str:
    """Returns every product of a run with its state and place."""
    rows = [(row.name, row.state, row.path or row.reason, row.snapshot or "") for row in report.products]
    return table(("product", "state", "path", "snapshot"), rows)


def summary(report: RunReport) -> str:
    """Returns a run for a person: status, scenes, cube, products, time."""
    used = sum(row.outcome == "used" for row in report.scenes)
    parts = [f"{report.region}: {report.status} in {report.timings['total']:.1f} s"]
    if report.error:
        parts.append(f"cause: {report.error}")
    if report.scenes:
        parts += ["", scenes_table(report)]
    skipped = sum(row.outcome == "skipped" for row in report.scenes)
    counts = f"{used} scenes used, {skipped} skipped, {report.unmatched} items not matched"
    waiting = len(report.scenes) - used - skipped
    parts += ["", counts + (f", {waiting} not reached" if waiting else "")]
    if report.cube:
        parts.append(f"cube {report.cube.uri} @ {report.cube.snapshot}")
    if report.products:
        parts += ["", products_table(report)]
    parts += [
        f"read failure: {row.num_units} units of {row.scene} are missing, {row.href}: {row.cause} ({row.fault})"
        for row in report.read_failures
    ]
    parts += [f"note: {note}" for note in merged_notes(report)]
    return "\n".join(parts)


def merged_notes(report: RunReport) -> list[str]:
    """Returns the notes of a run, each text once with the first of the scenes that it is about and their number."""
    scenes = {row.id for row in report.scenes}
    told: dict[str, list[str]] = {}
    for note in report.notes:
        scene, colon, text = note.partition(": ")
        about = colon and scene in scenes
        told.setdefault(text if about else note, []).extend([scene] if about else [])
    return [text if not about else f"{_some(about)}: {text}" for text, about in told.items()]


def _some(scenes: Sequence[str]) -> str:
    return scenes[0] if len(scenes) == 1 else f"{scenes[0]} and {len(scenes) - 1} more"


def _line(value: object) -> str:
    return str(value).replace("\n", " ")


def _cell(value: object) -> str:
    text = _line(value)
    return text if len(text) <= MAX_CELL or "/" in text else text[: MAX_CELL - 1] + "\N{HORIZONTAL ELLIPSIS}"
