"""Where the items of a cube's scenes live: kept over runs, for a cube outlives the search that found its scenes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flows.run_report import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from catalogs import SceneSet


def remember_origins(path: Path, scene_set: SceneSet) -> None:
    """Adds the scenes of a search to the file; a scene found again takes its newest address."""
    known = read_origins(path)
    known |= {scene.id: scene.item_href for scene in scene_set.scenes if scene.item_href}
    write_atomically(path, json.dumps(known, indent=1, sort_keys=True) + "\n")


def read_origins(path: Path) -> dict[str, str]:
    """Returns the addresses of the items by scene id; none where no search was remembered yet."""
    if not path.is_file():
        return {}
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return known
