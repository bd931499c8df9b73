"""The versions of a cube: what was written when, by which run, from which scenes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import icechunk

from pipelines.cube.errors import CubeError
from pipelines.cube.store import MAIN, Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One snapshot that readers could see."""

    snapshot: str
    time: datetime
    """When it was written, UTC."""

    message: str
    run: str
    """Id of the run, '' where none wrote it."""

    group: str
    """Group of the date that it added, '' where it added none."""

    scenes: tuple[str, ...]
    """Ids of the scenes of that date."""

    tags: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Returns the version as plain values, ready for JSON."""
        return {
            "snapshot": self.snapshot,
            "time": self.time.isoformat(),
            "message": self.message,
            "run": self.run,
            "group": self.group,
            "scenes": list(self.scenes),
            "tags": list(self.tags),
        }


def history(uri: str | Path) -> tuple[Version, ...]:
    """Returns the versions of a cube, the newest first.

    Args:
        uri: Address of the cube.

    Raises:
        CubeError: There is no cube.
    """
    return tuple(versions(open_store(uri)))


def versions(store: Store) -> Iterator[Version]:
    """Yields the snapshots of main that are whole, the newest first."""
    tagged = tags_of(store)
    for info in store.repository.ancestry(branch=MAIN):
        facts = dict(info.metadata)
        if facts.get("whole") is False:  # room for a date, committed so that workers could fork the session
            continue
        yield Version(
            snapshot=str(info.id),
            time=info.written_at.astimezone(UTC),
            message=str(info.message),
            run=str(facts.get("run", "")),
            group=str(facts.get("group", "")),
            scenes=tuple(str(scene) for scene in cast("Sequence[object]", facts.get("scenes", ()))),
            tags=tuple(sorted(name for name, snapshot in tagged.items() if snapshot == info.id)),
        )


def tags_of(store: Store) -> dict[str, str]:
    """Returns the snapshots that have a name, by name."""
    return {str(name): str(store.repository.lookup_tag(name)) for name in sorted(store.repository.list_tags())}


def snapshot_as_of(store: Store, instant: datetime) -> str:
    """Returns the id of the snapshot that readers saw at an instant.

    Args:
        store: The cube.
        instant: With its zone.

    Raises:
        CubeError: The instant has no zone, or lies before what is kept of the cube's history.
    """
    if not isinstance(instant, datetime):
        raise CubeError(f"as_of is a datetime with a zone, got {instant!r}; write datetime(2026, 3, 1, tzinfo=UTC)")
    if instant.tzinfo is None:
        raise CubeError(f"an instant has a zone, got {instant.isoformat()}; add +00:00 for UTC")
    oldest: Version | None = None
    for version in versions(store):
        if version.time <= instant:
            return version.snapshot
        oldest = version
    began = "nothing" if oldest is None else f"{oldest.time.isoformat()} ({oldest.snapshot})"
    raise CubeError(
        f"the history of {store.uri} must reach back to {instant.isoformat()}, it begins at {began}; take a later time"
    )


def snapshot_of_tag(store: Store, tag: str) -> str:
    """Returns the id of the snapshot that a tag names.

    Raises:
        CubeError: There is no such tag.
    """
    known = tags_of(store)
    if tag not in known:
        raise CubeError(f"a tag of {store.uri} is one of {sorted(known) or 'none yet'}, got {tag!r}; use one of them")
    return known[tag]


def tag_snapshot(uri: str | Path, name: str, snapshot: str | None = None) -> str:
    """Names a snapshot for good and returns its id: what is tagged never expires.

    Args:
        uri: Address of the cube.
        name: The tag; once given it cannot be moved.
        snapshot: Id, None names the newest.

    Raises:
        CubeError: The name is taken or breaks the rule, or the snapshot is unknown.
    """
    store = open_store(uri)
    chosen = snapshot or store.snapshot
    if not name or any(not (c.isalnum() or c in "._-") for c in name):
        raise CubeError(f"a tag has letters, digits, . _ and -, got {name!r}; choose another")
    held = tags_of(store).get(name)
    if held is not None:
        if held == chosen:
            return chosen
        raise CubeError(f"a tag names one snapshot for good, {name!r} names {held}; choose another name")
    store.read(chosen)
    try:
        store.repository.create_tag(name, chosen)
    except icechunk.IcechunkError as error:
        raise CubeError(f"the name of a tag that was deleted cannot come back, got {name!r}; choose another") from error
    return chosen


def remove_tag(uri: str | Path, name: str) -> str:
    """Takes a name from a snapshot, which may then expire, and returns its id; the name cannot be given again.

    Raises:
        CubeError: There is no such tag.
    """
    store = open_store(uri)
    snapshot = snapshot_of_tag(store, name)
    store.repository.delete_tag(name)
    return snapshot
