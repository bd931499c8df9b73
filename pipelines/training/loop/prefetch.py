"""Batches made ahead in a thread, while the model computes."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AHEAD: Final = 2
"""Batches that wait ready: one in use, one more absorbs a slow draw."""


class Prefetch:
    """Gives batches in order; counts the seconds that were waited for them."""

    def __init__(self, make: Callable[[int], Any], pool: ThreadPoolExecutor, first: int, last: int) -> None:
        self._make, self._pool = make, pool
        self._next, self._last = first, last
        self._waiting: deque[Future[Any]] = deque()
        self.waited = 0.0
        """Seconds."""

        self._fill()

    def take(self) -> Any:
        """Returns the next batch; whatever its making raised is raised here."""
        started = time.monotonic()
        made = self._waiting.popleft().result()
        self.waited += time.monotonic() - started
        self._fill()
        return made

    def _fill(self) -> None:
        while len(self._waiting) < AHEAD and self._next < self._last:
            self._waiting.append(self._pool.submit(self._make, self._next))
            self._next += 1


@contextmanager
def prefetching(make: Callable[[int], Any], *, first: int, last: int) -> Iterator[Prefetch]:
    """Yields the batches `first` to `last` (excluded) in order.

    Args:
        make: Makes the batch of a number; a function of it alone.
        first: Number of the first batch.
        last: One past the last.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
    try:
        yield Prefetch(make, pool, first, last)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
