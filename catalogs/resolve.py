"""One scene for each acquisition: copies and superseded versions are set aside, each with its reason."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from catalogs.footprint import area_of
from catalogs.scenes import Scene, SceneOutcome, SkipReason

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from shapely.geometry.base import BaseGeometry

    from catalogs.item import ReadScene

SAME_TIME = timedelta(seconds=1)
"""Reprocessing moves the stated time by milliseconds; two tiles, slices or data strips lie seconds apart."""

FOOTPRINT_DIGITS = 4
"""Decimal places of a degree, about 10 m, to which two footprints of the same place agree."""

SAME_PLACE = 0.5
"""Share of the smaller footprint that two versions of one acquisition have in common at least."""

UNOFFICIAL_BASELINE = 90
"""Sentinel-2 baselines from 90 on (99.99 and its like) mark products made outside the ground segment: never newest."""

LEVEL = re.compile(r"1C|2A")

RADAR_PRODUCT = re.compile(
    r"(?P<acquisition>S1[A-D]_\w{2}_\w{4}_\w{4}_\d{8}T\d{6}_\d{8}T\d{6}_\d{6}_[0-9A-F]{6})(_[0-9A-F]{4})?(?P<rest>(_.*)?)"
)
"""Sentinel-1 product name (S1-RS-MDA-52-7441): only the last four characters tell two processings apart."""


def resolve(found: Iterable[ReadScene]) -> tuple[tuple[Scene, ...], tuple[SceneOutcome, ...]]:
    """Returns the scenes to use and, for every other one, why it is set aside.

    Two scenes are the same acquisition where sensor, platform, level, tile and relative orbit agree and their times lie
    within a second, and each covers at least half of the smaller of the two (patches cut from one tile do not). Where
    a scene has no tile, its footprint stands for it, so that two places are never taken for one; a Sentinel-1 product
    is told by its name. Of one acquisition the newest processing baseline wins, then the latest
    generation time, then the larger number of bands, then the first id.

    The losers are `superseded` where their version is older than the winner's, and otherwise `duplicate`. An id that
    still stands twice in a collection is kept once, by the same preference.
    """
    groups: dict[Hashable, list[ReadScene]] = defaultdict(list)
    for entry in found:
        groups[_identity(entry.scene)].append(entry)
    kept: list[ReadScene] = []
    outcomes: list[SceneOutcome] = []
    for group in groups.values():
        for copies in itertools.chain.from_iterable(map(_same_places, _same_times(group))):
            best, *rest = sorted(copies, key=_preference)
            kept.append(best)
            outcomes.extend(_set_aside(best, other) for other in rest)
    once, repeated = _once_each(kept)
    return once, (*outcomes, *repeated)


def version_of(baseline: str) -> tuple[int, ...]:
    """Returns a processing baseline as numbers to compare, () where there is none or it is unofficial."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", baseline))
    return () if numbers and numbers[0] >= UNOFFICIAL_BASELINE else numbers


def _identity(scene: Scene) -> Hashable:
    product = RADAR_PRODUCT.fullmatch(scene.id)
    if product:
        return scene.sensor, product["acquisition"], product["rest"]
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


def _same_times(group: list[ReadScene]) -> Iterable[list[ReadScene]]:
    ordered = sorted(group, key=_time)
    breaks = [0]
    for index in range(1, len(ordered)):
        if ordered[index].scene.time - ordered[breaks[-1]].scene.time >= SAME_TIME:
            breaks.append(index)
    return [ordered[start:stop] for start, stop in itertools.pairwise([*breaks, len(ordered)])]


def _same_places(group: list[ReadScene]) -> list[list[ReadScene]]:
    if len(group) == 1:
        return [group]
    places: list[tuple[BaseGeometry, list[ReadScene]]] = []
    for entry in group:
        area = area_of((entry.scene.footprint,))
        for known, copies in places:
            if known.intersection(area).area >= SAME_PLACE * min(known.area, area.area):
                copies.append(entry)
                break
        else:
            places.append((area, [entry]))
    return [copies for _, copies in places]


def _once_each(kept: list[ReadScene]) -> tuple[tuple[Scene, ...], tuple[SceneOutcome, ...]]:
    names: dict[tuple[str, str], ReadScene] = {}
    repeated = []
    for entry in sorted(kept, key=_preference):
        name = entry.scene.collection, entry.scene.id
        if name in names:
            told = f"its id stands for another scene too, of {names[name].scene.time.isoformat()}; ids must be unique"
            repeated.append(_skip(entry.scene, "duplicate", told))
        names.setdefault(name, entry)
    return tuple(entry.scene for entry in names.values()), tuple(repeated)


def _time(entry: ReadScene) -> datetime:
    return entry.scene.time


def _preference(entry: ReadScene) -> tuple[tuple[int, ...], float, int, str, str]:
    scene = entry.scene
    generated = entry.generated or datetime(1970, 1, 1, tzinfo=UTC)
    # negated so that the best sorts first; (1,) stands behind every negative number: no version at all
    version = tuple(-number for number in version_of(scene.processing_baseline)) or (1,)
    return version, -generated.timestamp(), -len(scene.assets), scene.collection, scene.id


def _set_aside(best: ReadScene, other: ReadScene) -> SceneOutcome:
    newer, older = version_of(best.scene.processing_baseline), version_of(other.scene.processing_baseline)
    if newer != older:
        stated = other.scene.processing_baseline or "unknown"
        told = f"baseline {stated}, {best.scene.id} has {best.scene.processing_baseline}"
        return _skip(other.scene, "superseded", told)
    if not newer and best.generated and other.generated and best.generated != other.generated:
        told = f"generated {other.generated.isoformat()}, {best.scene.id} was generated {best.generated.isoformat()}"
        return _skip(other.scene, "superseded", told)
    told = f"same acquisition and version as {best.scene.id} of {best.scene.collection}"
    return _skip(other.scene, "duplicate", told)


def _skip(scene: Scene, reason: SkipReason, detail: str) -> SceneOutcome:
    return SceneOutcome(id=scene.id, collection=scene.collection, outcome="skipped", reason=reason, detail=detail)
