"""What the right outcome of an entry is, and the manifest that says so for every entry."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from pipelines.simulate.torture.place import Place

MANIFEST_FILE: Final = "expected.json"
FORMAT: Final = 1

ANYWHERE: Final = "any"

Way = Literal["disk", "http", "http_signed"]
"""How the catalogue is read: from the folder; from the server; from the server by a reader that asks its `/token` for
signatures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an entry ends."""

    outcome: Literal["used", "skipped", "unmatched"]
    """`unmatched`: no question about the region's area and time finds it."""

    reason: str = ""
    """Of a skip, by the names of `catalogs.SkipReason`."""

    words: tuple[str, ...] = ()
    """What the report must mention of it, e.g. that a statement of the item was overruled."""

    lost_px: tuple[int, int, int, int] | None = None
    """Row, column, height and width on the region's grid of what cannot be read: it must be missing and marked as
    failed, and so may be what shares a block of work with it; nothing else."""


USED: Final = Outcome(outcome="used")
UNMATCHED: Final = Outcome(outcome="unmatched")


def skipped(reason: str, *words: str) -> Outcome:
    """Returns the outcome of an entry that is left out for a reason."""
    return Outcome(outcome="skipped", reason=reason, words=words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item of the catalogue: what is wrong with it and how it must end."""

    id: str
    collection: str
    region: str
    """Which of the manifest's regions it is asked for in; `any` where its place cannot be read, so that it concerns
    every region."""

    wrong: str
    right: str
    """Why the outcome is the right one."""

    time: str
    """Of the item, ISO 8601."""

    disk: Outcome | None
    """None where it cannot be met this way."""

    http: Outcome | None
    http_signed: Outcome | None
    truth: str | None
    """GeoTIFF of the right values on the region's grid, one band of float32 for each band, NaN where missing; None
    where nothing of it may enter a cube."""

    reasons: str | None
    """GeoTIFF of the bits that say why a pixel is missing or not usable."""

    bands: tuple[str, ...]
    """Of the truth."""

    tolerance: float
    """Largest difference from the truth."""

    def outcome(self, way: Way) -> Outcome | None:
        """Returns the outcome by one way of reading."""
        found: Outcome | None = getattr(self, way)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All entries and the places they are asked for."""

    regions: tuple[Place, ...]
    entries: tuple[Entry, ...]

    def of(self, region: str, way: Way) -> tuple[Entry, ...]:
        """Returns the entries of a region that one way of reading meets."""
        return tuple(
            entry for entry in self.entries if entry.region in (region, ANYWHERE) and entry.outcome(way) is not None
        )


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes a manifest as JSON."""
    from pipelines.schema import reason_attrs

    flags = reason_attrs()
    masks: Any = flags["flag_masks"]
    document = {
        "format": FORMAT,
        "about": "What is wrong with each item and how it must end; see docs/torture.md of ringmoe-datacube.",
        "reason_bits": dict(zip(str(flags["flag_meanings"]).split(), masks.tolist(), strict=True)),
        "regions": [place.to_dict() for place in manifest.regions],
        "entries": [asdict(entry) for entry in manifest.entries],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_manifest(path: Path) -> Manifest:
    """Returns the manifest of a torture catalogue.

    Raises:
        ValueError: It is of another format.
    """
    from pipelines.simulate.torture.place import Place

    document = json.loads(path.read_text(encoding="utf-8"))
    if document["format"] != FORMAT:
        raise ValueError(f"the manifest's format is {FORMAT}, got {document['format']}; write the catalogue anew")
    return Manifest(
        regions=tuple(Place.from_dict(region) for region in document["regions"]),
        entries=tuple(_entry(entry) for entry in document["entries"]),
    )


def _entry(document: dict[str, Any]) -> Entry:
    ways = {way: _outcome(document[way]) for way in ("disk", "http", "http_signed")}
    return Entry(**{**document, **ways, "bands": tuple(document["bands"])})


def _outcome(document: dict[str, Any] | None) -> Outcome | None:
    if document is None:
        return None
    lost = document["lost_px"]
    return Outcome(**{**document, "words": tuple(document["words"]), "lost_px": tuple(lost) if lost else None})
