"""Stage one: the scenes that exist for a region, from all of its catalogues."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from catalogs import SceneOutcome, SceneQuery, SceneSet, read_snapshot
from catalogs import search as search_catalog
from catalogs.repetition import Question, repeat
from catalogs.resolve import resolve
from catalogs.search import provider_of
from flows.area import target_grid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flows.config import RegionConfig, SourceConfig
    from pipelines.grid import TargetGrid


def search(config: RegionConfig) -> SceneSet:
    """Returns every scene of the region's sources, each acquisition once.

    Where the region names a kept scene set (`scenes`), that one answers and no catalogue is asked.

    Raises:
        CatalogError: A catalogue does not answer or cannot be read, or the kept set cannot.
    """
    grid = target_grid(config.area, config.resolution)
    if config.scenes is not None:
        questions = [
            Question(query=scene_query(config, source, grid), provider=provider_of(source.catalog))
            for source in config.sources
        ]
        return repeat(read_snapshot(config.scenes), questions)
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
    """Returns the answers of several sources as one, each acquisition once.

    Which of two versions is used is stated at `catalogs.resolve`: the newer one, and among equals that of the earlier
    source. The other one is skipped as `superseded` or `duplicate`.
    """
    answers = tuple(found)
    scenes, set_aside = resolve(*(answer.scenes for answer in answers))
    skipped = [row for answer in answers for row in answer.skipped]
    return SceneSet(
        scenes=tuple(sorted(scenes, key=lambda scene: (scene.time, scene.collection, scene.id))),
        skipped=tuple(sorted((*skipped, *set_aside), key=lambda row: (row.collection, row.id))),
        unmatched=sum(answer.unmatched for answer in answers),
        attribution=tuple(dict.fromkeys(line for answer in answers for line in answer.attribution)),
    )


def _bbox(ring: tuple[tuple[float, float], ...]) -> tuple[float, float, float, float]:
    """West, south, east, north of a ring; west > east where it crosses the antimeridian."""
    longitudes, latitudes = [vertex[0] for vertex in ring], [vertex[1] for vertex in ring]
    west, east = min(longitudes), max(longitudes)
    return west, min(latitudes), east if east <= 180.0 else east - 360.0, max(latitudes)  # noqa: PLR2004 degrees


def empty_collections(config: RegionConfig, scene_set: SceneSet) -> tuple[str, ...]:
    """Returns a line for each collection that no item was found in: mistyped, or without data here and then."""
    seen = {scene.collection for scene in scene_set.scenes} | {row.collection for row in scene_set.skipped}
    return tuple(
        f"no item of collection {name} lies in the area and time; check its name with the catalogue {source.catalog}"
        for source in config.sources
        for name in source.collections
        if name not in seen
    )


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
