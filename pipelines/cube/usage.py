"""What a cube takes on disk: by group and array at its newest version, by kind and by age in all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from zarr.core.sync import sync

from pipelines.cube.group import values_of
from pipelines.cube.history import tags_of, versions
from pipelines.cube.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    import zarr

AGES: Final = (("1 day", timedelta(days=1)), ("1 week", timedelta(days=7)), ("1 month", timedelta(days=30)))
"""Upper bounds of the classes of age; what is older is `older`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A cube's size and shape."""

    uri: str
    snapshot: str
    schema_version: str
    versions: int
    """Snapshots in the history."""

    tags: Mapping[str, str]
    dates: Mapping[str, int]
    """By group."""

    arrays: Mapping[str, Mapping[str, int]]
    """Bytes of the newest version, by group and array, as stored."""

    kinds: Mapping[str, int]
    """Bytes of all versions and of what is not yet collected, by kind of object: chunks, manifests and so on."""

    ages: Mapping[str, int]
    """The same bytes by age of the object."""

    @property
    def newest_bytes(self) -> int:
        """Bytes of the newest version."""
        return sum(sum(arrays.values()) for arrays in self.arrays.values())

    @property
    def total_bytes(self) -> int:
        """Bytes in all."""
        return sum(self.kinds.values())

    def to_dict(self) -> dict[str, object]:
        """Returns the usage as plain values, ready for JSON."""
        return {**asdict(self), "newest_bytes": self.newest_bytes, "total_bytes": self.total_bytes}


def disk_usage(uri: str | Path, *, now: datetime | None = None) -> Usage:
    """Returns what a cube takes on disk; every object is listed, none is read.

    Args:
        uri: Address of the cube.
        now: From when ages are counted, None takes the clock.

    Raises:
        CubeError: There is no cube.
    """
    store = open_store(uri)
    snapshot, moment = store.snapshot, now or datetime.now(UTC)
    root = store.root(snapshot)
    groups = {} if root is None else dict(sorted(root.groups()))
    kinds: dict[str, int] = defaultdict(int)
    ages: dict[str, int] = {name: 0 for name, _ in AGES} | {"older": 0}
    for found in store.storage.objects():
        kinds[found.path.partition("/")[0]] += found.num_bytes
        age = moment - found.modified
        ages[next((name for name, limit in AGES if age <= limit), "older")] += found.num_bytes
    return Usage(
        uri=store.uri,
        snapshot=snapshot,
        schema_version="" if root is None else str(root.attrs.get("schema_version", "")),
        versions=sum(1 for _ in versions(store)),
        tags=tags_of(store),
        dates={name: len(values_of(group, "time")) for name, group in groups.items()},
        arrays={name: _arrays(group) for name, group in groups.items()},
        kinds=dict(sorted(kinds.items())),
        ages=ages,
    )


def _arrays(group: zarr.Group) -> dict[str, int]:
    """Returns the stored bytes of each array with its metadata; the manifests say them, no chunk is asked for."""
    return {name: sync(group.store.getsize_prefix(f"{group.path}/{name}")) for name, _ in sorted(group.arrays())}
