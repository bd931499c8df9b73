"""What grows old in a store and how it goes: expiry of versions, collection of what nothing points to, deletion.

Each step first says what would go, and does it only when told to. A local store is held for the while; on a shared one
nothing younger than a lease is collected, since a run may be writing it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import icechunk

from pipelines.cube.errors import CubeError
from pipelines.cube.history import Version, tags_of, versions
from pipelines.cube.lease import LEASE, is_ours, is_stale
from pipelines.cube.storage import REPOSITORY_ENTRIES, repository_fault
from pipelines.cube.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.cube.store import Store

KEEP_PREFIX: Final = "keep-"
"""Tags made by an expiry for the snapshots that it was told to keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Versions that leave the history; their bytes go with the next collection."""

    expired: tuple[Version, ...]
    """The newest first."""

    kept: tuple[str, ...]
    """Ids of older snapshots that stay since they are tagged or named."""

    done: bool

    def to_dict(self) -> dict[str, object]:
        """Returns the expiry as plain values, ready for JSON."""
        return {"expired": [v.to_dict() for v in self.expired], "kept": list(self.kept), "done": self.done}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Objects that nothing points to."""

    num_bytes: int
    chunks: int
    manifests: int
    snapshots: int
    branches: tuple[str, ...]
    """Of runs that were killed."""

    older_than: datetime
    done: bool

    def to_dict(self) -> dict[str, object]:
        """Returns the collection as plain values, ready for JSON."""
        return {**asdict(self), "branches": list(self.branches), "older_than": self.older_than.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A store that goes as a whole."""

    uri: str
    objects: int
    num_bytes: int
    done: bool

    def to_dict(self) -> dict[str, object]:
        """Returns the deletion as plain values, ready for JSON."""
        return asdict(self)


def expire(uri: str | Path, older_than: datetime, *, keep: Iterable[str] = (), do_it: bool = False) -> Expiry:
    """Takes the versions written before an instant out of the history, and returns them.

    The newest version, tagged ones and those in `keep` stay readable for good: the latter are given a tag.

    Args:
        uri: Address of the cube.
        older_than: With its zone.
        keep: Ids of snapshots, say those that published products name.
        do_it: False says what would go.

    Raises:
        CubeError: The instant has no zone, or a snapshot to keep is unknown.
    """
    if older_than.tzinfo is None:
        raise CubeError(f"an instant has a zone, got {older_than.isoformat()}; add +00:00 for UTC")
    store = open_store(uri)
    with store.storage.exclusive():
        wanted = tuple(dict.fromkeys(keep))
        for snapshot in wanted:
            store.read(snapshot)
        tagged = tags_of(store)
        stay = {store.snapshot, *tagged.values(), *wanted}
        # Icechunk's own first snapshot holds nothing and always stays
        line = tuple(versions(store))
        old = [v for v in line if v.time < older_than and v.message != "Repository initialized"]
        young = {v.snapshot for v in line if v.time >= older_than}
        expired = tuple(version for version in old if version.snapshot not in stay)
        kept = tuple(version.snapshot for version in old if version.snapshot in stay)
        if do_it:
            # also what an earlier expiry took out of the history and a tag kept that has been removed since
            for snapshot in sorted(set(wanted) - young - set(tagged.values())):
                _keep(store, snapshot)
            store.repository.expire_snapshots(older_than)
    return Expiry(expired=expired, kept=kept, done=do_it)


def collect_garbage(uri: str | Path, *, do_it: bool = False, now: datetime | None = None) -> Collection:
    """Deletes what killed runs, dropped drafts and expired versions left, and returns how much it is.

    Args:
        uri: Address of the cube.
        do_it: False says what would go.
        now: None takes the clock.

    Raises:
        CubeError: Another run is writing to the same local folder.
    """
    store = open_store(uri)
    moment = now or datetime.now(UTC)
    older_than = moment - LEASE if store.storage.shared else moment
    with store.storage.exclusive():
        branches = _left_branches(store, moment)
        for branch in branches if do_it else ():
            with contextlib.suppress(icechunk.IcechunkError):  # torn by a power cut: nothing can be reached from it
                store.repository.delete_branch(branch)
        try:
            found = store.repository.garbage_collect(older_than, dry_run=not do_it)
        except icechunk.IcechunkError as error:
            raise CubeError(
                f"what nothing points to in {store.uri} could not be collected ({repository_fault(error)}); mend the "
                "store and try again"
            ) from error
    return Collection(
        num_bytes=int(found.bytes_deleted),
        chunks=int(found.chunks_deleted),
        manifests=int(found.manifests_deleted),
        snapshots=int(found.snapshots_deleted),
        branches=branches,
        older_than=older_than,
        done=do_it,
    )


def delete_store(uri: str | Path, *, do_it: bool = False) -> Deletion:
    """Deletes a cube, or the repository of a region's predictions, with all of its versions.

    Args:
        uri: Its address.
        do_it: False says what would go.

    Raises:
        CubeError: There is no repository, other things lie with it, or a run is writing to it.
    """
    store = open_store(uri)
    found = tuple(store.storage.objects())
    foreign = sorted({item.path for item in found if item.path.partition("/")[0] not in REPOSITORY_ENTRIES})
    if foreign:
        raise CubeError(
            f"only what the store wrote is deleted, {store.uri} holds {foreign[0]} too; move it away, or delete by hand"
        )
    with store.storage.exclusive():
        if do_it:
            store.storage.remove()
    total = sum(item.num_bytes for item in found)
    return Deletion(uri=store.uri, objects=len(found), num_bytes=total, done=do_it)


def _keep(store: Store, snapshot: str) -> None:
    """Tags a snapshot; the name of a tag that was removed cannot come back, and the next one is taken."""
    names = [f"{KEEP_PREFIX}{snapshot}", *(f"{KEEP_PREFIX}{snapshot}-{number}" for number in range(2, 100))]
    for name in names:
        try:
            store.repository.create_tag(name, snapshot)
        except icechunk.IcechunkError as error:
            fault = error
        else:
            return
    raise CubeError(
        f"a snapshot that stays gets a tag, {snapshot} got none ({repository_fault(fault)}); tag it yourself"
    )


def _left_branches(store: Store, now: datetime) -> tuple[str, ...]:
    runs = sorted(branch for branch in store.repository.list_branches() if is_ours(branch))
    return tuple(branch for branch in runs if not store.storage.shared or is_stale(branch, now))
