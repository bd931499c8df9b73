"""Instants and intervals as STAC writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from catalogs.errors import ItemError
from catalogs.fields import Document, text

RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")
"""RFC 3339 section 5.6, which STAC prescribes. Lenient parsers read `20170613T94161` as some other time."""


class Period(NamedTuple):
    """When a scene was taken."""

    time: datetime
    """The acquisition, or the middle of start and end, UTC."""

    start: datetime
    end: datetime


def parse_instant(value: str) -> datetime:
    """Returns an instant in UTC, to the microsecond.

    Raises:
        ItemError: The string is not RFC 3339 with a time zone, or names an hour or a day that does not exist.
    """
    message = f"a time must be RFC 3339 with a time zone (2021-06-01T10:20:30Z), got {value!r}; correct the item"
    if not RFC3339.fullmatch(value):
        raise ItemError("unreadable", message)
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as cause:
        raise ItemError("unreadable", message) from cause


def optional_instant(document: Document, *names: str) -> datetime | None:
    """Returns the first of the named fields that is set, None where none is."""
    value = text(document, *names)
    return parse_instant(value) if value else None


def period_of(properties: Document) -> Period:
    """Returns when an item was taken.

    `datetime` is the time where it is set. Where it is null, STAC asks for `start_datetime` and `end_datetime`, and
    the time is the middle of the two.

    Raises:
        ItemError: Neither form is there, a string is not RFC 3339, or start lies after end.
    """
    time = optional_instant(properties, "datetime")
    start = optional_instant(properties, "start_datetime")
    end = optional_instant(properties, "end_datetime")
    if start is None or end is None:
        if time is None:
            raise ItemError("unreadable", "an item has datetime, or start_datetime and end_datetime, got neither")
        return Period(time, time, time)
    if start > end:
        raise ItemError("unreadable", f"start_datetime must not lie after end_datetime, got {start} and {end}")
    return Period(start + (end - start) / 2 if time is None else time, start, end)
