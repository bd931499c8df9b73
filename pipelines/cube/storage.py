"""Where a store lies, a local folder or a prefix of an S3 bucket, and what either can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    import icechunk

REPOSITORY_ENTRIES: Final = frozenset(
    {"attributes", "chunks", "config.yaml", "manifests", "overwritten", "refs", "repo", "snapshots", "transactions"}
)
"""What Icechunk keeps at the top of a repository; anything else was not put there by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One file or object of a store."""

    path: str
    """Below the store, with forward slashes."""

    num_bytes: int
    modified: datetime
    """UTC."""


class Storage(Protocol):
    """A place that holds at most one Icechunk repository."""

    @property
    def uri(self) -> str:
        """The place as it is written in references: no secret is in it."""

    @property
    def shared(self) -> bool:
        """Whether several processes may write at once: true where the server compares before it swaps."""

    def icechunk(self) -> icechunk.Storage:
        """Returns how Icechunk reaches the place."""

    def holds_repository(self) -> bool:
        """Returns whether a repository is there; makes nothing."""

    def create_repository(self) -> None:
        """Makes a repository where there is none, whole or not at all; another process may have been faster."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Returns the right to write, held by one process at a time; free at once where the place is shared."""

    def objects(self) -> Iterator[StoredObject]:
        """Yields what lies there, the repository's or not."""

    def remove(self) -> None:
        """Deletes the place with all that lies there; references go first, so that no reader sees half a store."""


def storage_of(uri: str | Path) -> Storage:
    """Returns the storage that an address names.

    Args:
        uri: A local path, or `s3://bucket/prefix`, which may say `?endpoint=https://host&region=name`.

    Raises:
        CubeError: The address is of another kind, or breaks a rule of its kind.
    """
    from pipelines.cube.errors import CubeError
    from pipelines.cube.local_folder import LocalFolder

    text = str(uri)
    if text.startswith("s3://"):
        from pipelines.cube.s3_prefix import S3Prefix

        return S3Prefix.parse(text)
    if "://" in text:
        scheme = text.partition("://")[0]
        raise CubeError(f"a cube lies in a local folder or at s3://bucket/prefix, got {scheme}://...; give one of them")
    return LocalFolder(text)


def shared_storage(uri: str) -> Storage:
    """Returns the storage of an address on S3.

    Raises:
        ValueError: It is no such address, or breaks a rule.
    """
    from pipelines.cube.errors import CubeError

    if not uri.startswith("s3://"):
        told = f"{uri.partition('://')[0]}://..." if "://" in uri else repr(uri)  # the rest may hold a secret
        raise ValueError(f"must be s3://bucket/prefix, got {told}; a local cube lies in the output folder")
    try:
        return storage_of(uri)
    except CubeError as error:
        raise ValueError(str(error)) from error


def repository_fault(error: Exception) -> str:
    """Returns what went wrong in one line: Icechunk's messages carry a stack of its own below."""
    lines = [line.strip(" |x`->") for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("context:", "at ", "with "))]
    kept = [line for line in told if "icechunk::" not in line and not line[0].isdigit()]
    return ": ".join(dict.fromkeys(kept)) or type(error).__name__
