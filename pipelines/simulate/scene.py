"""The land of a region on each of its dates: seasons, changes, floods and lake edges."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipelines.simulate.backscatter import (
    POLARISATIONS,
    RadarGeometry,
    Scatterers,
    make_scatterers,
    mean_power,
    open_water_power,
    replace_scatterers,
)
from pipelines.simulate.changes import CONSTRUCTION, FLOOD, Event, after_events
from pipelines.simulate.cover import Cover, make_cover, replace_cover
from pipelines.simulate.landscape import WATER, BoolArray, Landscape, edges
from pipelines.simulate.phenology import Fractions, fractions
from pipelines.simulate.reflectance import Surface, make_surface, replace_pixels, surface_reflectance
from pipelines.simulate.spectra import material_index, material_table
from pipelines.simulate.texture import FloatArray, gaussian_field, generator

EMERGENT = 0.09
"""Share of a flooded or shore pixel where plants and ground still stand out of the water."""

SHORE_PX = 2.6
"""Farthest a lake or river reaches over its mean edge, at its highest in February."""

LOW_GROUND_MOISTURE = 0.40
"""Extra saturation of the valley floor over the hilltop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandState:
    """Cover, spectra and scatterers of one state of the land."""

    cover: Cover
    surface: Surface
    scatterers: Scatterers


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The land before and after its changes, and the water that comes and goes."""

    before: LandState
    after: LandState
    wetness: FloatArray
    """Departure of the topsoil's saturation from the region's (y, x), about -0.3 to 0.3."""

    shore: FloatArray
    """Height above the mean water edge (y, x) in pixels from it; infinite in the water and away from it."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The land on one date."""

    state: LandState
    parts: Fractions
    moisture: FloatArray
    """Saturation of the topsoil (y, x), 0 to 1."""

    under_water: BoolArray
    """Land under water on this date (y, x)."""


def make_scene(seed: int, landscape: Landscape, events: tuple[Event, ...]) -> Scene:
    """Returns the land of a region before and after its events."""
    rng = generator(seed, "texture", 1)
    shape = (landscape.land_cover.shape[0], landscape.land_cover.shape[1])
    grain = gaussian_field(rng, shape, 1.5)
    wetness = np.float32(LOW_GROUND_MOISTURE) * (landscape.lowness - 0.5) + np.float32(0.10) * grain
    edge = landscape.water_distance + np.float32(0.5) * gaussian_field(rng, shape, 2.0)
    dry = (landscape.land_cover == WATER) | (landscape.water_distance > SHORE_PX + 1)
    return Scene(
        before=_state(seed, landscape, changed=False),
        after=_state(seed, changed_landscape(landscape, events), changed=True),
        wetness=np.asarray(wetness, dtype=np.float32),
        shore=np.where(dry, np.float32(np.inf), edge).astype(np.float32),
        events=events,
    )


def changed_landscape(landscape: Landscape, events: tuple[Event, ...]) -> Landscape:
    """Returns the landscape after all events: each cleared area one parcel, each new quarter made of blocks."""
    parcel = landscape.parcel.copy()
    street = landscape.street.copy()
    block_edges = edges(landscape.block)
    for event in events:
        first = int(parcel.max()) + 1
        if event.code == CONSTRUCTION:
            parcel[event.place] = landscape.block[event.place] + first
            street |= event.place & block_edges
        elif event.code != FLOOD:
            parcel[event.place] = first
    _, compact = np.unique(parcel, return_inverse=True)
    return replace(
        landscape,
        land_cover=after_events(landscape.land_cover, events),
        parcel=np.asarray(compact.reshape(parcel.shape), dtype=np.int32),
        street=street,
    )


def _state(seed: int, landscape: Landscape, *, changed: bool) -> LandState:
    cover = make_cover(seed, landscape, changed=changed)
    return LandState(cover=cover, surface=make_surface(seed, cover), scatterers=make_scatterers(seed, cover))


def state_at(scene: Scene, index: int, current: LandState) -> LandState:
    """Returns the state of a date, given that of the date before it (for the first date: `scene.before`)."""
    starting = [event.place for event in scene.events if event.epoch == index and event.code != FLOOD]
    if not starting:
        return current
    place = np.logical_or.reduce(starting)
    return LandState(
        cover=replace_cover(current.cover, scene.after.cover, place),
        surface=replace_pixels(current.surface, scene.after.surface, place),
        scatterers=replace_scatterers(current.scatterers, scene.after.scatterers, place),
    )


def moment_at(scene: Scene, state: LandState, *, index: int, day: float, soil_moisture: float) -> Moment:
    """Returns the land of a date.

    Args:
        scene: The region's land.
        state: Of this date, see `state_at`.
        index: Of the date.
        day: Day of the year.
        soil_moisture: Regional saturation of the topsoil, 0 to 1.
    """
    parts = fractions(state.cover, day)
    moisture = np.clip(soil_moisture + scene.wetness, 0.0, 1.0).astype(np.float32)
    level = SHORE_PX * (0.5 + 0.5 * np.cos(2 * np.pi * (day - 40.0) / 365.25)) - 0.6
    under_water = scene.shore < level
    for event in scene.events:
        if event.code != FLOOD:
            continue
        if event.epoch <= index <= event.last:
            under_water = under_water | event.place
        elif event.last < index <= event.last + 1:
            moisture[event.place] = 1.0
            parts = _drowned(parts, event.place)
    return Moment(state=state, parts=parts, moisture=moisture, under_water=under_water)


def _drowned(parts: Fractions, place: BoolArray) -> Fractions:
    """Returns the fractions with half of the green cover silted over where a flood has just gone."""
    lost = np.where(place, np.float32(0.5), np.float32(0.0)) * parts.green
    return Fractions(green=parts.green - lost, dry=parts.dry, ground=parts.ground + lost)


def reflectance_of(moment: Moment, sun_elevation_deg: float) -> FloatArray:
    """Returns surface reflectance (band, y, x) of a moment."""
    out = surface_reflectance(moment.state.surface, moment.parts, moment.moisture, sun_elevation_deg)
    water = material_table()[material_index("turbid_water")]
    place = moment.under_water
    out[:, place] = np.float32(EMERGENT) * out[:, place] + np.float32(1.0 - EMERGENT) * water[:, None]
    return out


def power_of(moment: Moment, geometry: RadarGeometry) -> dict[str, FloatArray]:
    """Returns the mean sigma0 (y, x) of a moment by polarisation, linear, before the instrument."""
    planes = {}
    for polarisation in POLARISATIONS:
        power = mean_power(moment.state.scatterers, moment.parts.green, moment.moisture, geometry, polarisation)
        water = np.float32(open_water_power(geometry, polarisation))
        place = moment.under_water
        power[place] = np.float32(EMERGENT) * power[place] + np.float32(1.0 - EMERGENT) * water
        planes[polarisation] = power
    return planes
