"""What a cube remembers of each scene of a date, so that a later version of it can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from catalogs.resolve import SAME_TAKE, resolve
from catalogs.scenes import Scene

if TYPE_CHECKING:
    Record = Mapping[str, object]

RECORD_KEY: Final = "scene"
"""Where the record stands in the radiometric evidence of a scene."""

_TIMES: Final = ("time", "time_start", "time_end", "generated")
_FACTS: Final = (
    "collection",
    "sensor",
    "platform",
    "relative_orbit",
    "processing_baseline",
    "tile",
    "product_type",
    "acquisition_id",
    "tier",
)
_LONG_RING: Final = 32
"""Vertices; a longer footprint is kept as its box where the scene is told by its name or tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredScene:
    """A scene that a date of the cube was made of."""

    id: str
    baseline: str
    """Processing baseline, '' where not known."""

    scene: Scene | None
    """Its facts without assets; None in a date that was written by schema 1.0, which kept none."""

    def outranks(self, other: Scene) -> bool:
        """Returns whether it is a version of the same acquisition at least as new."""
        return self._winner(other) is self.scene if self.scene is not None else False

    def gives_way_to(self, other: Scene) -> bool:
        """Returns whether the other is a newer version of the same acquisition."""
        return self._winner(other) is other

    def _winner(self, other: Scene) -> Scene | None:
        """Returns the version to keep of two of one acquisition, None where they are of two."""
        if self.scene is None or (abs(self.scene.time - other.time) > SAME_TAKE and self.id != other.id):
            return None  # the usual case, told without looking at names and footprints
        kept, _ = resolve((self.scene,), (other,))
        return kept[0] if len(kept) == 1 else None


def scene_record(scene: Scene) -> dict[str, object]:
    """Returns the facts by which `catalogs.resolve` tells acquisitions and versions, JSON-able, empty ones left out."""
    ring = scene.footprint
    if len(ring) > _LONG_RING and (scene.tile or scene.acquisition_id):
        xs, ys = [x for x, _ in ring], [y for _, y in ring]
        ring = ((min(xs), min(ys)), (max(xs), min(ys)), (max(xs), max(ys)), (min(xs), max(ys)), (min(xs), min(ys)))
    facts = {name: getattr(scene, name) for name in _FACTS}
    times = {name: getattr(scene, name) for name in _TIMES}
    return {
        **{name: value for name, value in facts.items() if value not in {None, ""}},
        **{name: value.isoformat() for name, value in times.items() if value is not None},
        "footprint": [list(vertex) for vertex in ring],
    }


def scene_of_record(scene_id: str, record: Record) -> Scene:
    """Returns the scene of a record, without assets."""
    facts = {name: record[name] for name in _FACTS if name in record}
    times = {name: datetime.fromisoformat(str(record[name])) for name in _TIMES if name in record}
    ring = tuple((float(x), float(y)) for x, y in cast("list[tuple[float, float]]", record["footprint"]))
    return Scene(id=scene_id, footprint=ring, assets=(), **cast("dict[str, str]", facts), **times)  # type: ignore[arg-type]


def stored_scene(scene_id: str, evidence: Mapping[str, object], baselines: str) -> StoredScene:
    """Returns a scene as a date keeps it.

    Args:
        scene_id: Its id.
        evidence: The date's radiometric evidence by scene id.
        baselines: The date's processing baselines, joined by a blank.
    """
    entry = evidence.get(scene_id)
    record = entry.get(RECORD_KEY) if isinstance(entry, Mapping) else None
    scene = scene_of_record(scene_id, record) if isinstance(record, Mapping) else None
    only = baselines if " " not in baselines else ""
    return StoredScene(id=scene_id, baseline=scene.processing_baseline if scene else only, scene=scene)
