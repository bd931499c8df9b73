"""Landsat 8 acquisitions of a simulated region: the same land under other air, in other bands and pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from catalogs.sensors import load_sensor
from pipelines.physics import usable
from pipelines.physics.bandpass import LINES
from pipelines.physics.landsat import reasons_from_qa_pixel
from pipelines.simulate.atmosphere import Atmosphere, make_atmosphere, through_air
from pipelines.simulate.calendar import Pass, make_calendar, sun_position
from pipelines.simulate.instrument import block_mean, spread
from pipelines.simulate.landscape import make_landscape
from pipelines.simulate.scene import Moment, make_scene, moment_at, reflectance_of, state_at
from pipelines.simulate.spectra import BANDS
from pipelines.simulate.texture import FloatArray, generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.simulate.region import SimulatedRegion
    from pipelines.simulate.spec import RegionSpec

TWINS: Final = {
    "SR_B1": "B01", "SR_B2": "B02", "SR_B3": "B03", "SR_B4": "B04", "SR_B5": "B8A", "SR_B6": "B11", "SR_B7": "B12",
}  # fmt: skip
"""Band of Sentinel-2 that looks most like each of OLI's (HLS Product User Guide V2, table 4)."""

SATELLITE: Final = "landsat-8"
SPECTRA_OF: Final = "sentinel-2a"
"""Whose bands the table of materials is taken to be in: its lines lead to those of OLI."""

PIXEL: Final = 3
"""30 m in pixels of 10 m."""

POINT_SPREAD_PX: Final = 1.1
"""Sigma in 10 m pixels before the average over 30 m: a modulation transfer of about 0.35 at Nyquist (OLI on-orbit
spatial performance, Wenny et al. 2015, doi:10.3390/rs70302158: edge slopes of 0.027 to 0.031 a metre)."""

SIGNAL_TO_NOISE: Final = 250.0
NOISE_FLOOR: Final = 0.0005
"""OLI measures 200 to 350 at typical radiance (Morfitt et al. 2015, doi:10.3390/rs70302208)."""

SHIFT_SD_PX: Final = 0.35
"""Standard deviation of the misregistration on either axis, 10 m pixels (Collection 2: some 5 m against Sentinel-2's
reference, Storey et al. 2019)."""

LARGEST_LAG_DAYS: Final = 3
"""Landsat passes up to so many days after Sentinel-2, with weather of its own."""

FILL: Final = 1
CLEAR_BITS: Final = 1 << 6
LOW_CONFIDENCE: Final = (1 << 8) | (1 << 10) | (1 << 12) | (1 << 14)
HIGH_CLOUD: Final = (1 << 3) | (1 << 9)
HIGH_SHADOW: Final = (1 << 4) | (1 << 11)
HIGH_CIRRUS: Final = (1 << 2) | (1 << 15)
DILATED: Final = 1 << 1
WATER_BIT: Final = 1 << 7
"""QA_PIXEL, LSDS-1619: a two-bit confidence is 01 where low and 11 where high, which sets the bit above it too."""

