"""How often a service may be asked, shared by every thread of this process.

Processes do not know of each other: divide the rate by their number where several ask the same service.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable


class TokenBucket:
    """Spaces requests so that no more than `per_second` go out on average, and `burst` of them at once."""

    def __init__(
        self,
        per_second: float,
        *,
        burst: int = 1,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if per_second <= 0 or burst < 1:
            raise ValueError(f"a rate is above 0 and a burst at least 1, got {per_second} and {burst}; correct them")
        self._interval_s = 1 / per_second
        self._slack_s = (burst - 1) * self._interval_s
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._due_s = -float("inf")
        """When the last request taken would have gone out at an even pace."""

    def take(self, number: int = 1) -> float:
        """Waits until `number` requests may go out; returns the seconds waited.

        The place in the queue is taken under the lock and the wait is outside it, so threads go out one interval apart.
        """
        with self._lock:
            now = self._clock()
            wait_s = max(0.0, self._due_s - self._slack_s - now)
            self._due_s = max(self._due_s, now) + number * self._interval_s
        if wait_s > 0:
            self._sleep(wait_s)
        return wait_s

    def hold(self, seconds: float) -> None:
        """Lets nobody go out for some seconds: what a server asks of one thread holds for all of them."""
        with self._lock:
            self._due_s = max(self._due_s, self._clock() + seconds + self._slack_s)


_LOCK: Final = threading.Lock()
_BUCKETS: Final[dict[tuple[str, float], TokenBucket]] = {}


def bucket(service: str, per_second: float) -> TokenBucket:
    """Returns the bucket of a service, the same for every thread.

    Args:
        service: Its address, or another name that tells it from all others.
        per_second: Its rate; another rate is another bucket.
    """
    with _LOCK:
        return _BUCKETS.setdefault((service, per_second), TokenBucket(per_second))


def before_reading(href: str, num_requests: int = 1) -> float:
    """Waits until a file may be asked for; returns the seconds waited, 0 where its host has no limit.

    Call it before a remote file is opened, and with `num_requests` where the number of range requests to come is known:
    a limit counts requests and not files. Local paths and hosts without a limit cost nothing.

    Args:
        href: Path or address as a scene holds it.
        num_requests: How many requests will follow.
    """
    found = _limit(href)
    return found.take(num_requests) if found else 0.0


def hold(href: str, seconds: float) -> None:
    """Stops reading from a file's host for some seconds in every thread, e.g. after status 429 with Retry-After."""
    found = _limit(href)
    if found:
        found.hold(seconds)


def _limit(href: str) -> TokenBucket | None:
    parts = urlsplit(href)
    if parts.scheme in ("", "file"):
        return None
    from catalogs.providers import reading_rate

    found = reading_rate(parts.scheme, parts.hostname or "")
    return bucket(*found) if found else None
