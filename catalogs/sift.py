"""Every item of a catalogue ends in one of three heaps: used, skipped with a reason, or not asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from catalogs.errors import ItemError
from catalogs.fields import mapping
from catalogs.footprint import area_of, areas_overlap, boxes_meet, item_bounds, item_rings
from catalogs.instants import period_of
from catalogs.item import FoundItem, read_scenes
from catalogs.resolve import resolve
from catalogs.scenes import Scene, SceneOutcome, SceneSet, Sighting
from catalogs.sensors import load_sensor

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from catalogs.providers import Provider
    from catalogs.query import SceneQuery


def sift(
    query: SceneQuery, items: Iterable[FoundItem], provider: Provider, *, required_bands: tuple[str, ...] = ()
) -> SceneSet:
    """Returns what a query gets out of the items of a catalogue.

    An item is *matched* when its collection is one of the query's, its bbox meets the query's, and its time lies in
    [start, end): `datetime`, or the middle of `start_datetime` and `end_datetime` where that is null. An item of the
    right collection whose bbox or time cannot be read counts as matched unless the other of the two rules it out.
    Every matched item ends used or skipped; the rest are counted as `unmatched`.

    In this order a matched item is skipped as `unreadable`, `outside` (its geometry shares no area with the query's
    footprint), `missing_asset` or `unreadable` (see `read_scenes`), `superseded` or `duplicate` (see `resolve`), and
    `too_cloudy`. An item that does not state its cloud cover is never too cloudy.

    Args:
        query: What is wanted.
        items: All that the catalogue has, or all that a server returned.
        provider: Whose hrefs are allowed.
        required_bands: Bands that a scene must have, as far as its sensor knows them.
    """
    area = area_of((_closed(query.footprint),))
    read: list[Scene] = []
    skipped: list[SceneOutcome] = []
    terms: dict[str, str] = {}
    unmatched = 0
    for found in items:
        try:
            if not _matches(found, query):
                unmatched += 1
                continue
            read.extend(_scenes(found, area, provider, required_bands))
        except ItemError as problem:
            skipped.append(
                SceneOutcome(
                    id=found.id,
                    collection=found.collection,
                    outcome="skipped",
                    reason=problem.reason,
                    detail=str(problem),
                    sighting=_sighting(found, provider, problem),
                )
            )
        terms.setdefault(found.collection, found.terms)
    versions, set_aside = resolve(read)
    judged = [(scene, too_cloudy(scene, query.max_cloud_cover)) for scene in versions]
    scenes = tuple(sorted((scene for scene, cloudy in judged if cloudy is None), key=_scene_order))
    clouds = [cloudy for _, cloudy in judged if cloudy is not None]
    return SceneSet(
        scenes=scenes,
        skipped=tuple(sorted((*skipped, *set_aside, *clouds), key=_outcome_order)),
        unmatched=unmatched,
        attribution=_attribution(scenes, terms),
    )


def _matches(found: FoundItem, query: SceneQuery) -> bool:
    if found.collection not in query.collections:
        return False
    if found.problem:
        raise ItemError("unreadable", found.problem)
    answers: list[bool] = []
    problems: list[ItemError] = []
    for question in (_in_time, _in_box):
        try:
            answers.append(question(found, query))
        except ItemError as problem:
            problems.append(problem)
    if all(answers) and problems:
        raise problems[0]
    return all(answers)


def _in_time(found: FoundItem, query: SceneQuery) -> bool:
    start, end = query.time_range
    return start <= period_of(mapping(found.document, "properties")).time < end


def _in_box(found: FoundItem, query: SceneQuery) -> bool:
    return boxes_meet(item_bounds(found.document), query.bbox)


def _scenes(
    found: FoundItem, area: BaseGeometry, provider: Provider, required_bands: tuple[str, ...]
) -> tuple[Scene, ...]:
    if not areas_overlap(area_of(item_rings(found.document)), area):
        raise ItemError("outside", "the item's bbox meets the query's, its geometry misses the area")
    return read_scenes(found, provider, required_bands=required_bands)


def _sighting(found: FoundItem, provider: Provider, problem: ItemError) -> Sighting | None:
    """What an item shows though its files cannot be used: an acquisition that the catalogue has."""
    if problem.reason == "outside" or found.problem:
        return None
    try:
        scenes = read_scenes(found, replace(provider, reads_files=False))
    except ItemError:
        return None
    return scenes[0].sighting


def too_cloudy(scene: Scene, limit: float | None) -> SceneOutcome | None:
    """Returns the record of a scene that is cloudier than a limit in percent, None where it is not or does not say."""
    if limit is None or scene.cloud_cover is None or scene.cloud_cover <= limit:
        return None
    return scene.skipped("too_cloudy", f"cloud cover of {scene.cloud_cover} % is above {limit} %")


def _attribution(scenes: tuple[Scene, ...], terms: dict[str, str]) -> tuple[str, ...]:
    years: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for scene in scenes:
        years[scene.collection, load_sensor(scene.sensor).attribution].update((scene.time.year,))
    lines = set()
    for (collection, line), counted in years.items():
        first, last = min(counted), max(counted)
        span = f"{first}" if first == last else f"{first}-{last}"
        lines.add(f"{line} [{span}] ({collection}{f'; {terms[collection]}' if terms.get(collection) else ''})")
    return tuple(sorted(lines))


def _closed(ring: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    return ring if ring[0] == ring[-1] else (*ring, ring[0])


def _scene_order(scene: Scene) -> tuple[object, ...]:
    return scene.time, scene.collection, scene.id


def _outcome_order(outcome: SceneOutcome) -> tuple[str, str]:
    return outcome.collection, outcome.id
