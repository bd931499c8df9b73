"""Whether a region's catalogues hold all that they ought to: by the orbits, and by a second catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from catalogs import CatalogError
from catalogs import search as search_catalog
from catalogs.completeness import Gap, Lacking, Track, compare, revisits, sightings
from flows.area import target_grid
from flows.search import merge, scene_query

if TYPE_CHECKING:
    from catalogs import SceneSet
    from flows.config import RegionConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondCatalog:
    """What another catalogue holds of the same area and time."""

    name: str
    in_both: int = 0
    only_first: int = 0
    lacking: tuple[Lacking, ...] = ()
    """Acquisitions that it has and the region's sources have not."""

    error: str = ""
    """Why it could not be asked, '' otherwise: a run does not fail for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """What is missing, as far as can be told; nothing is refused for it."""

    expected: int
    """Passes that the tracks seen foretell up to now."""

    found: int
    tracks: tuple[Track, ...]
    gaps: tuple[Gap, ...]
    not_judged: int
    """Acquisitions of which no repeat is known."""

    second: SecondCatalog | None = None


def judge_completeness(config: RegionConfig, found: SceneSet, *, now: datetime | None = None) -> Completeness:
    """Returns what a region's catalogues lack; the second one is asked where the region names it.

    Args:
        config: The region.
        found: The answer of its sources.
        now: Passes from then on are not missed yet; by default this moment.
    """
    end = min(config.time.end, now or datetime.now(UTC))
    passes = revisits(sightings(found), config.time.start, max(end, config.time.start))
    return Completeness(
        expected=passes.expected,
        found=passes.found,
        tracks=passes.tracks,
        gaps=passes.gaps,
        not_judged=passes.not_judged,
        second=_second(config, found),
    )


def completeness_lines(judged: Completeness) -> list[str]:
    """Returns the answer for a person: counts, every gap, every scene that is lacking."""
    lines = []
    if judged.expected:
        missing = judged.expected - judged.found
        lines.append(f"completeness: {judged.found} of {judged.expected} expected passes found, {missing} missing")
    lines += [
        f"  gap {gap.place}: {gap.platform} orbit {gap.relative_orbit or '?'} {gap.tile}".rstrip()
        + f", {gap.passes} passes from {gap.first} to {gap.last}"
        for gap in judged.gaps
    ]
    second = judged.second
    if second and second.error:
        lines.append(f"second catalogue {second.name} could not be asked: {second.error}")
    elif second:
        lines.append(
            f"second catalogue {second.name}: {second.in_both} acquisitions in both, {second.only_first} here alone, "
            f"{len(second.lacking)} lacking here"
        )
        lines += [f"  lacking: {row.id} of {row.collection}, {row.time}" for row in second.lacking]
    return lines


def _second(config: RegionConfig, found: SceneSet) -> SecondCatalog | None:
    chosen = config.completeness
    if chosen.second_catalog is None:
        return None
    if config.scenes is not None:
        return SecondCatalog(name=chosen.second_catalog, error="a run from kept scenes asks no catalogue")
    grid = target_grid(config.area, config.resolution)
    wanted = chosen.collections or tuple(dict.fromkeys(name for one in config.sources for name in one.collections))
    source = config.sources[0].model_copy(update={"catalog": chosen.second_catalog, "collections": wanted})
    try:
        other = search_catalog(scene_query(config, source, grid), source.catalog, reads_files=False)
    except CatalogError as error:
        return SecondCatalog(name=chosen.second_catalog, error=str(error))
    told = compare(found, merge([other]))
    return SecondCatalog(
        name=chosen.second_catalog, in_both=told.in_both, only_first=told.only_first, lacking=told.lacking
    )
