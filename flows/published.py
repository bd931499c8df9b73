"""Which versions of a cube published products were made from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SNAPSHOT_PROPERTY: Final = "ringmoe:cube_snapshot"


def published_snapshots(folders: Iterable[Path]) -> frozenset[str]:
    """Returns the snapshots that the STAC items below some folders name.

    Args:
        folders: Of products; a folder that does not exist holds none.
    """
    named = set()
    for folder in folders:
        for path in sorted(folder.rglob("*.json")):
            try:
                document = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):  # not ours: an item of ours is written whole
                continue
            properties = document.get("properties") if isinstance(document, dict) else None
            snapshot = properties.get(SNAPSHOT_PROPERTY) if isinstance(properties, dict) else None
            if isinstance(snapshot, str):
                named.add(snapshot)
    return frozenset(named)
