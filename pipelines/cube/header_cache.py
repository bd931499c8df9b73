"""Blocks of remote files that were read lately: headers, mostly, which every opening of a file needs again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pipelines.cube.remote import Piece

KEPT_BLOCKS: Final = 1024
"""32 MiB a process, in blocks of 32 KiB."""

KEPT_S: Final = 600.0
"""A header is asked for again after this time: a later run must see a file that was replaced."""


@dataclass(frozen=True, slots=True)
class Version:
    """Which content of a file the blocks are of."""

    total: int
    """Size of the file."""

    tag: str
    """What the server tells its contents apart by."""

    until: float
    """When it is asked for again, by the monotonic clock."""


class HeaderCache:
    """Blocks of files that were read lately, shared by the threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._versions: dict[str, Version] = {}

    def version(self, href: str) -> Version | None:
        """Returns what is known of a file, None where nothing or nothing recent is."""
        with self._lock:
            known = self._versions.get(href)
            return known if known is not None and known.until > time.monotonic() else None

    def block(self, href: str, index: int) -> bytes | None:
        """Returns a block, None where it is not kept."""
        with self._lock:
            found = self._blocks.get((href, index))
            if found is not None:
                self._blocks.move_to_end((href, index))
            return found

    def keep(self, href: str, index: int, piece: Piece) -> None:
        """Keeps a block and the version that it is of; drops the block that was asked for the longest ago."""
        with self._lock:
            self._versions.setdefault(href, Version(piece.total, piece.tag, time.monotonic() + KEPT_S))
            self._blocks[href, index] = piece.content
            while len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)

    def forget(self, href: str) -> None:
        """Drops what is known of a file."""
        with self._lock:
            self._versions.pop(href, None)
            for key in [key for key in self._blocks if key[0] == href]:
                del self._blocks[key]

    def clear(self) -> None:
        """Drops everything."""
        with self._lock:
            self._versions.clear()
            self._blocks.clear()
