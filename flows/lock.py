"""One run at a time on an output folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.errors import OutputBusyError


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds a lock file; the system lets go of it when the process ends, even by SIGKILL.

    Args:
        path: The lock file; it and its folder are made where absent.

    Raises:
        OutputBusyError: Another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise OutputBusyError(
                f"one run at a time may write to an output, {path.parent} is held by process {holder}; wait for it"
            ) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
