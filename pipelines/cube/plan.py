"""Which dates a build must write, and where each goes: pure comparison of scenes with what the cube holds.

The rules, in this order. A scene that the cube holds in the same version needs nothing. One of which it holds a newer
version, or the same under another id, is left out. A newer version takes the place of the older one, whose name goes
into the date's lineage. A date is never rewritten without a scene that it holds: such an acquisition is held back.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from catalogs.resolve import SAME_TAKE, same_acquisitions
from pipelines.cube.acquisition import ONE_PASS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catalogs.scenes import Scene, SceneOutcome
    from pipelines.cube.acquisition import Acquisition
    from pipelines.cube.stored_scene import StoredScene


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDate:
    """One date of a group as it stands in the cube."""

    time_us: int
    """Microseconds since 1970-01-01 UTC."""

    scenes: tuple[StoredScene, ...]
    """In mosaic order."""

    lineage: str = ""
    """JSON of the scenes that the date superseded, '' where none."""

    read_failures: str = ""
    """JSON of what of it could not be read, '' where nothing is missing."""

    @property
    def scene_ids(self) -> tuple[str, ...]:
        """Ids of the scenes, in mosaic order."""
        return tuple(scene.id for scene in self.scenes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A stored scene that gives way to a newer version."""

    scene: StoredScene
    by: str
    """Id of the version that takes its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a date goes among those of its group."""

    order: tuple[int | None, ...]
    """Old index of each date in the new order, None where the new date goes: sorted by time."""

    superseded: tuple[Superseded, ...] = ()
    lineages: tuple[str, ...] = ()
    """Lineage of the dates that give way, as they stored it."""


class HeldBack(Exception):  # noqa: N818 an outcome on its way up
    """A date would lose a scene that the acquisition does not hold; the message names it."""


