"""Periods that the dates of a cube are gathered into, anchored to the calendar and never to the data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Final

MONTHS: Final[dict[str, int]] = {"month": 1, "quarter": 3, "year": 12}
"""Length of the calendar's periods in months, counted from January."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Periods of days are counted from here, so that a date that is added later never moves another's period."""

SOLAR_DAY: Final = "solar-day"
"""Midnight to midnight by the sun over the middle of the grid: the passes of one morning, even over midnight UTC."""

HOURS_PER_DEGREE: Final = 1 / 15
"""Mean solar time runs 24 hours around 360 degrees of longitude."""

_DAYS = re.compile(r"([1-9]\d{0,3})d")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Period:
    """A half-open range of time."""

    start: datetime
    end: datetime
    """Excluded."""

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None or self.start >= self.end:
            raise ValueError(f"a period starts before it ends, both in UTC, got {self.start} to {self.end}; correct it")

    @property
    def middle(self) -> datetime:
        """The instant half way, the time of a composite."""
        return self.start + (self.end - self.start) / 2

    def holds(self, time: datetime) -> bool:
        """Returns whether an instant lies within."""
        return self.start <= time < self.end


def period_of(time: datetime, length: str, longitude_deg: float = 0.0) -> Period:
    """Returns the period that an instant belongs to.

    Args:
        time: In UTC.
        length: `month`, `quarter`, `year`, a number of days such as `10d`, counted from 1970-01-01, or `solar-day`.
        longitude_deg: Of the place, for solar days: east is positive, -180 to 180.

    Raises:
        ValueError: No such length, or the longitude is out of range.
    """
    if length == SOLAR_DAY:
        midnight = datetime.combine(solar_day(time, longitude_deg), clock.min, UTC)
        start = midnight - timedelta(hours=longitude_deg * HOURS_PER_DEGREE)
        return Period(start=start, end=start + timedelta(days=1))
    days = _DAYS.fullmatch(length)
    if days:
        step = timedelta(days=int(days[1]))
        start = EPOCH + (time - EPOCH) // step * step
        return Period(start=start, end=start + step)
    if length not in MONTHS:
        known = [*sorted(MONTHS), SOLAR_DAY]
        raise ValueError(f"a period is one of {known} or days such as 10d, got {length!r}; use one of them")
    months = MONTHS[length]
    first = time.year * 12 + (time.month - 1) // months * months
    return Period(start=_month(first), end=_month(first + months))


def gather(times: Iterable[datetime], length: str, longitude_deg: float = 0.0) -> dict[Period, tuple[int, ...]]:
    """Returns the indices of the dates in each period that has any, both in order of time.

    Args:
        times: Of the dates, in UTC, in any order.
        length: As for `period_of`.
        longitude_deg: Likewise.

    Raises:
        ValueError: No such length.
    """
    members: dict[Period, list[int]] = {}
    for time, index in sorted((time, index) for index, time in enumerate(times)):
        members.setdefault(period_of(time, length, longitude_deg), []).append(index)
    return {period: tuple(indices) for period, indices in sorted(members.items())}


def solar_day(time: datetime, longitude_deg: float) -> date:
    """Returns the day by mean solar time at a longitude: passes of one morning share it even over midnight UTC.

    Args:
        time: In UTC.
        longitude_deg: East is positive, -180 to 180.

    Raises:
        ValueError: The longitude is out of range.
    """
    if not -180 <= longitude_deg <= 180:  # noqa: PLR2004 a full turn
        raise ValueError(f"a longitude is -180 to 180 degrees, got {longitude_deg}; wrap it")
    return (time.astimezone(UTC) + timedelta(hours=longitude_deg * HOURS_PER_DEGREE)).date()


def _month(count: int) -> datetime:
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)
