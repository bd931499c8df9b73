"""Opens scenes ahead of their turn: headers of the next date are read while the pixels of this one are."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Self

from pipelines.cube.errors import ReadFailed
from pipelines.cube.raster_file import PASSING_FAULTS
from pipelines.cube.source import Skipped, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from catalogs.scenes import Scene
    from pipelines.cube.acquisition import Acquisition
    from pipelines.cube.retry import RetryPolicy

_THREADS: Final = 4
"""Scenes opened at once: it is waiting, mostly."""


class Scout:
    """Prepares the scenes of the dates to come, in their order."""

    def __init__(
        self, dates: Iterable[Acquisition], prepare: Callable[[Scene, str], Source], retry: RetryPolicy
    ) -> None:
        """Describes the work.

        Args:
            dates: In the order in which they are asked for.
            prepare: Opens a scene for a group; raises Skipped.
            retry: For headers that cannot be read for a fault that may pass.
        """
        self._dates = list(dates)
        self._prepare = prepare
        self._retry = retry
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="cube-scout")
        self._asked: dict[tuple[str, str], Future[Source | Skipped]] = {}
        self._next = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def prepared(self, date: Acquisition) -> dict[str, Source | Skipped]:
        """Returns each scene of a date ready to be read, or why it cannot be; the next date is begun meanwhile."""
        while self._next < len(self._dates) and self._dates[self._next] is not date:
            self._next += 1
        for ahead in self._dates[self._next : self._next + 2]:
            self._ask(ahead)
        self._ask(date)
        return {scene.id: self._asked.pop(_key(date, scene)).result() for scene in date.scenes}

    def _ask(self, date: Acquisition) -> None:
        for scene in date.scenes:
            if _key(date, scene) not in self._asked:
                self._asked[_key(date, scene)] = self._pool.submit(self._open, scene, date.group)

    def _open(self, scene: Scene, group: str) -> Source | Skipped:
        skip: Skipped | None = None
        for wait_s in (0.0, *self._retry.waits_s(scene.id)):
            if self._stop.wait(wait_s):
                break
            try:
                return self._prepare(scene, group)
            except Skipped as found:
                skip = found
            cause = skip.__cause__
            if not (isinstance(cause, ReadFailed) and cause.fault in PASSING_FAULTS):
                break
        return skip or Skipped("unreadable", "the build was given up before the scene was opened")


def _key(date: Acquisition, scene: Scene) -> tuple[str, str]:
    return date.group, scene.id
