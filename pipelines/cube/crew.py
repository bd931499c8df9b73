"""Who carries out units of work: threads of this process here, processes of a Dask cluster in `cluster`.

Whoever does it, only so many units are under way at once, so that neither memory nor queues grow with the region.
"""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from types import TracebackType

_Work = TypeVar("_Work")
_Answer = TypeVar("_Answer")


class Stopped(Exception):  # noqa: N818 it ends waits, and is seen by no caller
    """The build is being given up: a wait between two tries ends here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewShape:
    """How many units could be under way at once, and in how many processes."""

    num_processes: int
    threads_each: int
    memory_each: int | None = None
    """Bytes that each process may use by its own rule, None where it has none."""

    on_this_machine: bool = True
    """Whether the processes share this machine's memory."""


class Crew(Protocol):
    """Carries out work many times over, a bounded number of pieces at once."""

    @property
    def shares_memory(self) -> bool:
        """Whether the workers see this process' memory: they may then write to the session of the draft."""

    @property
    def shape(self) -> CrewShape:
        """What there is to work with."""

    def limit(self, slots_each: int) -> None:
        """Lets so many units be under way in each process; asked once, before any work."""

    def pause(self, seconds: float) -> None:
        """Waits; raises Stopped where the build is given up meanwhile."""

    def run(self, call: Callable[[_Work], _Answer], works: Iterable[_Work]) -> Generator[_Answer]:
        """Yields the answers as they come. Closing the iterator, or an error, gives up what is not yet begun."""

    def __enter__(self) -> Self:
        """Starts the workers."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops them; none is left behind."""


class ThreadCrew:
    """Threads of this process: nothing is copied or sent, and decoding, arithmetic and encoding leave the lock."""

    shares_memory = True

    def __init__(self, num_threads: int) -> None:
        self._num_threads = num_threads
        self._stop = threading.Event()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stop.set()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def shape(self) -> CrewShape:
        """This process."""
        return CrewShape(num_processes=1, threads_each=self._num_threads)

    def limit(self, slots_each: int) -> None:
        """Starts so many threads."""
        self._num_threads = min(self._num_threads, slots_each)
        self._pool = ThreadPoolExecutor(self._num_threads, thread_name_prefix="cube-unit")

    def pause(self, seconds: float) -> None:
        """Waits; raises Stopped where the build is given up meanwhile."""
        if self._stop.wait(seconds):
            raise Stopped

    def run(self, call: Callable[[_Work], _Answer], works: Iterable[_Work]) -> Generator[_Answer]:
        """Yields the answers as they come; at most one piece a thread is under way and one waits."""
        assert self._pool is not None, "a crew is given its limit before it works"
        left = iter(works)
        under_way: set[Future[_Answer]] = set()
        try:
            while True:
                room = 2 * self._num_threads - len(under_way)
                under_way |= {self._pool.submit(call, work) for work in itertools.islice(left, room)}
                if not under_way:
                    return
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BaseException:
            self._give_up(under_way)
            raise

    def _give_up(self, under_way: set[Future[_Answer]]) -> None:
        """Ends what waits, and returns when the units under way have let go of the draft."""
        self._stop.set()
        for future in under_way:
            future.cancel()
        wait(under_way)
        self._stop.clear()
