"""The process's heap: whether glibc hands freed memory back to the kernel."""

from __future__ import annotations

import ctypes
import os
from typing import Final

KEEP_HEAP_VARIABLE: Final = "RINGMOE_KEEP_HEAP"
"""Environment variable; `0` leaves the C library as it is, `1` or nothing lets `keep_heap` act."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Parameters of mallopt(3)."""

_MMAP_FROM: Final = 1 << 30
_TRIM_FROM: Final = (1 << 31) - 1


def keep_heap() -> bool:
    """Makes glibc keep freed memory for reuse; returns whether it now does.

    By default every temporary above 32 MiB is mapped afresh and its pages faulted in again; feed-forward layers and
    fusion make many of those. It holds for the rest of the process, whose resident memory then stays at its peak, so a
    program calls it and no library does at import. `RINGMOE_KEEP_HEAP=0` opts out.

    Raises:
        ValueError: the variable is neither 0 nor 1.
    """
    wanted = os.environ.get(KEEP_HEAP_VARIABLE, "1")
    if wanted not in {"0", "1"}:
        raise ValueError(f"{KEEP_HEAP_VARIABLE} is 0 or 1, got {wanted!r}; unset it")
    if wanted == "0":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _MMAP_FROM)) and bool(mallopt(_M_TRIM_THRESHOLD, _TRIM_FROM))