class AlreadyThere(Exception):  # noqa: N818 likewise
    """Another run has written the date since this one read its scenes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """The dates to write and the scenes that need none."""

    dates: tuple[Acquisition, ...]
    """In order of (time, group)."""

    settled: frozenset[str]
    """Ids of scenes that need nothing."""

    left_out: tuple[SceneOutcome, ...] = field(default=())
    """Scenes that the cube holds in a newer version, or that are held back."""


def plan_build(wanted: Iterable[Acquisition], stored: Mapping[str, tuple[StoredDate, ...]]) -> BuildPlan:
    """Returns what is left to do.

    Args:
        wanted: Acquisitions of all groups.
        stored: Dates in the cube by group; an absent group has none.
    """
    by_group: dict[str, list[Acquisition]] = defaultdict(list)
    for acquisition in wanted:
        by_group[acquisition.group].append(acquisition)
    dates: list[Acquisition] = []
    settled: set[str] = set()
    left_out: list[SceneOutcome] = []
    for group, acquisitions in by_group.items():
        held = stored.get(group, ())
        index = _Index(held)
        older = _outranked([scene for date in acquisitions for scene in date.scenes], held)
        left_out += older.values()
        for acquisition in acquisitions:
            rest: Acquisition | None = acquisition
            for scene in acquisition.scenes:
                if scene.id in older and rest is not None:
                    rest = rest.without(scene.id)
            if rest is None:
                continue
            near = index.near(rest)
            if is_settled(rest, near):
                settled.update(rest.ids)
                continue
            try:
                place(rest.time_us, rest.scenes, near)
                dates.append(rest)
            except HeldBack as refusal:
                left_out += held_back(rest, near, str(refusal))
    return BuildPlan(
        dates=tuple(sorted(dates, key=lambda date: (date.time_us, date.group))),
        settled=frozenset(settled),
        left_out=tuple(left_out),
    )


class _Index:
    """Finds the stored dates that an acquisition can have to do with."""

    def __init__(self, stored: Sequence[StoredDate]) -> None:
        self._stored = stored
        self._times = [date.time_us for date in stored]
        self._by_id: dict[str, list[int]] = defaultdict(list)
        for number, date in enumerate(stored):
            for scene_id in date.scene_ids:
                self._by_id[scene_id].append(number)

    def near(self, acquisition: Acquisition) -> tuple[StoredDate, ...]:
        """Returns the dates around it and those that share a scene with it, in order."""
        reach = 2 * (SAME_TAKE + ONE_PASS) // timedelta(microseconds=1)
        first = bisect.bisect_left(self._times, acquisition.time_us - reach)
        last = bisect.bisect_right(self._times, acquisition.time_us + reach)
        shared = (number for scene_id in acquisition.ids for number in self._by_id.get(scene_id, ()))
        return tuple(self._stored[number] for number in sorted({*range(first, last), *shared}))


def is_settled(acquisition: Acquisition, stored: Iterable[StoredDate]) -> bool:
    """Returns whether one stored date holds every scene of the acquisition, none in an older version.

    A date of just these scenes of which some pixels could not be read is not settled: it is tried again.
    """
    for date in stored:
        held = {scene.id: scene for scene in date.scenes}
        if date.read_failures and set(held) == set(acquisition.ids):
            continue
        if all(scene.id in held and not _updates(scene, held[scene.id]) for scene in acquisition.scenes):
            return True
    return False


def place(time_us: int, scenes: Sequence[Scene], stored: Sequence[StoredDate]) -> Placement:
    """Returns where a date goes and what gives way to it.

    A stored date gives way where it shares a scene or the exact time with the new one, or holds an older version of one
    of its scenes: a late tile of the same pass, or a reprocessed product.

    Args:
        time_us: Time of the new date in microseconds since 1970-01-01 UTC.
        scenes: Its scenes.
        stored: The dates of the group.

    Raises:
        HeldBack: A date that gives way holds a scene that is neither in the new one nor superseded by it.

    Example:
        Stored times 10, 30 and a date at 20 give (0, None, 1).
    """
    before: list[int] = []
    after: list[int] = []
    superseded: list[Superseded] = []
    lineages: list[str] = []
    ids = {scene.id for scene in scenes}
    for index, date in enumerate(stored):
        found = [_superseded(scene, scenes, same_time=date.time_us == time_us) for scene in date.scenes]
        if date.time_us != time_us and not ids & set(date.scene_ids) and not any(found):
            (before if date.time_us < time_us else after).append(index)
            continue
        lost = [s.id for s, gone in zip(date.scenes, found, strict=True) if gone is None and s.id not in ids]
        if lost:
            raise HeldBack(
                f"a date is rewritten with all of its scenes, this one holds {' '.join(lost)} too, which the search "
                "did not find; widen its filters"
            )
        superseded += [gone for gone in found if gone is not None]
        lineages += [date.lineage] if date.lineage else []
    return Placement(order=(*before, None, *after), superseded=tuple(superseded), lineages=tuple(lineages))


def held_back(acquisition: Acquisition, stored: Iterable[StoredDate], detail: str) -> list[SceneOutcome]:
    """Returns the outcomes of the scenes that a date which is held back would have added."""
    held = {scene_id for date in stored for scene_id in date.scene_ids}
    return [scene.skipped("held_back", detail) for scene in acquisition.scenes if scene.id not in held]


def _outranked(wanted: Sequence[Scene], stored: Sequence[StoredDate]) -> dict[str, SceneOutcome]:
    """Returns the outcomes of scenes of which the cube holds a version at least as new under another id, by id."""
    ids = {scene.id for scene in wanted}
    rivals = {id(s.scene): s for date in stored for s in date.scenes if s.scene is not None and s.id not in ids}
    held = {s.id for date in stored for s in date.scenes}
    pool = [scene for scene in wanted if scene.id not in held]
    outcomes: dict[str, SceneOutcome] = {}
    if not pool or not rivals:
        return outcomes
    for copies in same_acquisitions([*pool, *(s.scene for s in rivals.values() if s.scene is not None)]):
        known = [rivals[id(scene)] for scene in copies if id(scene) in rivals]
        for scene in copies:
            winner = next((s for s in known if id(scene) not in rivals and s.outranks(scene)), None)
            if winner is not None:
                detail = (
                    f"baseline {scene.processing_baseline or 'unknown'}, the cube holds the same acquisition as "
                    f"{winner.id} of baseline {winner.baseline or 'unknown'}"
                )
                outcomes[scene.id] = scene.skipped("superseded", detail)
    return outcomes


def _superseded(stored: StoredScene, scenes: Sequence[Scene], *, same_time: bool) -> Superseded | None:
    for scene in scenes:
        if scene.id == stored.id:
            return Superseded(scene=stored, by=scene.id) if _updates(scene, stored) else None
    for scene in scenes:
        # schema 1.0 kept no facts of a scene: there the time alone tells
        if stored.gives_way_to(scene) or (stored.scene is None and same_time):
            return Superseded(scene=stored, by=scene.id)
    return None


def _updates(scene: Scene, stored: StoredScene) -> bool:
    """Whether an item that kept its id is another version of the stored scene."""
    if stored.scene is None:
        return False
    same = (stored.scene.processing_baseline, stored.scene.tier, stored.scene.generated)
    return same != (scene.processing_baseline, scene.tier, scene.generated) and stored.gives_way_to(scene)
