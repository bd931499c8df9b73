"""Which composites the dates of a cube make, and which of those that were made have no date any more."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pipelines.composite.period import EPOCH, gather
from pipelines.cube.acquisition import microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipelines.composite.options import CompositeOptions
    from pipelines.composite.period import Period


@dataclass(frozen=True, slots=True, kw_only=True)
class DateFacts:
    """One date of the cube that composites are made from."""

    time_us: int
    """Microseconds since 1970-01-01 UTC."""

    identity: str
    """Everything that tells its pixels from those of another version of the date."""

    @property
    def time(self) -> datetime:
        """The same as an instant."""
        return EPOCH + timedelta(microseconds=self.time_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedComposite:
    """One image to be made."""

    period: Period
    members: tuple[int, ...]
    """Indices of the dates, in order of time."""

    times: tuple[datetime, ...]
    """Of the members."""

    record: str
    """JSON for `processing`: equal records, equal images."""

    @property
    def time_us(self) -> int:
        """The middle of the period."""
        return microseconds(self.period.middle)

    @property
    def bounds_us(self) -> tuple[int, int]:
        """Start and end of the period."""
        return microseconds(self.period.start), microseconds(self.period.end)

    @property
    def ages(self) -> tuple[float, ...]:
        """Distance of each member from the middle of the period over half its length, -1 to 1."""
        half = (self.period.end - self.period.start) / 2
        return tuple((time - self.period.middle) / half for time in self.times)


def plan_composites(
    dates: Sequence[DateFacts], options: CompositeOptions, *, method: str, longitude_deg: float = 0.0
) -> tuple[PlannedComposite, ...]:
    """Returns the composites that dates make, in order of time; one whose record is held already needs no making.

    Args:
        dates: Of one group of the cube.
        options: Period and weights.
        method: The method that the group's kind takes.
        longitude_deg: Of the middle of the grid, by which solar days are told.
    """
    gathered = gather([date.time for date in dates], options.period, longitude_deg)
    return tuple(
        PlannedComposite(
            period=period,
            members=members,
            times=tuple(dates[index].time for index in members),
            record=_record([dates[index] for index in members], options, method),
        )
        for period, members in gathered.items()
    )


def stale_composites(planned: Iterable[PlannedComposite], stored: Iterable[int]) -> frozenset[int]:
    """Returns the times of composites whose periods have no date, in microseconds.

    Args:
        planned: All that the dates of the group make.
        stored: Times of the composites that exist.
    """
    return frozenset(stored) - {composite.time_us for composite in planned}


def _record(members: Sequence[DateFacts], options: CompositeOptions, method: str) -> str:
    described: dict[str, object] = {"period": options.period, "method": method}
    if method == "best-pixel":
        weights = options.weights
        described["weights"] = {
            "distance": weights.distance,
            "timing": weights.timing,
            "reach_px": weights.reach_px,
        }
    identity = hashlib.sha256(json.dumps([date.identity for date in members]).encode()).hexdigest()
    record = {
        "composite": described,
        "members": [date.time.isoformat() for date in members],
        "members_sha256": identity,
    }
    return json.dumps(record, sort_keys=True)
