"""Which dates a build must write: pure comparison of scenes with what the cube holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelines.cube.acquisition import Acquisition


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDate:
    """One date of a group as it stands in the cube."""

    time_us: int
    """Microseconds since 1970-01-01 UTC."""

    scene_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """The dates to write and the scenes that the cube already holds."""

    dates: tuple[Acquisition, ...]
    """In order of (time, group)."""

    settled: frozenset[str]
    """Ids of scenes that need nothing."""


def plan_build(wanted: Iterable[Acquisition], stored: Mapping[str, tuple[StoredDate, ...]]) -> BuildPlan:
    """Returns what is left to do.

    Args:
        wanted: Acquisitions of all groups.
        stored: Dates in the cube by group; an absent group has none.
    """
    dates, settled = [], set[str]()
    for acquisition in wanted:
        if is_settled(acquisition, stored.get(acquisition.group, ())):
            settled.update(acquisition.ids)
        else:
            dates.append(acquisition)
    return BuildPlan(
        dates=tuple(sorted(dates, key=lambda date: (date.time_us, date.group))),
        settled=frozenset(settled),
    )


def is_settled(acquisition: Acquisition, stored: Iterable[StoredDate]) -> bool:
    """Returns whether one stored date holds every scene of the acquisition."""
    return any(set(acquisition.ids) <= set(date.scene_ids) for date in stored)


def new_order(acquisition: Acquisition, stored: tuple[StoredDate, ...]) -> tuple[int | None, ...]:
    """Returns the dates after the acquisition went in: old indices, None where it stands, sorted by time.

    A stored date that shares a scene or the exact time with the acquisition gives way to it: a late tile of the same
    pass, or a newer version of the same product.

    Example:
        Stored times 10, 30 and an acquisition at 20 give (0, None, 1).
    """
    kept = [
        (date.time_us, index)
        for index, date in enumerate(stored)
        if date.time_us != acquisition.time_us and not set(date.scene_ids) & set(acquisition.ids)
    ]
    before = tuple(index for time_us, index in kept if time_us < acquisition.time_us)
    after = tuple(index for time_us, index in kept if time_us > acquisition.time_us)
    return (*before, None, *after)
