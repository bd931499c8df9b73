"""Planted changes with their truth: clearings, floods and construction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pipelines.simulate.landscape import BARE, BUILT, CROP, GRASS, TREE, WATER, WETLAND, BoolArray, ByteArray, Landscape
from pipelines.simulate.parcels import pixel_indices
from pipelines.simulate.texture import FloatArray, fractal_field, generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLEARING, FLOOD, CONSTRUCTION = 1, 2, 3
"""Codes of the change legend."""

AREA_PX = (30, 800)
"""0.3 to 8 ha at 10 m; drawn log-uniformly."""

CHANCES = {CLEARING: 0.42, FLOOD: 0.22, CONSTRUCTION: 0.36}
TRIES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One planted change."""

    code: int
    epoch: int
    """Index of the first date at which the new state is seen."""

    last: int
    """Index of the last such date; the final date unless it is a flood."""

    place: BoolArray
    """Pixels (y, x) that change."""

    becomes: int
    """WorldCover code after the change; for a flood the code it covers is kept and this is 0."""


def plan_events(seed: int, landscape: Landscape, *, num_dates: int, num_changes: tuple[int, int]) -> tuple[Event, ...]:
    """Returns the events of a region, none overlapping another, by time of code.

    Args:
        seed: The region's seed.
        landscape: State before any change.
        num_dates: How many dates there are; no event begins at the first or the last one.
        num_changes: Least and largest number of events. Where the land has no room for one, another kind is tried.
    """
    rng = generator(seed, "changes")
    wanted = int(rng.integers(num_changes[0], num_changes[1] + 1))
    taken = np.zeros(landscape.land_cover.shape, dtype=bool)
    wobble = ranked_wobble(rng, landscape)
    events: list[Event] = []
    codes = rng.choice(list(CHANCES), size=TRIES * max(wanted, 1), p=list(CHANCES.values()))
    for code in codes:
        if len(events) == wanted:
            break
        place = _place(rng, landscape, int(code), taken, wobble)
        if place is None:
            continue
        taken |= ndimage.binary_dilation(place, iterations=3)
        events.append(_event(rng, int(code), place, num_dates))
    return tuple(events)


def ranked_wobble(rng: np.random.Generator, landscape: Landscape) -> FloatArray:
    """Returns a smooth field (y, x) that makes the outlines of events irregular."""
    shape = (landscape.land_cover.shape[0], landscape.land_cover.shape[1])
    return fractal_field(rng, shape, exponent=3.0, longest_px=30)


def _event(rng: np.random.Generator, code: int, place: BoolArray, num_dates: int) -> Event:
    epoch = int(rng.integers(1, num_dates - 1))
    last = num_dates - 1
    becomes = BUILT
    if code == CLEARING:
        becomes = BARE if rng.random() < 0.6 else GRASS  # noqa: PLR2004 bare soil more often than herbs
    if code == FLOOD:
        last = min(epoch + int(rng.integers(0, 3)), num_dates - 2)
        becomes = 0
    return Event(code=code, epoch=epoch, last=last, place=place, becomes=becomes)


def _place(
    rng: np.random.Generator, landscape: Landscape, code: int, taken: BoolArray, wobble: FloatArray
) -> BoolArray | None:
    """Returns the pixels of one event, None where the land has no room of at least 0.3 ha."""
    land_cover = landscape.land_cover
    if code == CLEARING:
        allowed = land_cover == TREE
    elif code == FLOOD:
        allowed = np.isin(land_cover, (GRASS, CROP, WETLAND)) & (landscape.water_distance < 26)  # noqa: PLR2004
    else:
        allowed = np.isin(land_cover, (GRASS, CROP, BARE)) & (landscape.water_distance > 6)  # noqa: PLR2004
    allowed &= ~taken
    candidates = np.flatnonzero(allowed)
    area = float(np.exp(rng.uniform(np.log(AREA_PX[0] * 1.3), np.log(AREA_PX[1]))))
    if len(candidates) < AREA_PX[0]:
        return None
    centre = np.unravel_index(int(rng.choice(candidates)), land_cover.shape)
    if code == CONSTRUCTION:
        ranking = _square(rng, land_cover.shape, centre)
    elif code == FLOOD:
        ranking = _round(land_cover.shape, centre) + 0.9 * landscape.water_distance + 3.0 * wobble
    else:
        ranking = _round(land_cover.shape, centre) * (1.0 + 0.25 * np.tanh(wobble))
    ranking = np.where(allowed, ranking, np.inf)
    reach = np.partition(ranking, int(area), axis=None)[int(area)] if area < ranking.size else np.inf
    place = np.isfinite(ranking) & (ranking <= min(float(reach), 3.0 * np.sqrt(area)))
    return _largest(place)


def _largest(place: BoolArray) -> BoolArray | None:
    labels, count = ndimage.label(place)
    if count == 0:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    if sizes.max() < AREA_PX[0]:
        return None
    return np.asarray(labels == int(sizes.argmax()) + 1, dtype=bool)


def _round(shape: tuple[int, ...], centre: tuple[np.intp, ...]) -> NDArray[np.float64]:
    rows, cols = pixel_indices((shape[0], shape[1]))
    return np.asarray(np.hypot(rows - centre[0], cols - centre[1]), dtype=np.float64)


def _square(rng: np.random.Generator, shape: tuple[int, ...], centre: tuple[np.intp, ...]) -> NDArray[np.float64]:
    """Returns the distance (y, x) from a centre that makes turned rectangles."""
    rows, cols = pixel_indices((shape[0], shape[1]))
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(0.6, 1.0)
    across = np.cos(angle) * (cols - centre[1]) + np.sin(angle) * (rows - centre[0])
    down = -np.sin(angle) * (cols - centre[1]) + np.cos(angle) * (rows - centre[0])
    return np.asarray(np.maximum(np.abs(across) * stretch, np.abs(down) / stretch), dtype=np.float64)


def after_events(land_cover: ByteArray, events: tuple[Event, ...]) -> ByteArray:
    """Returns the land cover once all events have happened; a flood leaves what it covers."""
    after = land_cover.copy()
    for event in events:
        if event.becomes:
            after[event.place] = event.becomes
    if (after == WATER).sum() != (land_cover == WATER).sum():
        raise ValueError("events never make or remove permanent water")
    return after


def change_maps(events: tuple[Event, ...], shape: tuple[int, int]) -> tuple[ByteArray, NDArray[np.int16]]:
    """Returns the change codes (y, x) and the index of the first date at which each is seen, -1 where none."""
    change = np.zeros(shape, dtype=np.uint8)
    epoch = np.full(shape, -1, dtype=np.int16)
    for event in events:
        change[event.place] = event.code
        epoch[event.place] = event.epoch
    return change, epoch
