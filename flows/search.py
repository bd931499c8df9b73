"""Stage one: the scenes that exist for a region, from all of its catalogues."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from catalogs import SceneOutcome, SceneQuery, SceneSet
from catalogs import search as search_catalog
from flows.area import target_grid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalogs import Scene
    from flows.config import RegionConfig, SourceConfig
    from pipelines.grid import TargetGrid


def search(config: RegionConfig) -> SceneSet:
    """Returns every scene of the region's sources, each once.

    Raises:
        CatalogError: A catalogue does not answer or cannot be read.
    """
    grid = target_grid(config.area, config.resolution)
    found = [search_catalog(scene_query(config, source, grid), source.catalog) for source in config.sources]
    return merge(found)


def scene_query(config: RegionConfig, source: SourceConfig, grid: TargetGrid) -> SceneQuery:
    """Returns the question that a region asks of one of its sources."""
    ring = grid.footprint_wgs84()
    return SceneQuery(
        bbox=_bbox(ring),
        footprint=ring,
        start=config.time.start,
        end=config.time.end,
        collections=source.collections,
        max_cloud_cover=config.max_cloud_cover,
    )


def merge(found: Iterable[SceneSet]) -> SceneSet:
    """Returns the answers of several sources as one; an item that a former source gave too is a `duplicate`."""
    scenes: dict[tuple[str, str], Scene] = {}
    skipped: list[SceneOutcome] = []
    attribution: dict[str, None] = {}
    unmatched = 0
    for answer in found:
        for scene in answer.scenes:
            if (scene.collection, scene.id) in scenes:
                detail = "an earlier source of the region holds the same item"
                skipped.append(
                    SceneOutcome(
                        id=scene.id, collection=scene.collection, outcome="skipped", reason="duplicate", detail=detail
                    )
                )
            else:
                scenes[scene.collection, scene.id] = scene
        skipped += answer.skipped
        attribution |= dict.fromkeys(answer.attribution)
        unmatched += answer.unmatched
    return SceneSet(
        scenes=tuple(sorted(scenes.values(), key=lambda scene: (scene.time, scene.collection, scene.id))),
        skipped=tuple(sorted(skipped, key=lambda row: (row.collection, row.id))),
        unmatched=unmatched,
        attribution=tuple(attribution),
    )


def _bbox(ring: tuple[tuple[float, float], ...]) -> tuple[float, float, float, float]:
    """West, south, east, north of a ring; west > east where it crosses the antimeridian."""
    longitudes, latitudes = [vertex[0] for vertex in ring], [vertex[1] for vertex in ring]
    west, east = min(longitudes), max(longitudes)
    return west, min(latitudes), east if east <= 180.0 else east - 360.0, max(latitudes)  # noqa: PLR2004 degrees


def nothing_found(config: RegionConfig, scene_set: SceneSet) -> str:
    """Returns why a region without a single scene cannot go on, with counts and what to check."""
    wanted = ", ".join(f"{'+'.join(source.collections)} of {source.catalog}" for source in config.sources)
    if scene_set.skipped:
        return f"a region needs at least one scene to read, got none from {wanted}: {_tally(scene_set.skipped)}"
    ring = target_grid(config.area, config.resolution).footprint_wgs84()
    west, south, east, north = _bbox(ring)
    return (
        f"a region needs at least one scene, got none from {wanted}: {scene_set.unmatched} items lie outside its "
        f"collections, area ({west:.4f}, {south:.4f}, {east:.4f}, {north:.4f}) or time ({config.time.start:%Y-%m-%d} "
        f"to {config.time.end:%Y-%m-%d}); check area, time and collections with `ringmoe plan`"
    )


def nothing_usable(outcomes: tuple[SceneOutcome, ...]) -> str:
    """Returns why a region of whose scenes none could be used cannot go on."""
    return f"a region needs at least one usable scene, got none of {len(outcomes)}: {_tally(outcomes)}"


def _tally(outcomes: tuple[SceneOutcome, ...]) -> str:
    counts = Counter(str(row.reason) for row in outcomes if row.reason)
    parts = ", ".join(f"{number} {reason}" for reason, number in sorted(counts.items()))
    return f"skipped {parts}; the report says why for each"
