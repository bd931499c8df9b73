"""One scene for each acquisition: copies and superseded versions are set aside, each with its reason."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from catalogs.footprint import area_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from shapely.geometry.base import BaseGeometry

    from catalogs.scenes import Scene, SceneOutcome

SAME_TIME = timedelta(seconds=1)
"""Reprocessing moves the stated time by milliseconds; two tiles, slices or data strips lie seconds apart."""

SAME_TAKE = timedelta(minutes=30)
"""Catalogues state the time of a granule or that of its data take, which lasts less than this."""

FOOTPRINT_DIGITS = 4
"""Decimal places of a degree, about 10 m, to which two footprints of the same place agree."""

SAME_PLACE = 0.5
"""Share of the smaller footprint that two versions of one acquisition have in common at least."""

UNOFFICIAL_BASELINE = 90
"""Sentinel-2 baselines from 90 on (99.99 and its like) mark products made outside the ground segment: never newest."""

LEVEL = re.compile(r"1C|2A")

TIERS = ("RT", "T2", "T1")
"""Landsat's categories from the least to the best: a real-time product is made anew within about two weeks."""


def resolve(*catalogues: Iterable[Scene]) -> tuple[tuple[Scene, ...], tuple[SceneOutcome, ...]]:
    """Returns the scenes to use and, for every other one, why it is set aside.

    Two scenes are the same acquisition where their product names say so (`Scene.acquisition_id`) and their times lie
    within one data take; or where sensor, platform, level, tile and relative orbit agree and their times lie within a
    second. A scene without a tile is told
    by its footprint, so that two places are never taken for one. In both cases each covers at least half of the smaller
    of the two (two patches of a tile, or two strips of a data take, do not).

    Of one acquisition the newest processing baseline wins, then the best tier, the latest generation to the second, the
    earlier catalogue, the larger number of bands, and the first id.

    The losers are `superseded` where their version is older than the winner's, and otherwise `duplicate`. An id that
    still stands twice in a collection is kept once, by the same preference.

    Args:
        catalogues: The scenes of each, the preferred one first.
    """
    scenes = [scene for catalogue in catalogues for scene in catalogue]
    ranks = [rank for rank, catalogue in enumerate(catalogues) for _ in catalogue]
    # scenes are told by their number in the list: two equal ones are still two
    order = {id(scene): _preference(scene, rank) for scene, rank in zip(scenes, ranks, strict=True)}
    kept: list[Scene] = []
    outcomes: list[SceneOutcome] = []
    for copies in same_acquisitions(scenes):
        best, *rest = sorted(copies, key=lambda scene: order[id(scene)])
        kept.append(best)
        outcomes.extend(_set_aside(best, other) for other in rest)
    once, repeated = _once_each(sorted(kept, key=lambda scene: order[id(scene)]))
    return once, (*outcomes, *repeated)


