"""Scenes that belong to one date of the cube."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalogs.scenes import Scene

ONE_PASS = timedelta(minutes=10)
"""Tiles and slices of one pass over a region lie at most minutes apart, two passes of one satellite about 100."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(time: datetime) -> int:
    """Returns an instant as whole microseconds since 1970-01-01 UTC, exact."""
    return (time - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """The scenes of one group that make one date: tiles of one pass, or one composite."""

    group: str
    scenes: tuple[Scene, ...]
    """Sorted by (time, id): the order in which a mosaic takes its pixels. Never empty."""

    def __post_init__(self) -> None:
        if not self.scenes:
            raise ValueError("an acquisition holds at least one scene, got none; leave it out")

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the scenes in mosaic order."""
        return tuple(scene.id for scene in self.scenes)

    @property
    def time_us(self) -> int:
        """Time of the first scene in microseconds since 1970-01-01 UTC: the date's coordinate."""
        return microseconds(self.scenes[0].time)

    @property
    def bounds_us(self) -> tuple[int, int]:
        """First start and last end of the scenes, likewise."""
        starts = [microseconds(scene.time_start) for scene in self.scenes]
        return min(starts), max(microseconds(scene.time_end) for scene in self.scenes)

    @property
    def label(self) -> str:
        """Group and day, for a reader."""
        return f"{self.group} {self.scenes[0].time.astimezone(UTC):%Y-%m-%d}"

    def without(self, scene_id: str) -> Acquisition | None:
        """Returns the acquisition less one scene, None where nothing is left."""
        rest = tuple(scene for scene in self.scenes if scene.id != scene_id)
        return Acquisition(group=self.group, scenes=rest) if rest else None


def acquisitions(scenes: Iterable[Scene], group: str) -> tuple[Acquisition, ...]:
    """Returns the scenes of one group gathered into dates, in order of time.

    Two scenes share a date where their times are equal, or where both are single acquisitions of the same named
    satellite and relative orbit at most ten minutes after the first of them: neighbouring tiles or slices of one pass.
    """
    gathered: list[list[Scene]] = []
    for scene in sorted(scenes, key=lambda scene: (scene.time, scene.id)):
        home = next((members for members in reversed(gathered[-4:]) if _same_date(members[0], scene)), None)
        if home is None:
            gathered.append([scene])
        else:
            home.append(scene)
    return tuple(Acquisition(group=group, scenes=tuple(members)) for members in gathered)


def _same_date(first: Scene, scene: Scene) -> bool:
    if first.time == scene.time:
        return True
    single = first.time_start == first.time_end and scene.time_start == scene.time_end
    same_pass = (first.platform, first.relative_orbit) == (scene.platform, scene.relative_orbit)
    return single and bool(scene.platform) and same_pass and scene.time - first.time <= ONE_PASS
