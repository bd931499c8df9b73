"""Sentinel-1 sigma0 of a region on a date: class means, season, moisture, wind, incidence, speckle and noise floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pipelines.simulate.cover import PARCEL_DRAWS, Cover, kind_map
from pipelines.simulate.kinds import KINDS
from pipelines.simulate.signatures import SIGNATURE_COLUMNS, SIGNATURES
from pipelines.simulate.texture import FloatArray, gaussian_field, gaussian_kernel, generator

if TYPE_CHECKING:
    from pipelines.simulate.landscape import BoolArray, ByteArray

POLARISATIONS = ("VV", "VH")
REFERENCE_INCIDENCE_DEG = 38.0

NOISE_FLOOR_DB = {"VV": -23.0, "VH": -24.5}
"""Noise-equivalent sigma0 added to the signal; the mission's requirement is -22 dB (Sentinel-1 product definition,
S1-RS-MDA-52-7440), measured levels lie 1 to 5 dB below it."""

LAND_SLOPE = 2.0
"""Exponent n of cos(theta) ** n for land; Ulaby, Moore and Fung 1982, Microwave Remote Sensing II."""

WATER_SLOPE_DB_PER_DEG = -0.45
"""CMOD-like fall of wind-roughened water with incidence at 30 to 45 degrees (Mouche and Chapron 2015)."""

MOISTURE_DB = {"VV": 5.0, "VH": 3.0}
"""From dry to saturated bare soil; Ulaby and Long 2014, Microwave Radar and Radiometric Remote Sensing, chapter 10."""

WIND_DB = {"VV": 5.5, "VH": 3.5}
"""From calm to strong wind over small inland water; chosen so that the roughest water overlaps the smoothest soil."""

LOOKS = 4.9
"""Looks of an IW GRDH product in theory; 4.4 are measured (Sentinel-1 product definition)."""

RESOLUTION_SIGMA_PX = 0.85
"""Impulse response of 20 m by 22 m on 10 m pixels: 2.355 sigma = 2 pixels."""

WATER_DB = {"VV": -18.5, "VH": -26.5}
"""Turbid open water, as in the table of kinds."""

MEAN_WIND = 0.35

WATERS = ("clear_water", "turbid_water", "weedy_water")


@dataclass(frozen=True, slots=True, kw_only=True)
class RadarGeometry:
    """How one pass looks at the region."""

    incidence_deg: float
    """At the centre of the region."""

    ascending: bool

    wind: float
    """0 calm to 1 strong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatterers:
    """What stays the same over the dates, (y, x) in dB."""

    bare: dict[str, FloatArray]
    full: dict[str, FloatArray]
    water: FloatArray
    """1 on water, else 0."""

    moist: FloatArray
    """Sensitivity of the ground to moisture, 0 to 1."""


def make_scatterers(seed: int, cover: Cover) -> Scatterers:
    """Returns class means plus the offsets of parcels and pixels for both polarisations."""
    rng = generator(seed, "radar")
    shape = (cover.kind.shape[0], cover.kind.shape[1])
    shared = gaussian_field(rng, shape, 0.7)
    spread, grain = _signature("spread_db", cover.kind), _signature("grain_db", cover.kind)
    bare, full = {}, {}
    for polarisation in POLARISATIONS:
        key = polarisation.lower()
        own = gaussian_field(rng, shape, 0.7)
        parcel = cover.parcel_draw[PARCEL_DRAWS.index(key)][cover.parcel]
        offset = spread * parcel + grain * (np.float32(0.8) * shared + np.float32(0.6) * own)
        bare[polarisation] = _signature(f"{key}_bare", cover.kind) + offset
        full[polarisation] = _signature(f"{key}_full", cover.kind) + offset
    is_water = np.array([kind.name in WATERS for kind in KINDS], dtype=np.float32)[cover.kind]
    return Scatterers(bare=bare, full=full, water=is_water, moist=kind_map("moist", cover.kind))


def _signature(column: str, kind: ByteArray) -> FloatArray:
    """Returns a column of the backscatter table as a map (y, x)."""
    place = SIGNATURE_COLUMNS.index(column)
    return np.array([SIGNATURES[entry.name][place] for entry in KINDS], dtype=np.float32)[kind]