def version_of(baseline: str) -> tuple[int, ...]:
    """Returns a processing baseline as numbers to compare, () where there is none or it is unofficial."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", baseline))
    return () if numbers and numbers[0] >= UNOFFICIAL_BASELINE else numbers


def same_acquisitions(scenes: Sequence[Scene]) -> list[list[Scene]]:
    """Returns the scenes gathered by acquisition, as `resolve` tells them, in order of the first of each."""
    joined = list(range(len(scenes)))

    def root(index: int) -> int:
        while joined[index] != index:
            joined[index] = joined[joined[index]]
            index = joined[index]
        return index

    for name, within in ((_name, SAME_TAKE), (_identity, SAME_TIME)):
        groups: dict[Hashable, list[int]] = defaultdict(list)
        for index, scene in enumerate(scenes):
            told = name(scene)
            if told is not None:
                groups[told].append(index)
        for group in groups.values():
            times = _same_times(group, scenes, within)
            for first, *copies in itertools.chain.from_iterable(_same_places(part, scenes) for part in times):
                for other in copies:
                    low, high = sorted((root(first), root(other)))
                    joined[high] = low
    gathered: dict[int, list[Scene]] = defaultdict(list)
    for index, scene in enumerate(scenes):
        gathered[root(index)].append(scene)
    return list(gathered.values())


def _name(scene: Scene) -> Hashable:
    if not scene.acquisition_id:
        return None
    tile = "" if scene.acquisition_id.startswith("S1") else scene.tile  # a slice is numbered by some catalogues alone
    return scene.sensor, scene.acquisition_id, tile, (scene.time_end - scene.time_start).days


def _identity(scene: Scene) -> Hashable:
    if scene.acquisition_id.startswith("S1"):
        return None  # the name of a radar product tells all
    level = LEVEL.search(scene.product_type.upper())
    place: Hashable = scene.tile or frozenset(
        (round(x, FOOTPRINT_DIGITS), round(y, FOOTPRINT_DIGITS)) for x, y in scene.footprint
    )
    return (
        scene.sensor,
        scene.platform.lower(),
        level[0] if level else scene.product_type.upper(),
        (scene.time_end - scene.time_start).days,  # a month and a week may share their middle
        scene.relative_orbit,
        place,
    )


def _same_times(group: list[int], scenes: Sequence[Scene], within: timedelta) -> list[list[int]]:
    ordered = sorted(group, key=lambda index: scenes[index].time)
    breaks = [0]
    for position in range(1, len(ordered)):
        if scenes[ordered[position]].time - scenes[ordered[breaks[-1]]].time >= within:
            breaks.append(position)
    return [ordered[start:stop] for start, stop in itertools.pairwise([*breaks, len(ordered)])]


def _same_places(group: list[int], scenes: Sequence[Scene]) -> list[list[int]]:
    if len(group) == 1:
        return [group]
    places: list[tuple[BaseGeometry, list[int]]] = []
    for index in group:
        area = area_of((scenes[index].footprint,))
        for known, copies in places:
            if known.intersection(area).area >= SAME_PLACE * min(known.area, area.area):
                copies.append(index)
                break
        else:
            places.append((area, [index]))
    return [copies for _, copies in places]


def _once_each(kept: list[Scene]) -> tuple[tuple[Scene, ...], tuple[SceneOutcome, ...]]:
    names: dict[tuple[str, str], Scene] = {}
    repeated = []
    for scene in kept:
        name = scene.collection, scene.id
        if name in names:
            told = f"its id stands for another scene too, of {names[name].time.isoformat()}; ids must be unique"
            repeated.append(scene.skipped("duplicate", told))
        names.setdefault(name, scene)
    return tuple(names.values()), tuple(repeated)


def _preference(scene: Scene, rank: int) -> tuple[object, ...]:
    # negated so that the best sorts first; (1,) stands behind every negative number: no version at all
    version = tuple(-number for number in version_of(scene.processing_baseline)) or (1,)
    return (
        version,
        -_tier(scene),
        -_generated(scene).timestamp(),
        rank,
        -len(scene.assets),
        scene.collection,
        scene.id,
    )


def _tier(scene: Scene) -> int:
    return TIERS.index(scene.tier) if scene.tier in TIERS else len(TIERS)


def _generated(scene: Scene) -> datetime:
    return (scene.generated or datetime(1970, 1, 1, tzinfo=UTC)).replace(microsecond=0)


def _set_aside(best: Scene, other: Scene) -> SceneOutcome:
    newer, older = version_of(best.processing_baseline), version_of(other.processing_baseline)
    if newer != older:
        stated = other.processing_baseline or "unknown"
        return other.skipped("superseded", f"baseline {stated}, {best.id} has {best.processing_baseline}")
    if _tier(best) != _tier(other):
        return other.skipped("superseded", f"tier {other.tier or 'unknown'}, {best.id} has {best.tier or 'unknown'}")
    if best.generated and other.generated and _generated(best) != _generated(other):
        told = f"generated {other.generated.isoformat()}, {best.id} was generated {best.generated.isoformat()}"
        return other.skipped("superseded", told)
    return other.skipped("duplicate", f"same acquisition and version as {best.id} of {best.collection}")
