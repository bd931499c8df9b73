"""A versioned Zarr store: the one place that opens, writes and commits Icechunk repositories.

A reader of `main` sees whole commits only. A run writes on a branch of its own, and `main` moves by compare-and-set
when a commit is whole; a run that was killed leaves at most that branch and objects that nothing points to. On a local
disk one run writes at a time. On S3 several may: whoever finds that `main` has moved applies its date again on the new
tip.
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import icechunk
import zarr

from pipelines.cube.errors import CubeError
from pipelines.cube.lease import TURN, TURN_PREFIX, branch_of, is_ours, is_stale, turn_of
from pipelines.cube.storage import repository_fault, storage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import TypeAlias

    from icechunk import IcechunkStore

    from pipelines.cube.storage import Storage

    Replay: TypeAlias = Callable[["Draft", zarr.Group], None]
    """Applies to a fresh draft what the root group of a former one holds more than its base."""

MAIN = "main"
REPLAYS: Final = 30
"""How often a date is applied again before the run gives up: each time another run has committed a date meanwhile."""

_PAUSE_S: Final = 0.05
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """An Icechunk repository that exists."""

    uri: str
    repository: icechunk.Repository
    storage: Storage

    @property
    def snapshot(self) -> str:
        """Id of the snapshot at the tip of main."""
        return str(self.repository.lookup_branch(MAIN))

    def read(self, snapshot: str | None = None) -> IcechunkStore:
        """Returns a read-only Zarr store at a snapshot, the tip of main where None.

        Raises:
            CubeError: The snapshot is unknown, or has expired.
        """
        try:
            return self.repository.readonly_session(snapshot_id=snapshot or self.snapshot).store
        except icechunk.IcechunkError as error:
            raise CubeError(
                f"a snapshot must be one of {self.uri}, got {snapshot!r}, which is unknown or has expired; leave it "
                "out for the newest, or see `ringmoe store history`",
            ) from error

    def root(self, snapshot: str | None = None) -> zarr.Group | None:
        """Returns the read-only root group at a snapshot, None where nothing was written yet."""
        try:
            return zarr.open_group(self.read(snapshot), mode="r", zarr_format=3)
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def run(self, run_id: str) -> Iterator[Run]:
        """Lends the right to write, on a branch of its own that starts at main.

        On a local disk one run at a time holds it: a lock on the folder, which the system takes back when the process
        ends in whatever way; so every branch of a run that is found there was left by a killed one, and is deleted. On
        S3 several hold it, and only branches older than the lease are.

        Raises:
            CubeError: Another run is writing to the same local folder.
        """
        with self.storage.exclusive():
            self.sweep()
            run = Run(store=self, run_id=run_id)
            try:
                yield run
            finally:
                run.close()

    def sweep(self) -> tuple[str, ...]:
        """Deletes the branches that killed runs left and returns their names; the caller holds the right to write."""
        now, swept = datetime.now(UTC), []
        for branch in sorted(self.repository.list_branches()):
            if not is_ours(branch) or (self.storage.shared and not is_stale(branch, now)):
                continue
            try:
                self.repository.delete_branch(branch)
                swept.append(branch)
                _LOG.info("deleted %s, left in %s by a run that was killed", branch, self.uri)
            except icechunk.IcechunkError:  # torn by a power cut, or another run was faster; nothing points to it
                _LOG.warning("branch %s of %s cannot be read; it is left alone and never used", branch, self.uri)
        return tuple(swept)


class Run:
    """The right to write to a store."""

    def __init__(self, *, store: Store, run_id: str) -> None:
        """Args: store: where; run_id: stands in every commit."""
        self.store = store
        self.run_id = run_id
        self._branch = ""

    @property
    def branch(self) -> str:
        """Name of the branch of the draft that was begun last, '' before the first."""
        return self._branch

    def begin(self) -> Draft:
        """Returns an empty draft on top of main; a draft that is dropped leaves no trace a reader could see.

        Raises:
            CubeError: The store cannot be written.
        """
        self.close()
        repository, base = self.store.repository, self.store.snapshot
        # the time of the draft stands in the branch's name: begun anew it is a renewed lease
        branch = branch_of(f"{self.run_id}-{random.randrange(16**6):06x}", datetime.now(UTC))
        try:
            repository.create_branch(branch, base)
            self._branch = branch
            return Draft(run=self, base=base, branch=branch, session=repository.writable_session(branch))
        except icechunk.IcechunkError as error:
            raise CubeError(
                f"a cube must be writable, {self.store.uri} is not ({repository_fault(error)}); mend it, or free space"
            ) from error

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Asks other runs to let this one past, after those that asked before it.

        A courtesy only: whoever ignores it, or comes between, finds main moved or moves it, and nothing is lost.
        Without it the run whose dates are small could keep another from ever finding main where its own began.
        """
        repository, now = self.store.repository, datetime.now(UTC)
        name = turn_of(f"{self.run_id}-{random.randrange(16**6):06x}", now)
        repository.create_branch(name, self.store.snapshot)
        try:
            self.let_others_past(before=name)
            yield
        finally:
            with contextlib.suppress(icechunk.IcechunkError):  # swept by another run: it was older than the lease
                repository.delete_branch(name)

    def let_others_past(self, before: str | None = None) -> None:
        """Waits while another run has its turn, before a name where one is given; no longer than a turn lasts."""
        if not self.store.storage.shared:
            return
        end = time.monotonic() + TURN.total_seconds()
        while time.monotonic() < end:
            now = datetime.now(UTC)
            asked = [name for name in self.store.repository.list_branches() if name.startswith(TURN_PREFIX)]
            if not any((before is None or name < before) and not is_stale(name, now, TURN) for name in asked):
                return
            time.sleep(_PAUSE_S)

    def close(self) -> None:
        """Deletes the branch of the last draft."""
        if self._branch:
            branch, self._branch = self._branch, ""
            with contextlib.suppress(icechunk.IcechunkError):  # swept by another run: it was older than the lease
                self.store.repository.delete_branch(branch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Changes that are not yet visible to anyone."""

    run: Run
    base: str
    """Id of the snapshot at the tip of main when the draft was begun."""

    branch: str
    session: icechunk.Session

    @property
    def root(self) -> zarr.Group:
        """The root group, writable from threads."""
        return zarr.open_group(self.session.store, mode="a", zarr_format=3)

    def checkpoint(self, message: str) -> Draft:
        """Returns the draft after its changes are committed on the run's branch, so that its session can be forked.

        The commit says `whole: false`: once the date is published it lies in the history, and neither the list of
        versions nor a look-up by date ever gives it.
        """
        self.session.commit(message, metadata={"run": self.run.run_id, "whole": False})
        session = self.run.store.repository.writable_session(self.branch)
        return Draft(run=self.run, base=self.base, branch=self.branch, session=session)

    def publish(self, message: str, metadata: Mapping[str, object], *, replay: Replay | None = None) -> str:
        """Commits on the run's branch, then moves main to the commit; returns the snapshot's id.

        Where main is no longer where the draft began, `replay` applies the changes to a fresh draft on the new tip, as
        often as it takes; without it the draft is refused. History stays linear and nobody's commit is lost.

        Args:
            message: One line for the history.
            metadata: JSON-able facts kept in the commit; the run's id is added.
            replay: Given a fresh draft and the root group as this draft has it; what it raises ends the publication.

        Raises:
            CubeError: Main had moved and there is no `replay`, or it moved each time again.
        """
        first = self.commit(message, metadata)
        self.run.let_others_past()
        if self.move_main(first):
            return first
        if replay is None:
            raise CubeError(
                f"main of {self.run.store.uri} was moved by another run since this one began; nothing was written, run "
                "again"
            )
        changed = self.run.store.root(first)
        assert changed is not None
        for attempt in range(1, REPLAYS + 1):
            with self.run.turn():
                draft = self.run.begin()
                replay(draft, changed)
                snapshot = draft.commit(message, {**metadata, "rebased": attempt})
                if draft.move_main(snapshot):
                    return snapshot
            time.sleep(random.uniform(0.0, _PAUSE_S * min(attempt, 10)))
        raise CubeError(
            f"a date must find main of {self.run.store.uri} unmoved, other runs were faster {REPLAYS} times; let fewer "
            "write at once and run again"
        )

    def commit(self, message: str, metadata: Mapping[str, object]) -> str:
        """Commits on the run's branch and returns the snapshot's id; main stays."""
        return str(self.session.commit(message, metadata={"run": self.run.run_id, **metadata}))

    def move_main(self, snapshot: str) -> bool:
        """Moves main from the draft's base to a commit; returns False where another commit had moved it."""
        store = self.run.store
        try:
            store.repository.reset_branch(MAIN, snapshot, from_snapshot_id=self.base)
        except icechunk.IcechunkError as error:
            tip = store.snapshot
            if tip == self.base:
                raise CubeError(
                    f"main of {store.uri} could not be moved ({repository_fault(error)}); mend the store and run again"
                ) from error
            # a request that was repeated because its answer got lost finds that it had succeeded
            return _follows(store, tip, snapshot, self.base)
        return True


def _follows(store: Store, tip: str, snapshot: str, base: str) -> bool:
    for version in store.repository.ancestry(snapshot_id=tip):
        if version.id in {snapshot, base}:
            return bool(version.id == snapshot)
    return False


def open_store(uri: str | Path) -> Store:
    """Returns the store at an address.

    Args:
        uri: A local folder or `s3://bucket/prefix`, see `storage_of`.

    Raises:
        CubeError: There is no repository.
    """
    storage = storage_of(uri)
    if not storage.holds_repository():
        raise CubeError(
            f"a cube is a folder with an Icechunk repository, got {storage.uri}; build it, or correct the path"
        )
    return Store(uri=storage.uri, repository=icechunk.Repository.open(storage.icechunk()), storage=storage)


def create_store(uri: str | Path) -> Store:
    """Returns the store at an address, made where there is none: whole or not at all.

    Raises:
        CubeError: The place holds other files, or cannot be written.
    """
    storage = storage_of(uri)
    if not storage.holds_repository():
        storage.create_repository()
    return open_store(uri)
