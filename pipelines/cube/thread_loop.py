"""An event loop a thread, for stores that only answer to one: making a loop costs as much as a small write."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from zarr.core.sync import sync

if TYPE_CHECKING:
    from collections.abc import Coroutine

_Answer = TypeVar("_Answer")


class _Loop:
    """Closed when its thread ends."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def run(self, call: Coroutine[Any, Any, _Answer]) -> _Answer:
        return self._loop.run_until_complete(call)

    def __del__(self) -> None:
        self._loop.close()


_LOCAL: Final = threading.local()


def run_here(call: Coroutine[Any, Any, _Answer]) -> _Answer:
    """Returns what a coroutine gives, run in this thread; by zarr-python's loop where this one's is running already.

    A notebook's thread has a loop of its own, and two cannot run in one thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return sync(call)
    loop: _Loop | None = getattr(_LOCAL, "loop", None)
    if loop is None:
        loop = _LOCAL.loop = _Loop()
    return loop.run(call)
