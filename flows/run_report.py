"""What a run did, as a value and as JSON: the answer of `ringmoe run --json` and the content of `run.json`."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal

Status = Literal["Completed", "CompletedWithGaps", "NoNewData", "Failed"]

LOSS_REASONS: Final = frozenset(
    {
        "missing_asset",
        "unreadable",
        "uncalibrated",
        "all_nodata",
        "damaged",
        "refused",
        "quarantined",
        "misregistered",
        "held_back",
    }
)
"""Skips that cost observations the region asked for: they make a run `CompletedWithGaps`.

The others (`outside`, `duplicate`, `superseded`, `too_cloudy`) are decisions: nothing wanted is missing."""

EXIT_CODES: Final[dict[Status, int]] = {"Completed": 0, "CompletedWithGaps": 0, "NoNewData": 0, "Failed": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneRow:
    """How one matched item ended."""

    id: str
    collection: str
    outcome: Literal["used", "skipped", "not_reached"]
    """`not_reached`: matched, but the run failed before the scene was read or refused."""

    reason: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFailureRow:
    """Parts of a used scene that stay missing in the cube, since a file could not be read there."""

    scene: str
    band: str
    href: str
    """The file as its item says it, without a signature."""

    fault: str
    """`missing`, `refused`, `busy`, `server`, `timeout` or `damaged`."""

    cause: str
    num_units: int
    """Chunks of the cube that are missing."""

    blocks: tuple[tuple[int, int, int, int], ...]
    """The chunks as (row, col, height, width) in pixels of the grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRow:
    """How one product that the region asked for ended."""

    name: str
    path: str | None = None
    """Path of the product's STAC item; None where it could not be made."""

    zarr: str | None = None
    """Path of the product's Zarr group."""

    snapshot: str | None = None
    """Snapshot of the cube that the product was made from."""

    state: Literal["written", "up_to_date", "not_made"] = "written"
    reason: str = ""
    """Why it was not made, '' otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeRow:
    """The cube that the run left behind."""

    uri: str
    snapshot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run, from its status down to every scene."""

    status: Status
    region: str
    run_id: str
    started: str
    finished: str
    scenes: tuple[SceneRow, ...] = ()
    unmatched: int = 0
    """Items of the catalogues outside the region's collections, area or time."""

    cube: CubeRow | None = None
    read_failures: tuple[ReadFailureRow, ...] = ()
    """What is missing of used scenes; the next run tries it again."""

    products: tuple[ProductRow, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds by stage, and `total`."""

    error: str | None = None
    """Cause of a failure: stage, kind and message; None otherwise."""

    notes: tuple[str, ...] = ()
    """What a reader should know and no other field says, e.g. scenes that were warped."""

    catalog: str | None = None
    """Path of the output catalogue."""

    completeness: dict[str, object] | None = None
    """What the catalogues lack by the orbits and beside a second one (`flows.completeness`), None where the search
    failed."""

    estimate: dict[str, object] | None = None
    """What the run had been foreseen to cost, None where it failed before that."""

    @property
    def gaps(self) -> tuple[SceneRow, ...]:
        """The scenes whose skip is a loss."""
        return tuple(row for row in self.scenes if row.reason in LOSS_REASONS)

    @property
    def exit_code(self) -> int:
        """Exit code of the command line."""
        return EXIT_CODES[self.status]

    def to_dict(self) -> dict[str, object]:
        """Returns the report as plain values, ready for JSON."""
        return asdict(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """Returns the report as one JSON object."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)


def final_status(
    *,
    changed: bool,
    scenes: tuple[SceneRow, ...],
    products: tuple[ProductRow, ...],
    read_failures: tuple[ReadFailureRow, ...] = (),
) -> Status:
    """Returns how a run that did not fail ended.

    A product that the dates at hand cannot give (`not_made`, with its reason) is no gap: no observation was lost.

    Args:
        changed: True where the cube gained a date.
        scenes: Every matched item.
        products: Every product asked for.
        read_failures: What is missing of used scenes.
    """
    written = any(product.state == "written" for product in products)
    if not changed and not written:
        return "NoNewData"
    lost = bool(read_failures) or any(row.reason in LOSS_REASONS for row in scenes)
    return "CompletedWithGaps" if lost else "Completed"


def write_atomically(path: Path, text: str) -> None:
    """Writes a text so that a reader sees the old file or the new one, never half of either."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
