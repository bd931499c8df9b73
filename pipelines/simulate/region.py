"""A simulated region: its scenes and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.simulate.acquisition import Acquisition, BandArray
from pipelines.simulate.atmosphere import CLOUD_HIGH, CLOUD_MEDIUM, THIN_CIRRUS, classify, make_atmosphere, through_air
from pipelines.simulate.backscatter import POLARISATIONS, RadarGeometry, observe
from pipelines.simulate.calendar import Pass, make_calendar
from pipelines.simulate.changes import Event, change_maps, plan_events
from pipelines.simulate.instrument import at_20m, missing_at, observe_bands, to_counts
from pipelines.simulate.landscape import ByteArray, make_landscape
from pipelines.simulate.scene import Moment, make_scene, moment_at, power_of, reflectance_of, state_at
from pipelines.simulate.spectra import BAND_GSD
from pipelines.simulate.texture import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.grid import TargetGrid
    from pipelines.simulate.spec import RegionSpec

PROCESSING_BASELINE = "05.09"
OPTICAL_ORBIT = 51
RADAR_ORBIT = {True: 161, False: 37}
"""Relative orbits by `ascending`, any valid ones: 1 to 143 for Sentinel-2, 1 to 175 for Sentinel-1."""

BORDER_CHANCE = 0.06
"""Chance that a radar scene ends inside the region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRegion:
    """Scenes with known truth."""

    spec: RegionSpec
    grid: TargetGrid
    land_cover: ByteArray
    """WorldCover codes (y, x): the state at the last date; a flood counts as what it covers."""

    change: ByteArray
    """Codes of the change legend (y, x)."""

    change_epoch: NDArray[np.int16]
    """Index of the first date at which the new state is seen (y, x), -1 where nothing changes."""

    acquisitions: tuple[Acquisition, ...]
    """In time order."""

    events: tuple[Event, ...]


def simulate_region(spec: RegionSpec) -> SimulatedRegion:
    """Returns the scenes and the truth of a spec; equal specs give equal bytes."""
    landscape = make_landscape(spec.seed, spec.shape)
    events = plan_events(spec.seed, landscape, num_dates=spec.num_dates, num_changes=spec.num_changes)
    scene = make_scene(spec.seed, landscape, events)
    change, epoch = change_maps(events, spec.shape)
    acquisitions: list[Acquisition] = []
    state = scene.before
    for seen in make_calendar(spec):
        state = state_at(scene, seen.index, state)
        moment = moment_at(scene, state, index=seen.index, day=seen.day, soil_moisture=seen.soil_moisture)
        acquisitions += [_optical(spec, seen, moment), _radar(spec, seen, moment)]
    return SimulatedRegion(
        spec=spec,
        grid=spec.grid,
        land_cover=scene.after.cover.land_cover,
        change=change,
        change_epoch=epoch,
        acquisitions=tuple(sorted(acquisitions, key=lambda scene: (scene.time, scene.id))),
        events=events,
    )


def _optical(spec: RegionSpec, seen: Pass, moment: Moment) -> Acquisition:
    """Returns the Sentinel-2 scene of a date."""
    air = make_atmosphere(
        generator(spec.seed, "atmosphere", seen.index),
        spec.shape,
        cloud_cover=spec.cloud_cover,
        sun_azimuth_deg=seen.sun_azimuth_deg,
        sun_elevation_deg=seen.sun_elevation_deg,
    )
    top = through_air(reflectance_of(moment, seen.sun_elevation_deg), air)
    rng = generator(spec.seed, "optical", seen.index)
    values = observe_bands(rng, top, seen.optical_shift_px)
    bands: dict[str, BandArray] = {
        band: to_counts(plane, missing_at(air.missing, BAND_GSD[band]), offset_left=seen.offset_left)
        for band, plane in values.items()
    }
    scl = classify(at_20m(values), air)
    bands["SCL"] = scl
    satellite = "S2A" if seen.optical_platform == "sentinel-2a" else "S2B"
    return Acquisition(
        id=f"{satellite}_SIM{spec.seed:05d}_{seen.optical_time:%Y%m%d}_0_L2A",
        sensor="sentinel-2-msi",
        group="s2",
        time=seen.optical_time,
        bands=bands,
        platform=seen.optical_platform,
        orbit_direction="descending",
        relative_orbit=OPTICAL_ORBIT,
        processing_baseline=PROCESSING_BASELINE,
        offset_applied=not seen.offset_left,
        cloud_cover=float(100.0 * np.isin(scl, (CLOUD_MEDIUM, CLOUD_HIGH, THIN_CIRRUS)).mean()),
        sun_azimuth_deg=seen.sun_azimuth_deg,
        sun_elevation_deg=seen.sun_elevation_deg,
        view_azimuth_deg=seen.view_azimuth_deg,
        view_incidence_deg=seen.view_incidence_deg,
        shift_px=seen.optical_shift_px,
    )


def _radar(spec: RegionSpec, seen: Pass, moment: Moment) -> Acquisition:
    """Returns the Sentinel-1 scene of a date."""
    rng = generator(spec.seed, "radar", seen.index + 1)
    geometry = RadarGeometry(incidence_deg=seen.incidence_deg, ascending=seen.ascending, wind=seen.wind)
    planes = power_of(moment, geometry)
    border = round(rng.uniform(0.05, 0.3) * spec.size) if rng.random() < BORDER_CHANCE else 0
    bands: dict[str, BandArray] = {}
    for polarisation in POLARISATIONS:
        image = observe(rng, planes[polarisation], polarisation, seen.radar_shift_px)
        if border:
            image[:, :border] = np.nan
        bands[polarisation] = image
    return Acquisition(
        id=f"S1A_IW_GRDH_1SDV_{seen.radar_time:%Y%m%dT%H%M%S}_SIM{spec.seed:05d}",
        sensor="sentinel-1-csar",
        group="s1",
        time=seen.radar_time,
        bands=bands,
        platform=seen.radar_platform,
        orbit_direction="ascending" if seen.ascending else "descending",
        relative_orbit=RADAR_ORBIT[seen.ascending],
        view_incidence_deg=seen.incidence_deg,
        view_azimuth_deg=79.0 if seen.ascending else 281.0,
        shift_px=seen.radar_shift_px,
    )
