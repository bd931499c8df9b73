"""A versioned Zarr store in a local folder: the one place that opens, writes and commits Icechunk repositories.

A reader of `main` sees whole commits only. A run writes on a branch of its own, and `main` moves when a commit is
whole; a run that was killed leaves at most that branch and objects that nothing points to. The next run deletes the
branch and goes on from `main`.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import icechunk
import zarr

from pipelines.cube.errors import CubeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from icechunk import IcechunkStore

MAIN = "main"
_RUN_PREFIX = "run-"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """An Icechunk repository that exists."""

    uri: str
    repository: icechunk.Repository

    @property
    def snapshot(self) -> str:
        """Id of the snapshot at the tip of main."""
        return str(self.repository.lookup_branch(MAIN))

    def read(self, snapshot: str | None = None) -> IcechunkStore:
        """Returns a read-only Zarr store at a snapshot, the tip of main where None.

        Raises:
            CubeError: The snapshot is unknown.
        """
        try:
            return self.repository.readonly_session(snapshot_id=snapshot or self.snapshot).store
        except icechunk.IcechunkError as error:
            raise CubeError(
                f"a snapshot must be one of {self.uri}, got {snapshot!r}; leave it out for the newest",
            ) from error

    def root(self, snapshot: str | None = None) -> zarr.Group | None:
        """Returns the read-only root group at a snapshot, None where nothing was written yet."""
        try:
            return zarr.open_group(self.read(snapshot), mode="r", zarr_format=3)
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def run(self, run_id: str) -> Iterator[Run]:
        """Lends the right to write: one run at a time, on a branch of its own that starts at main.

        The right is a lock on the folder, which the system takes back when the process ends in whatever way; so
        every branch of a run that is found here was left by a killed one, and is deleted.

        Raises:
            CubeError: Another run is writing.
        """
        folder = os.open(self.uri, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CubeError(
                    f"one run writes to a cube at a time, got a second on {self.uri}; wait for the first"
                ) from error
            self._delete_stale_branches()
            branch = f"{_RUN_PREFIX}{run_id}"
            try:
                self.repository.create_branch(branch, self.snapshot)
            except icechunk.IcechunkError as error:
                raise CubeError(
                    f"a cube must be writable, {self.uri} is not ({error}); mend it, or free space"
                ) from error
            try:
                yield Run(store=self, run_id=run_id, branch=branch)
            finally:
                self.repository.delete_branch(branch)
        finally:
            os.close(folder)

    def _delete_stale_branches(self) -> None:
        for branch in sorted(self.repository.list_branches()):
            if not branch.startswith(_RUN_PREFIX):
                continue
            try:
                self.repository.delete_branch(branch)
                _LOG.info("deleted %s, left in %s by a run that was killed", branch, self.uri)
            except icechunk.IcechunkError:  # a reference torn by a power cut; nothing points to it
                _LOG.warning("branch %s of %s cannot be read; it is left alone and never used", branch, self.uri)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The right to write to a store, held by one run."""

    store: Store
    run_id: str
    branch: str

    def begin(self) -> Draft:
        """Returns an empty draft on top of main; a draft that is dropped leaves no trace a reader could see."""
        return Draft(run=self, session=self.store.repository.writable_session(self.branch))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Changes that are not yet visible to anyone."""

    run: Run
    session: icechunk.Session

    @property
    def root(self) -> zarr.Group:
        """The root group, writable from threads."""
        return zarr.open_group(self.session.store, mode="a", zarr_format=3)

    def publish(self, message: str, metadata: Mapping[str, object]) -> str:
        """Commits on the run's branch, then moves main to the commit; returns the snapshot's id.

        Args:
            message: One line for the history.
            metadata: JSON-able facts kept in the commit; the run's id is added.
        """
        repository = self.run.store.repository
        before = self.run.store.snapshot
        snapshot = self.session.commit(message, metadata={"run": self.run.run_id, **metadata})
        repository.reset_branch(MAIN, snapshot, from_snapshot_id=before)
        return str(snapshot)


def open_store(uri: str | Path) -> Store:
    """Returns the store in a folder.

    Raises:
        CubeError: The folder holds no repository.
    """
    folder = _folder(uri)
    if not _is_repository(folder):
        raise CubeError(f"a cube is a folder with an Icechunk repository, got {folder}; build it, or correct the path")
    return Store(uri=str(folder), repository=icechunk.Repository.open(_storage(folder)))


def create_store(uri: str | Path) -> Store:
    """Returns the store in a folder, made where there is none.

    A new repository is made beside its place and renamed into it: the folder holds a whole one or none.

    Raises:
        CubeError: The folder holds other files, or cannot be written.
    """
    folder = _folder(uri)
    if _is_repository(folder):
        return open_store(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CubeError(f"a new cube needs a free folder, {folder} holds other files; choose another output")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for debris in folder.parent.glob(f".{folder.name}.new-*"):
            shutil.rmtree(debris)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.new-", dir=folder.parent))
        icechunk.Repository.create(_storage(made))
        made.chmod(0o755)
        made.rename(folder)
    except (OSError, icechunk.IcechunkError) as error:
        raise CubeError(f"the folder of a cube must be writable, {folder} is not ({error}); mend it") from error
    return open_store(folder)


def _folder(uri: str | Path) -> Path:
    if "://" in str(uri):
        raise CubeError(f"a cube lies in a local folder, got {uri}; give a path")
    return Path(uri).absolute()


def _storage(folder: Path) -> icechunk.Storage:
    # without this each opening warns on stderr that a local folder has no safe concurrent commits: the lock sees to it
    icechunk.set_logs_filter("icechunk=error")
    return icechunk.local_filesystem_storage(str(folder))


def _is_repository(folder: Path) -> bool:
    # asked before Icechunk is: it creates the folder of a repository that it is asked about
    return (folder / "refs").is_dir() and icechunk.Repository.exists(_storage(folder))
