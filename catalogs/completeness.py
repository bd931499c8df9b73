"""What a catalogue ought to hold and does not: passes that the orbit foretells, and scenes that another one has.

A satellite passes on the same track again after its repeat cycle (`Sensor.repeat_days`). From every track that was seen
at all its other passes in the time follow. A pass that was not found may be a gap of the catalogue; it may also never
have been acquired (a radar follows a plan of acquisitions, satellites are manoeuvred), so gaps are told and nothing is
refused for them. Tracks that were never seen are not missed.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from catalogs.resolve import SAME_TAKE
from catalogs.sensors import load_sensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catalogs.scenes import SceneSet, Sighting

ON_TIME = timedelta(hours=12)
"""Passes keep to their minute; half a day tells ascending from descending ones of another track."""

SAME_VERSION = ("duplicate", "superseded")
"""Skips behind which another scene of the same acquisition is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Where one satellite passes: found and expected passes in the time asked for."""

    sensor: str
    platform: str
    relative_orbit: int | None
    tile: str
    repeat_days: int
    found: int
    expected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Passes of one track in a row that were expected and not found."""

    sensor: str
    platform: str
    relative_orbit: int | None
    tile: str
    first: str
    """Day of the first of them, UTC."""

    last: str
    passes: int
    place: Literal["before", "within", "after"]
    """Before the first pass found, between two that were found, or after the last: where a catalogue lags, and where a
    satellite began or ended its service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisits:
    """The passes of all tracks."""

    tracks: tuple[Track, ...]
    gaps: tuple[Gap, ...]
    not_judged: int
    """Acquisitions of which no repeat is known: composites, aerial images, items without satellite or track."""

    @property
    def expected(self) -> int:
        """Passes that the tracks foretell, the found ones among them."""
        return sum(track.expected for track in self.tracks)

    @property
    def found(self) -> int:
        """Passes that were found."""
        return sum(track.found for track in self.tracks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """An acquisition that the second catalogue has and the first has not."""

    id: str
    collection: str
    sensor: str
    platform: str
    time: str
    tile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What two catalogues hold of one area and time."""

    in_both: int
    only_first: int
    lacking: tuple[Lacking, ...]


def sightings(found: SceneSet) -> tuple[Sighting, ...]:
    """Returns every acquisition that a scene set shows, used or not, in order of time."""
    seen = [scene.sighting for scene in found.scenes]
    seen += [row.sighting for row in found.skipped if row.sighting and row.reason not in SAME_VERSION]
    return tuple(sorted(seen, key=lambda one: (one.time, one.sensor, one.tile)))


def revisits(seen: Iterable[Sighting], start: datetime, end: datetime) -> Revisits:
    """Returns the passes that the tracks seen foretell in [start, end), and which of them were found.

    Args:
        seen: Acquisitions within the time.
        start: First instant asked for.
        end: First instant no longer asked for; not later than now, else the future is missed.
    """
    grouped: dict[tuple[str, str, int | None, str], list[datetime]] = defaultdict(list)
    not_judged = 0
    for one in seen:
        key = _track(one)
        if key is None:
            not_judged += 1
        else:
            grouped[key].append(one.time)
    tracks: list[Track] = []
    gaps: list[Gap] = []
    for (sensor, platform, orbit, tile), times in sorted(grouped.items(), key=lambda pair: str(pair[0])):
        days = load_sensor(sensor).repeat_days
        assert days is not None, "a track has a repeat cycle"
        where = {"sensor": sensor, "platform": platform, "relative_orbit": orbit, "tile": tile}
        for passes in _phases(times, timedelta(days=days)):
            found, missing = _judge(passes, timedelta(days=days), start, end)
            tracks.append(Track(**where, repeat_days=days, found=len(found), expected=len(found) + len(missing)))  # type: ignore[arg-type]
            gaps += [Gap(**where, **told) for told in _gaps(found, missing, passes[0], timedelta(days=days))]  # type: ignore[arg-type]
    return Revisits(tracks=tuple(tracks), gaps=tuple(gaps), not_judged=not_judged)


