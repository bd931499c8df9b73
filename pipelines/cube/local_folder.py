"""A store in a folder of this machine: one process writes at a time, held to it by a lock on the folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import icechunk

from pipelines.cube.errors import CubeError
from pipelines.cube.storage import StoredObject, repository_fault

if TYPE_CHECKING:
    from collections.abc import Iterator


class LocalFolder:
    """A folder; Icechunk's commits to a file system are not safe against each other, so the lock is needed."""

    def __init__(self, folder: str | Path) -> None:
        """Args: folder: absolute, or taken from the working directory."""
        self.folder = Path(folder).absolute()

    @property
    def uri(self) -> str:
        """The absolute path."""
        return str(self.folder)

    @property
    def shared(self) -> bool:
        """Never: a file system does not compare before it swaps."""
        return False

    def icechunk(self) -> icechunk.Storage:
        """Returns how Icechunk reaches the folder."""
        # without this each opening warns on stderr that a folder has no safe concurrent commits: the lock sees to it
        icechunk.set_logs_filter("icechunk=error")
        return icechunk.local_filesystem_storage(str(self.folder))

    def holds_repository(self) -> bool:
        """Returns whether the folder holds a repository."""
        # asked before Icechunk is: it creates the folder of a repository that it is asked about
        return (self.folder / "refs").is_dir() and icechunk.Repository.exists(self.icechunk())

    def create_repository(self) -> None:
        """Makes a repository beside the folder and renames it into place: the folder holds a whole one or none.

        Where another process was faster, its repository is taken.

        Raises:
            CubeError: The folder holds other files, or cannot be written.
        """
        folder = self.folder
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            if self.holds_repository():
                return
            raise CubeError(f"a new cube needs a free folder, {folder} holds other files; choose another output")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._sweep()
            made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.new-", dir=folder.parent))
            try:
                with _locked(made):
                    icechunk.Repository.create(LocalFolder(made).icechunk())
                    made.chmod(0o755)
                    made.rename(folder)
            except OSError:
                if not self.holds_repository():
                    raise
                shutil.rmtree(made)
        except (OSError, icechunk.IcechunkError) as error:
            raise CubeError(
                f"the folder of a cube must be writable, {folder} is not ({repository_fault(error)}); mend it"
            ) from error

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Holds a lock on the folder, which the system takes back when the process ends in whatever way.

        Raises:
            CubeError: Another process holds it.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(_locked(self.folder))
            except BlockingIOError as error:
                raise CubeError(
                    f"one run writes to a local cube at a time, got a second on {self.uri}; wait for the first, or "
                    "keep the cube on S3, where several may write"
                ) from error
            yield

    def objects(self) -> Iterator[StoredObject]:
        """Yields the files below the folder, sorted by path."""
        for path in sorted(self.folder.rglob("*")):
            try:
                found = path.lstat()
            except FileNotFoundError:  # a writer renames its temporary files
                continue
            if not path.is_dir():
                modified = datetime.fromtimestamp(found.st_mtime, UTC)
                name = path.relative_to(self.folder).as_posix()
                yield StoredObject(path=name, num_bytes=found.st_size, modified=modified)

    def remove(self) -> None:
        """Renames the folder away, then deletes it.

        Raises:
            CubeError: The folder is a link, or cannot be deleted.
        """
        if self.folder.is_symlink():
            raise CubeError(f"a cube is deleted where it lies, {self.folder} is a link; name {self.folder.resolve()}")
        gone = self.folder.with_name(f".{self.folder.name}.deleted-{os.getpid()}")
        try:
            self.folder.rename(gone)
            shutil.rmtree(gone)
        except OSError as error:
            raise CubeError(f"{self.folder} could not be deleted: {error}; what is left is in {gone}") from error

    def _sweep(self) -> None:
        """Deletes repositories that were never finished; one that is being made is locked, and stays."""
        for debris in self.folder.parent.glob(f".{self.folder.name}.new-*"):
            with contextlib.suppress(BlockingIOError, FileNotFoundError), _locked(debris):
                shutil.rmtree(debris)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds a lock on a folder; raises BlockingIOError where another process does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