DILATION_PX: Final = 3
"""Margin around clouds, LSDS-1619."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandsatScene:
    """Pixels and metadata of one acquisition, as the Level 2 product has them."""

    id: str
    time: datetime
    """UTC."""

    index: int
    """Of the date of the region that it belongs to."""

    bands: dict[str, NDArray[np.uint16]] = field(repr=False)
    """(y, x) of 30 m: SR_B1 to SR_B7 in steps of 0.0000275 from -0.2 with 0 for fill, QA_PIXEL and QA_RADSAT. The last
    row and column may reach beyond the region by up to 20 m."""

    sun_azimuth_deg: float
    sun_elevation_deg: float
    shift_px: tuple[float, float]
    """True misregistration (x, y) in 10 m pixels."""

    platform: str = SATELLITE
    group: str = "l8"

    def reflectance(self) -> FloatArray:
        """Returns surface reflectance (band, y, x) in the order of `TWINS`, NaN where missing."""
        sensor = load_sensor("landsat-oli-tirs")
        assert sensor.scale is not None
        assert sensor.offset is not None
        counts = np.stack([self.bands[name] for name in TWINS])
        values = counts.astype(np.float64) * sensor.scale + sensor.offset
        return np.where(counts == 0, np.nan, values).astype(np.float32)

    def valid(self) -> NDArray[np.bool_]:
        """Returns where QA_PIXEL leaves a pixel usable (y, x): no fill, cloud, margin, shadow or cirrus."""
        return np.asarray(usable(reasons_from_qa_pixel(self.bands["QA_PIXEL"])), dtype=bool)


def simulate_landsat(region: SimulatedRegion) -> tuple[LandsatScene, ...]:
    """Returns one acquisition a date of a region, in its order; equal specs give equal bytes.

    The land, its seasons and its changes are those of the region's other sensors on that date; clouds, haze, noise and
    misregistration are Landsat's own.
    """
    spec = region.spec
    scene = make_scene(spec.seed, make_landscape(spec.seed, spec.shape), region.events)
    state, scenes = scene.before, []
    for seen in make_calendar(spec):
        state = state_at(scene, seen.index, state)
        moment = moment_at(scene, state, index=seen.index, day=seen.day, soil_moisture=seen.soil_moisture)
        scenes.append(_acquire(spec, seen, moment))
    return tuple(scenes)


def _acquire(spec: RegionSpec, seen: Pass, moment: Moment) -> LandsatScene:
    rng = generator(spec.seed, "landsat", seen.index)
    day = seen.optical_time + timedelta(days=int(rng.integers(0, LARGEST_LAG_DAYS + 1)))
    time = day.replace(hour=10, minute=30, second=int(rng.integers(0, 60)), microsecond=0)
    azimuth, elevation = sun_position(spec.latitude_deg, time)
    air = make_atmosphere(
        rng, spec.shape, cloud_cover=spec.cloud_cover, sun_azimuth_deg=azimuth, sun_elevation_deg=elevation
    )
    shift = (float(rng.normal(0, SHIFT_SD_PX)), float(rng.normal(0, SHIFT_SD_PX)))
    top = through_air(reflectance_of(moment, elevation), air)
    missing = block_mean(air.missing.astype(np.float32), PIXEL) > 0
    bands = {name: _band(rng, top[BANDS.index(twin)], twin, shift, missing) for name, twin in TWINS.items()}
    bands["QA_PIXEL"] = quality(air, bands, missing)
    bands["QA_RADSAT"] = np.zeros(missing.shape, dtype=np.uint16)
    return LandsatScene(
        id=f"LC08_L2SP_SIM{spec.seed:05d}_{time:%Y%m%d}_02_T1",
        time=time,
        index=seen.index,
        bands=bands,
        sun_azimuth_deg=azimuth,
        sun_elevation_deg=elevation,
        shift_px=shift,
    )


def _band(
    rng: np.random.Generator, plane: FloatArray, twin: str, shift_px: tuple[float, float], missing: NDArray[np.bool_]
) -> NDArray[np.uint16]:
    """Returns the numbers (y, x) of one band at 30 m from reflectance at 10 m in the twin's band."""
    line = LINES[SPECTRA_OF][twin]
    adjusted = plane * np.float32(line.slope) + np.float32(line.offset)
    seen = block_mean(spread(adjusted, POINT_SPREAD_PX, shift_px), PIXEL)
    noise = rng.standard_normal(seen.shape, dtype=np.float32)
    sigma = np.maximum(seen, np.float32(0.0)) / np.float32(SIGNAL_TO_NOISE) + np.float32(NOISE_FLOOR)
    sensor = load_sensor("landsat-oli-tirs")
    assert sensor.scale is not None
    assert sensor.offset is not None
    counts = np.clip(np.rint(((seen + noise * sigma).astype(np.float64) - sensor.offset) / sensor.scale), 1, 65535)
    return np.where(missing, 0, counts).astype(np.uint16)


def quality(air: Atmosphere, bands: dict[str, NDArray[np.uint16]], missing: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Returns QA_PIXEL (y, x) with the misses of a real cloud mask.

    Args:
        air: The air at 10 m.
        bands: Numbers of SR_B3 and SR_B6, which tell water.
        missing: Pixels outside the swath.
    """
    cloud, shadow, cirrus = (block_mean(plane, PIXEL) for plane in (air.cloud, air.shadow, air.cirrus))
    missed = block_mean(air.missed.astype(np.float32), PIXEL) > 0.5  # noqa: PLR2004 most of the pixel
    cloudy = (cloud > 0.22) & ~missed  # noqa: PLR2004 as in the simulated scene classification
    shaded = (shadow > 0.45) & ~missed & ~cloudy  # noqa: PLR2004
    thin = (cirrus > 0.12) & ~missed & ~cloudy  # noqa: PLR2004
    margin = ndimage.binary_dilation(cloudy, iterations=DILATION_PX) & ~cloudy if cloudy.any() else cloudy
    qa = np.full(cloudy.shape, LOW_CONFIDENCE, dtype=np.int64)
    qa[cloudy] |= HIGH_CLOUD
    qa[margin] |= DILATED
    qa[shaded] |= HIGH_SHADOW
    qa[thin] |= HIGH_CIRRUS
    qa[~cloudy & ~margin] |= CLEAR_BITS
    green, shortwave = bands["SR_B3"].astype(np.int64), bands["SR_B6"].astype(np.int64)
    qa[(green > shortwave) & ~cloudy] |= WATER_BIT
    qa[missing] = FILL
    return qa.astype(np.uint16)


def on_10m_grid(plane: NDArray[np.generic], shape: tuple[int, int]) -> NDArray[np.generic]:
    """Returns a plane (..., y, x) of 30 m repeated onto the region's grid of 10 m."""
    fine = np.repeat(np.repeat(plane, PIXEL, axis=-2), PIXEL, axis=-1)
    return np.asarray(fine[..., : shape[0], : shape[1]])
