"""When the satellites pass, and how each pass sees the region."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipelines.simulate.texture import generator

if TYPE_CHECKING:
    from pipelines.simulate.spec import RegionSpec

JITTER_DAYS = 4
LARGEST_LAG_DAYS = 2
MISREGISTRATION_PX = (0.1, 0.7)
"""Length of the shift of a Sentinel-2 scene; under 0.5 px at 2 sigma after refinement, up to 1 px before
(Sentinel-2 L1C Data Quality Report). The two sensors together differ by 0.3 to 1 px."""

RADAR_SHIFT_PX = 0.35
"""Standard deviation of either axis for Sentinel-1 (terrain and orbit errors after geocoding)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One date: an optical and a radar acquisition, their geometry and the weather."""

    index: int
    optical_time: datetime
    radar_time: datetime
    optical_platform: str
    radar_platform: str
    ascending: bool
    incidence_deg: float
    optical_shift_px: tuple[float, float]
    """Misregistration (x, y) in 10 m pixels."""

    radar_shift_px: tuple[float, float]
    soil_moisture: float
    """Regional saturation of the topsoil at the radar pass, 0 to 1; the optical pass sees the same."""

    wind: float
    """0 calm to 1 strong, at the radar pass."""

    offset_left: bool
    """Whether the optical product's offset is still in its numbers."""

    sun_azimuth_deg: float
    sun_elevation_deg: float
    view_azimuth_deg: float
    view_incidence_deg: float

    @property
    def day(self) -> float:
        """Day of the year of the optical acquisition, 1 to 366."""
        return float(self.optical_time.timetuple().tm_yday)


def make_calendar(spec: RegionSpec) -> tuple[Pass, ...]:
    """Returns the passes of a region in time order."""
    rng = generator(spec.seed, "calendar")
    ascending = bool(rng.random() < 0.5)  # noqa: PLR2004 either orbit
    incidence = rng.uniform(32.0, 43.0)
    return tuple(_pass(spec, index, ascending, incidence) for index in range(spec.num_dates))


def _pass(spec: RegionSpec, index: int, ascending: bool, incidence_deg: float) -> Pass:
    rng = generator(spec.seed, "weather", index)
    jitter = int(rng.integers(-JITTER_DAYS, JITTER_DAYS + 1)) if index else 0
    day = spec.start + timedelta(days=spec.interval_days * index + jitter)
    optical = day.replace(hour=10, minute=46, second=int(rng.integers(0, 60)), microsecond=24_000)
    lag = int(rng.integers(0, LARGEST_LAG_DAYS + 1))
    hour, minute = (17, 25) if ascending else (5, 50)
    radar = (day + timedelta(days=lag)).replace(
        hour=hour, minute=minute, second=int(rng.integers(0, 60)), microsecond=0
    )
    length, angle = rng.uniform(*MISREGISTRATION_PX), rng.uniform(0, 2 * np.pi)
    season = 0.5 + 0.22 * np.cos(2 * np.pi * (optical.timetuple().tm_yday - 20) / 365.25)
    azimuth, elevation = sun_position(spec.latitude_deg, optical)
    return Pass(
        index=index,
        optical_time=optical,
        radar_time=radar,
        optical_platform=str(rng.choice(["sentinel-2a", "sentinel-2b"])),
        radar_platform="sentinel-1a",
        ascending=ascending,
        incidence_deg=float(incidence_deg + rng.normal(0, 0.05)),
        optical_shift_px=(float(length * np.cos(angle)), float(length * np.sin(angle))),
        radar_shift_px=(float(rng.normal(0, RADAR_SHIFT_PX)), float(rng.normal(0, RADAR_SHIFT_PX))),
        soil_moisture=float(np.clip(season + rng.normal(0, 0.17), 0.05, 0.95)),
        wind=float(rng.beta(1.6, 2.6)),
        offset_left=bool(rng.random() < 0.5),  # noqa: PLR2004 both kinds of product are in use
        sun_azimuth_deg=azimuth,
        sun_elevation_deg=elevation,
        view_azimuth_deg=float(rng.choice([104.0, 286.0]) + rng.normal(0, 1.0)),
        view_incidence_deg=float(rng.uniform(2.0, 9.5)),
    )


def sun_position(latitude_deg: float, time: datetime) -> tuple[float, float]:
    """Returns azimuth (from north, clockwise) and elevation of the sun in degrees at a zone's own noon meridian.

    Declination after Cooper (1969), 23.45 sin(360 (284 + n) / 365), good to 0.5 degrees; the hour angle takes the
    region to lie 3 degrees east of Greenwich times the zone's offset, that is local solar time = UTC + 12 minutes.
    """
    day = time.timetuple().tm_yday
    declination = np.deg2rad(23.45 * np.sin(2 * np.pi * (284 + day) / 365))
    hour_angle = np.deg2rad(15.0 * (time.hour + time.minute / 60.0 + 0.2 - 12.0))
    latitude = np.deg2rad(latitude_deg)
    sine = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    elevation = np.arcsin(sine)
    east = -np.cos(declination) * np.sin(hour_angle)
    north = np.cos(latitude) * np.sin(declination) - np.sin(latitude) * np.cos(declination) * np.cos(hour_angle)
    return float(np.rad2deg(np.arctan2(east, north)) % 360.0), float(np.rad2deg(elevation))
