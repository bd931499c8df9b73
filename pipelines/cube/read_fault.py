"""Why a file could not be read, told apart by what a later try may change."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

ReadFault = Literal["missing", "refused", "busy", "server", "timeout", "damaged", "unfit"]
"""Why a file could not be read: 404; 401 or 403, or an address that may not be followed; 429; 5xx; no answer in time;
truncated, cut off, or not what it should be; whole, and of a kind that has no place here (several bands, no CRS)."""

PASSING_FAULTS: frozenset[ReadFault] = frozenset({"busy", "server", "timeout"})
"""Faults that a later try may not meet again."""


class RasterUnreadable(Exception):  # noqa: N818 caught and recorded
    """A file could not be opened or read."""

    def __init__(self, href: str, cause: str, fault: ReadFault = "damaged") -> None:
        super().__init__(href, cause, fault)
        self.href = without_query(href)
        """As the item says it, less what may hold a signature."""
        self.cause = cause
        self.fault: ReadFault = fault

    def __str__(self) -> str:
        return f"{self.href}: {self.cause}"


def without_query(href: str) -> str:
    """Returns an address without user, password, query and fragment, where signatures and tokens stand.

    A local path comes back as it is.
    """
    if "://" not in href:
        return href
    try:
        parts = urlsplit(href)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # a port that is no number, brackets that do not close
        return f"{href.split('://', 1)[0]}://..."
    return f"{parts.scheme}://{host}{port}{parts.path}"
