"""Writes the torture catalogue: a static STAC catalogue, the faults of its server, the truth, and what is expected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pipelines.simulate.item import COLLECTIONS
from pipelines.simulate.torture.broken_files import broken_files
from pipelines.simulate.torture.fault import write_rules
from pipelines.simulate.torture.hostile_items import hostile_items
from pipelines.simulate.torture.lying_items import lying_items
from pipelines.simulate.torture.odd_places import odd_places
from pipelines.simulate.torture.odd_values import odd_values
from pipelines.simulate.torture.outcome import ANYWHERE, MANIFEST_FILE, Entry, Manifest, write_manifest
from pipelines.simulate.torture.place import PLACES
from pipelines.simulate.torture.server import RULES_FILE
from pipelines.simulate.torture.server_faults import server_faults
from pipelines.simulate.torture.studio import Studio
from pipelines.simulate.torture.writing import write_scene, write_truth

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipelines.simulate.torture.draft import SceneDraft
    from pipelines.simulate.torture.fault import FaultRule

THEMES: Final = (broken_files, server_faults, lying_items, hostile_items, odd_places, odd_values)
SEED: Final = 20231


def write_torture(folder: Path, *, seed: int = SEED) -> Manifest:
    """Writes the catalogue and returns its manifest; equal seeds give equal bytes.

    Args:
        folder: Made where it does not exist; must be empty.
        seed: Of the land.

    Raises:
        ValueError: The folder holds something.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError(f"the catalogue is written to an empty folder, {folder} is not; name another")
    studio = Studio(seed)
    drafts = [draft for theme in THEMES for draft in theme(studio)]
    rules: list[FaultRule] = []
    entries = []
    for draft in drafts:
        rules += write_scene(draft, folder)
        entries.append(_entry(draft, write_truth(draft, folder)))
    manifest = Manifest(regions=PLACES, entries=tuple(entries))
    write_rules(folder / RULES_FILE, tuple(rules))
    write_manifest(folder / MANIFEST_FILE, manifest)
    _write_containers(drafts, folder)
    return manifest


def _entry(draft: SceneDraft, truth: tuple[str, str] | None) -> Entry:
    return Entry(
        id=draft.id,
        collection=COLLECTIONS[draft.group],
        region=draft.place.name if draft.placed else ANYWHERE,
        wrong=draft.wrong,
        right=draft.right,
        time=draft.time.isoformat(),
        disk=draft.disk,
        http=draft.http,
        http_signed=draft.http_signed or draft.http,
        truth=truth[0] if truth else None,
        reasons=truth[1] if truth else None,
        bands=draft.bands if truth else (),
        tolerance=draft.truth.tolerance if draft.truth else 0.0,
    )


def _write_containers(drafts: list[SceneDraft], folder: Path) -> None:
    for group, name in COLLECTIONS.items():
        names = [draft.folder or draft.id for draft in drafts if draft.group == group]
        collection = {
            "type": "Collection",
            "stac_version": "1.1.0",
            "id": name,
            "title": f"Torture catalogue, {name}",
            "description": "Simulated scenes, most of them with something wrong. Not satellite data.",
            "license": "CC0-1.0",
            "extent": {
                "spatial": {"bbox": [[-180, -90, 180, 90]]},
                "temporal": {"interval": [["2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z"]]},
            },
            "links": [
                {"rel": "root", "href": "../catalog.json"},
                {"rel": "parent", "href": "../catalog.json"},
                *({"rel": "item", "href": f"./{item}/{item}.json"} for item in names),
            ],
        }
        _write(folder / name / "collection.json", collection)
    catalog = {
        "type": "Catalog",
        "stac_version": "1.1.0",
        "id": "torture",
        "title": "Torture catalogue",
        "description": f"Scenes of which each has something wrong; {MANIFEST_FILE} says how each must end.",
        "links": [
            {"rel": "root", "href": "./catalog.json"},
            *({"rel": "child", "href": f"./{name}/collection.json"} for name in COLLECTIONS.values()),
        ],
    }
    _write(folder / "catalog.json", catalog)


def _write(path: Path, document: Mapping[str, object]) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
