"""What exists, and what is known about it: scenes of satellite data, found in STAC catalogues."""

from typing import TYPE_CHECKING

import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "errors": ["CatalogError"],
        "query": ["SceneQuery"],
        "scenes": ["Annotation", "Asset", "Scene", "SceneOutcome", "SceneSet", "SkipReason"],
        "search": ["search"],
        "sensors": ["Band", "Sensor", "load_sensor", "sensor_of"],
        "snapshot": ["read_snapshot", "write_snapshot"],
    },
)

if TYPE_CHECKING:
    from catalogs.errors import CatalogError
    from catalogs.query import SceneQuery
    from catalogs.scenes import Annotation, Asset, Scene, SceneOutcome, SceneSet, SkipReason
    from catalogs.search import search
    from catalogs.sensors import Band, Sensor, load_sensor, sensor_of
    from catalogs.snapshot import read_snapshot, write_snapshot

__all__ = [
    "Annotation",
    "Asset",
    "Band",
    "CatalogError",
    "Scene",
    "SceneOutcome",
    "SceneQuery",
    "SceneSet",
    "Sensor",
    "SkipReason",
    "load_sensor",
    "read_snapshot",
    "search",
    "sensor_of",
    "write_snapshot",
]
