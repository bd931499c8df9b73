"""Files that appear whole or not at all, with the mode that the process gives to new files."""

from __future__ import annotations

import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yields where to write; what lies there becomes `path` at the end, and nothing does where writing failed.

    Safetensors writes through a private temporary file, so that its files can be read by their owner alone: the mode
    is put back to that of any new file.
    """
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    partial.touch()
    mode = stat.S_IMODE(partial.stat().st_mode)
    try:
        yield partial
        partial.chmod(mode)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
