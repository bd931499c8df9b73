"""What the path of a file says: band, time, product, and which files belong together.

The name counts before the folders, and of those the nearer one first: `2021-06-01/red.tif`, `B04/20210601.tif` and
`scene_20210601_B04.tif` all tell band and day.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from catalogs.acquisition import SENTINEL2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import PurePath

    from catalogs.sensors import Sensor

DAY = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<mark>[-_.]?)(?P<month>0[1-9]|1[0-2])(?P=mark)(?P<day>0[1-9]|[12]\d|3[01])"
    r"(?:T?[-_]?(?P<hour>[01]\d|2[0-3])[-:]?(?P<minute>[0-5]\d)[-:]?(?P<second>[0-5]\d))?(?!\d)"
)
"""20210601, 2021-06-01, 2021_06_01, and with a time 20210601T105031."""

MONTH = re.compile(r"(?<!\d)(?P<year>(?:19|20)\d\d)[-_.](?P<month>0[1-9]|1[0-2])(?!\d)(?![-_.]\d)")
"""2021-06: a composite of the month."""

WORD = re.compile(r"[^-_. ]+")
RESOLUTION = re.compile(r"\d+m", re.IGNORECASE)
LONGEST_BAND = 4
"""Words in the longest name of a band: `nadir_reflectance_band1` has three."""

SENSOR_HINTS = (
    (re.compile(r"(?<![A-Z0-9])S2[A-D](?![A-Z0-9])", re.IGNORECASE), "sentinel-2-msi"),
    (re.compile(r"(?<![A-Z0-9])S1[A-D](?![A-Z0-9])", re.IGNORECASE), "sentinel-1-csar"),
    (re.compile(r"(?<![A-Z0-9])L[CO]0[89](?![A-Z0-9])", re.IGNORECASE), "landsat-oli-tirs"),
    (re.compile(r"(?<![A-Z0-9])(?:M[OY]D09|MCD43)", re.IGNORECASE), "modis"),
    (re.compile(r"(?<![A-Z0-9])GF-?2(?![0-9])", re.IGNORECASE), "gaofen-2-pms"),
    (re.compile(r"(?<![A-Z0-9])GF-?3(?![0-9])", re.IGNORECASE), "gaofen-3-csar"),
    (re.compile(r"(?<![A-Z0-9])WV0?2(?![0-9])", re.IGNORECASE), "worldview-2"),
    (re.compile(r"(?<![A-Z0-9])WV0?3(?![0-9])", re.IGNORECASE), "worldview-3"),
    (re.compile(r"(?<![A-Z0-9])NAIP(?![A-Z0-9])", re.IGNORECASE), "naip-aerial"),
    (re.compile(r"(?<![A-Z0-9])CAPELLA", re.IGNORECASE), "capella-xsar"),
)
SATELLITES = re.compile(r"(?<![A-Z0-9])(?:S(?P<mission>[12])(?P<unit>[A-D])|L[CO]0(?P<landsat>[89]))(?![A-Z0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When something was taken: an instant, or a day or a month of which no more is known."""

    start: datetime
    end: datetime

    @property
    def is_instant(self) -> bool:
        """Whether the time of day is known."""
        return self.start == self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class FileName:
    """What one path says."""

    key: tuple[str, ...]
    """Path without band and resolution: files of one item share it."""

    band: str
    """The band as it is spelled, lower case, '' where the path names none."""

    span: Span | None
    """None where the path holds no date."""

    sensor: str
    """Sensor that a product or satellite in the path names, '' where none does."""

    platform: str
    product: str
    """Sentinel-2 product name, '' where the path holds none."""


def read_name(path: PurePath, sensors: Sequence[Sensor]) -> FileName:
    """Returns what a path says.

    Args:
        path: Relative to the folder that is catalogued, so that what lies above it says nothing.
        sensors: Whose bands are looked for.
    """
    spellings = {
        spelling for sensor in sensors for band in sensor.bands for spelling in (band.id.lower(), *band.aliases)
    }
    parts = [*path.parts[:-1], path.stem]
    band, left = "", list(parts)
    for index in reversed(range(len(parts))):
        band, rest = _without_band(parts[index], spellings)
        if band:
            left[index] = rest
            break
    spans = (found for part in reversed(parts) for found in _spans(part))
    products = (part for part in reversed(path.parts) if SENTINEL2.fullmatch(part))
    text = str(path)
    return FileName(
        key=tuple(part for part in (_without_resolution(part) for part in left) if part),
        band=band,
        span=next(spans, None),
        sensor=next((name for pattern, name in SENSOR_HINTS if pattern.search(text)), ""),
        platform=_platform(text),
        product=next(products, "") or (path.stem if SENTINEL2.fullmatch(path.stem) else ""),
    )


def _without_band(part: str, spellings: set[str]) -> tuple[str, str]:
    words = list(WORD.finditer(part))
    for length in range(LONGEST_BAND, 0, -1):
        for start in reversed(range(len(words) - length + 1)):
            first, last = words[start].start(), words[start + length - 1].end()
            spelling = part[first:last].lower()
            if spelling in spellings:
                before, after = part[:first].rstrip("-_. "), part[last:].lstrip("-_. ")
                return spelling, "_".join(filter(None, (before, after)))
    return "", part


def _without_resolution(part: str) -> str:
    words = list(WORD.finditer(part))
    has = len(words) > 1 and RESOLUTION.fullmatch(words[-1][0])
    return part[: words[-1].start()].rstrip("-_. ") if has else part


def _spans(part: str) -> Iterator[Span]:
    for found in DAY.finditer(part):
        try:
            day = date(int(found["year"]), int(found["month"]), int(found["day"]))
        except ValueError:
            continue  # the 31st of a short month: some other number
        if found["hour"]:
            clock = time(int(found["hour"]), int(found["minute"]), int(found["second"]), tzinfo=UTC)
            yield Span(start=datetime.combine(day, clock), end=datetime.combine(day, clock))
        else:
            yield _whole_days(day, day)
    for found in MONTH.finditer(part):
        year, month = int(found["year"]), int(found["month"])
        yield _whole_days(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))


def _whole_days(first: date, last: date) -> Span:
    midnight = time(tzinfo=UTC)
    end = datetime.combine(last, midnight) + timedelta(days=1, seconds=-1)
    return Span(start=datetime.combine(first, midnight), end=end)


def _platform(text: str) -> str:
    found = SATELLITES.search(text.upper())
    if found is None:
        return ""
    return f"landsat-{found['landsat']}" if found["landsat"] else f"sentinel-{found['mission']}{found['unit'].lower()}"