def compare(first: SceneSet, second: SceneSet) -> Difference:
    """Returns which acquisitions two catalogues share, and which the first lacks.

    Two are the same where their product names say so, or, where one has none, where sensor, satellite and tile agree
    and their times lie within a data take.

    Args:
        first: The answer of the catalogue that is used.
        second: That of the other one to the same question.
    """
    ours, theirs = _named(first), _named(second)
    known = _Index([one for _, _, one in ours])
    lacking = [(name, collection, one) for name, collection, one in theirs if not known.holds(one)]
    others = _Index([one for _, _, one in theirs])
    return Difference(
        in_both=len(theirs) - len(lacking),
        only_first=sum(not others.holds(one) for _, _, one in ours),
        lacking=tuple(
            Lacking(
                id=name,
                collection=collection,
                sensor=one.sensor,
                platform=one.platform,
                time=one.time.isoformat(),
                tile=one.tile,
            )
            for name, collection, one in sorted(lacking, key=lambda row: (row[2].time, row[0]))
        ),
    )


def _track(one: Sighting) -> tuple[str, str, int | None, str] | None:
    radar = bool(load_sensor(one.sensor).polarisations)
    tile = "" if radar else one.tile  # slices of a radar pass are cut anew every time
    told = one.relative_orbit is not None or tile
    if one.composite or not one.platform or not told or load_sensor(one.sensor).repeat_days is None:
        return None
    return one.sensor, one.platform, one.relative_orbit, tile


def _phases(times: Iterable[datetime], cycle: timedelta) -> list[list[datetime]]:
    """Passes of a track that keep step with each other: a place may see one track twice in a cycle, at its edges."""
    phases: list[list[datetime]] = []
    for time in sorted(times):
        for phase in phases:
            off = (time - phase[0]) % cycle
            if min(off, cycle - off) <= ON_TIME:
                phase.append(time)
                break
        else:
            phases.append([time])
    return phases


def _judge(passes: Sequence[datetime], cycle: timedelta, start: datetime, end: datetime) -> tuple[list[int], list[int]]:
    """Numbers of the cycles, counted from the first pass, that were found and that were missed."""
    anchor = passes[0]
    found = sorted({round((time - anchor) / cycle) for time in passes})
    first, last = -((anchor - start) // cycle), (end - anchor) // cycle
    if anchor + last * cycle >= end:
        last -= 1
    return found, [number for number in range(first, last + 1) if number not in set(found)]


def _gaps(found: list[int], missing: list[int], anchor: datetime, cycle: timedelta) -> Iterable[dict[str, object]]:
    for _, run in itertools.groupby(enumerate(missing), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        before, after = numbers[-1] < found[0], numbers[0] > found[-1]
        yield {
            "first": f"{anchor + numbers[0] * cycle:%Y-%m-%d}",
            "last": f"{anchor + numbers[-1] * cycle:%Y-%m-%d}",
            "passes": len(numbers),
            "place": "before" if before else "after" if after else "within",
        }


def _named(found: SceneSet) -> list[tuple[str, str, Sighting]]:
    named = [(scene.id, scene.collection, scene.sighting) for scene in found.scenes]
    kept = [row for row in found.skipped if row.reason not in SAME_VERSION]
    return named + [(row.id, row.collection, row.sighting) for row in kept if row.sighting]


class _Index:
    """Acquisitions, asked for one by one."""

    def __init__(self, seen: list[Sighting]) -> None:
        self._names = {(one.sensor, one.acquisition_id) for one in seen if one.acquisition_id}
        self._places: dict[tuple[str, str], list[Sighting]] = defaultdict(list)
        for one in seen:
            self._places[one.sensor, one.platform].append(one)

    def holds(self, one: Sighting) -> bool:
        if one.acquisition_id and (one.sensor, one.acquisition_id) in self._names:
            return True
        return any(
            abs(other.time - one.time) <= SAME_TAKE
            and not (one.acquisition_id and other.acquisition_id)
            and (other.tile == one.tile or not other.tile or not one.tile)
            for other in self._places[one.sensor, one.platform]
        )
