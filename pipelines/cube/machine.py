"""How much memory this machine lends to the process: asked of the system, the rest is arithmetic in `budget`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where a container's limit stands, by version of Linux' control groups (kernel.org, admin-guide/cgroup-v2, memory)."""


def memory_bytes() -> int:
    """Returns the bytes of memory that the machine has, or that the container may use where that is less."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([installed, *(limit for limit in map(_limit, _LIMITS) if limit)])


def _limit(path: Path) -> int | None:
    """Returns the limit in a file, None where there is none."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
