"""Whether the scenes of a catalogue can become physical values, as far as their items say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from catalogs import SceneQuery, load_sensor, search
from catalogs.sensors import group_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalogs import Scene

WORLD: Final = (-180.0, -90.0, 180.0, 90.0)
CORNERS: Final = ((-180.0, -90.0), (180.0, -90.0), (180.0, 90.0), (-180.0, 90.0))


def open_questions(catalog: Path, collections: Iterable[str]) -> tuple[str, ...]:
    """Returns what keeps scenes of a catalogue from being used, a sentence each; no pixel is read.

    Args:
        catalog: Path of its `catalog.json`.
        collections: Ids of those to look at.
    """
    query = SceneQuery(
        bbox=WORLD,
        footprint=CORNERS,
        start=datetime(1900, 1, 1, tzinfo=UTC),
        end=datetime(2200, 1, 1, tzinfo=UTC),
        collections=tuple(dict.fromkeys(collections)),
    )
    found = search(query, catalog)
    told = [f"{row.id} is {row.reason}: {row.detail}" for row in found.skipped]
    return (*told, *filter(None, map(_undecided, found.scenes)))


def _undecided(scene: Scene) -> str:
    from pipelines.physics import Uncalibrated, decide_rule, power_rule
    from pipelines.physics.landsat import landsat_rule

    sensor = load_sensor(scene.sensor)
    values = tuple(asset for asset in scene.assets if sensor.band(asset.band).kind in {"reflectance", "power"})
    try:
        group = group_of(scene)
        if group == "s2":
            decide_rule(scene)
        elif group == "l8":
            landsat_rule(scene, values)
        elif group == "s1":
            for asset in values:
                power_rule(asset, scene)
    except (Uncalibrated, ValueError) as problem:
        return f"{problem} [`ringmoe catalog` takes --scale, --offset and --unit]"
    return ""
