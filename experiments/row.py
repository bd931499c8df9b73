"""Rows of a claim's CSV: one a condition and scene of an arm and a seed."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What an arm scored under a condition on a scene that it was not trained on."""

    condition: str
    scene: int
    """Seed of the scene, or its number."""

    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measure with what it took, and what made it."""

    claim: str
    arm: str
    seed: int
    condition: str
    scene: int
    value: float
    cpu_minutes: float
    """Of the whole arm and seed, the same in each of its rows."""

    commit: str
    config: str
    """Hash of the setting; rows of several are never mixed."""


HEADER = tuple(field.name for field in fields(Row))


def read_rows(path: Path) -> list[Row]:
    """Returns the rows of a file, none where there is no file.

    Raises:
        ValueError: The file has another header.
    """
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        if tuple(reader.fieldnames or ()) != HEADER:
            raise ValueError(f"{path} must have the columns {HEADER}, got {reader.fieldnames}; move it away")
        return [_row(entry) for entry in reader]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Writes a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    partial.replace(path)


def done(rows: Iterable[Row]) -> set[tuple[str, int]]:
    """Returns the pairs (arm, seed) that have rows: those of a pair are written together."""
    return {(row.arm, row.seed) for row in rows}


def _row(entry: dict[str, str]) -> Row:
    return Row(
        claim=entry["claim"],
        arm=entry["arm"],
        seed=int(entry["seed"]),
        condition=entry["condition"],
        scene=int(entry["scene"]),
        value=float(entry["value"]),
        cpu_minutes=float(entry["cpu_minutes"]),
        commit=entry["commit"],
        config=entry["config"],
    )
