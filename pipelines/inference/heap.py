"""The process's heap and torch's threads while a map is made."""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Parameters of mallopt(3)."""

_MMAP_FROM: Final = 1 << 30
_TRIM_FROM: Final = (1 << 31) - 1


def keep_heap() -> bool:
    """Makes glibc keep freed memory for reuse; returns whether the C library took it.

    By default every temporary above 32 MiB is mapped afresh and its pages faulted in again; the model's fusion makes
    many of those. It holds for the rest of the process, whose resident memory then stays at its peak.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _MMAP_FROM)) and bool(mallopt(_M_TRIM_THRESHOLD, _TRIM_FROM))


@contextlib.contextmanager
def torch_threads(num: int) -> Iterator[None]:
    """Runs torch with so many threads inside an operation, and restores the number afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(num)
    try:
        yield
    finally:
        torch.set_num_threads(before)