def replace_scatterers(scatterers: Scatterers, other: Scatterers, place: BoolArray) -> Scatterers:
    """Returns the scatterers with those of another state where `place` is true."""
    return Scatterers(
        bare={name: np.where(place, other.bare[name], scatterers.bare[name]) for name in POLARISATIONS},
        full={name: np.where(place, other.full[name], scatterers.full[name]) for name in POLARISATIONS},
        water=np.where(place, other.water, scatterers.water),
        moist=np.where(place, other.moist, scatterers.moist),
    )


def open_water_power(geometry: RadarGeometry, polarisation: str) -> float:
    """Returns the mean sigma0 of open water under the pass's wind and incidence, linear."""
    level = WATER_DB[polarisation] + WIND_DB[polarisation] * (geometry.wind - MEAN_WIND)
    level += WATER_SLOPE_DB_PER_DEG * (geometry.incidence_deg - REFERENCE_INCIDENCE_DEG)
    return float(10.0 ** (level / 10.0))


def mean_power(
    scatterers: Scatterers, green: FloatArray, moisture: FloatArray, geometry: RadarGeometry, polarisation: str
) -> FloatArray:
    """Returns the speckle-free sigma0 (y, x), linear power, without noise.

    Args:
        scatterers: Offsets of the region.
        green: Green fraction of the date (y, x).
        moisture: Topsoil saturation (y, x), 0 to 1.
        geometry: Incidence and wind of the pass.
        polarisation: VV or VH.
    """
    level = scatterers.bare[polarisation] + green * (scatterers.full[polarisation] - scatterers.bare[polarisation])
    level = level + np.float32(MOISTURE_DB[polarisation]) * (moisture - 0.4) * scatterers.moist * (1.0 - green)
    level = level + scatterers.water * np.float32(WIND_DB[polarisation] * (geometry.wind - MEAN_WIND))
    theta = _incidence_map(geometry, level.shape[1])
    cosine = np.cos(np.deg2rad(theta)) / np.cos(np.deg2rad(REFERENCE_INCIDENCE_DEG))
    land_db = 10.0 * LAND_SLOPE * np.log10(cosine)
    water_db = WATER_SLOPE_DB_PER_DEG * (theta - REFERENCE_INCIDENCE_DEG)
    level = level + np.where(scatterers.water > 0, water_db, land_db).astype(np.float32)
    return np.asarray(np.exp(level * np.float32(np.log(10.0) / 10.0)), dtype=np.float32)


def _incidence_map(geometry: RadarGeometry, width: int) -> FloatArray:
    """Returns incidence (1, x): 16 degrees over a swath of 250 km, rising away from the satellite's side."""
    per_pixel = 16.0 / 25_000.0 * (1.0 if geometry.ascending else -1.0)
    columns = np.arange(width, dtype=np.float32) - width / 2
    return np.asarray(geometry.incidence_deg + per_pixel * columns, dtype=np.float32)[None, :]


def observe(
    rng: np.random.Generator, power: FloatArray, polarisation: str, shift_px: tuple[float, float]
) -> FloatArray:
    """Returns one image (y, x) of a mean power: resolution, geolocation error, noise floor and speckle.

    Args:
        rng: Source of speckle.
        power: Mean sigma0, linear.
        polarisation: VV or VH.
        shift_px: Geolocation error (x, y) in pixels.
    """
    shift_x, shift_y = shift_px
    kernel_x = gaussian_kernel(RESOLUTION_SIGMA_PX, shift_x, radius=3)
    kernel_y = gaussian_kernel(RESOLUTION_SIGMA_PX, shift_y, radius=3)
    seen = ndimage.correlate1d(power, kernel_x[::-1], axis=1, mode="nearest")
    seen = ndimage.correlate1d(seen, kernel_y[::-1], axis=0, mode="nearest")
    noisy = seen + np.float32(10.0 ** (NOISE_FLOOR_DB[polarisation] / 10.0))
    return np.asarray(noisy * speckle(rng, (power.shape[0], power.shape[1])), dtype=np.float32)


def speckle(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Returns correlated multiplicative speckle (y, x), Gamma of mean 1 and `LOOKS` looks.

    A Gaussian field with the impulse response's correlation is mapped to Gamma by the cube of Wilson and Hilferty
    (1931, doi:10.1073/pnas.17.12.684), whose mean and variance are within 0.5 % of Gamma's from four looks on.
    """
    field = gaussian_field(rng, shape, RESOLUTION_SIGMA_PX)
    ninth = np.float32(1.0 / (9.0 * LOOKS))
    cube = np.maximum(np.float32(1.0) - ninth + np.sqrt(ninth) * field, np.float32(0.05))
    return np.asarray(cube * cube * cube, dtype=np.float32)
