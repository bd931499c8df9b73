"""A scene set that was kept, used again for a region: nothing is searched, everything is checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from catalogs.errors import ItemError
from catalogs.footprint import area_of, areas_overlap
from catalogs.sift import too_cloudy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapely.geometry.base import BaseGeometry

    from catalogs.providers import Provider
    from catalogs.query import SceneQuery
    from catalogs.scenes import Scene, SceneOutcome, SceneSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked of one source, and which files its scenes may point at."""

    query: SceneQuery
    provider: Provider


def repeat(kept: SceneSet, questions: Sequence[Question]) -> SceneSet:
    """Returns the scenes of a kept set that the questions still ask for: all of them where the region is the same.

    A scene of another collection, time or place is counted as `unmatched`. One whose files may not be followed by the
    rules of its source is skipped as it would be in a search (`unreadable`, `refused`): the set is a file from outside.

    Args:
        kept: As read from a snapshot.
        questions: One for each source of the region.
    """
    scenes: list[Scene] = []
    skipped = list(kept.skipped)
    unmatched = kept.unmatched
    areas = [area_of(((*question.query.footprint, question.query.footprint[0]),)) for question in questions]
    for scene in kept.scenes:
        asked = [
            question for question, area in zip(questions, areas, strict=True) if _asks_for(question.query, area, scene)
        ]
        if not asked:
            unmatched += 1
            continue
        problems = [_problem(question, scene) for question in asked]
        if None in problems:
            scenes.append(scene)
        else:
            skipped.extend(problem for problem in problems[:1] if problem)
    return replace(
        kept,
        scenes=tuple(scenes),
        skipped=tuple(sorted(skipped, key=lambda row: (row.collection, row.id))),
        unmatched=unmatched,
    )


def _asks_for(query: SceneQuery, area: BaseGeometry, scene: Scene) -> bool:
    start, end = query.time_range
    if scene.collection not in query.collections or not start <= scene.time < end:
        return False
    return areas_overlap(area_of((scene.footprint,)), area)


def _problem(question: Question, scene: Scene) -> SceneOutcome | None:
    cloudy = too_cloudy(scene, question.query.max_cloud_cover)
    if cloudy is not None:
        return cloudy
    provider = question.provider
    base = provider.endpoint or str(provider.root and provider.root / "catalog.json")
    try:
        for href in (*(asset.href for asset in scene.assets), *(file.href for file in scene.annotations)):
            if provider.resolve(href, base) != href:
                return scene.skipped("unreadable", f"a kept href is absolute, got {href!r}; search again")
    except ItemError as problem:
        return scene.skipped(problem.reason, str(problem))
    return None
