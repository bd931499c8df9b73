"""What a date replaced: the coordinate `lineage`."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from pipelines.cube.plan import Placement


def lineage_of(placement: Placement, *, snapshot: str, now: datetime) -> str:
    """Returns the lineage of a date as JSON, '' where it replaced nothing.

    Args:
        placement: Where the date goes and what gives way.
        snapshot: Id of the snapshot that the date is written on: the last that holds what it replaces.
        now: When it is written.

    Example:
        `{"superseded": [{"at": ..., "baseline": "02.14", "by": "S2A_..._v2", "id": "S2A_...", "snapshot": ...}]}`,
        the oldest first; an entry stays when the version that replaced it is itself replaced.
    """
    entries = [entry for text in placement.lineages for entry in json.loads(text)["superseded"]]
    entries += [
        {
            "id": gone.scene.id,
            "baseline": gone.scene.baseline,
            "by": gone.by,
            "snapshot": snapshot,
            "at": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        for gone in placement.superseded
    ]
    return json.dumps({"superseded": entries}, sort_keys=True) if entries else ""
