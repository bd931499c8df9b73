"""A simulated quad-polarised scene: complex images of several dates and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.simulate.slc.ground import QuadGround, covariance_at, make_quad_ground
from pipelines.simulate.slc.spec import INCIDENCE_DEG
from pipelines.simulate.slc.speckle import circular_noise, coloured, resolved
from pipelines.simulate.texture import FloatArray, fractal_field, generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.simulate.landscape import ByteArray
    from pipelines.simulate.slc.spec import SlcSpec
    from pipelines.simulate.slc.speckle import ComplexArray

CHANNELS: Final = ("HH", "HV", "VH", "VV")
DAYS_A_YEAR: Final = 365.25
FIRST_DAY: Final = (60.0, 250.0)
"""First dates lie in the growing season, from March to early September."""

PHASE_SCREEN_RAD: Final = 0.6
"""Standard deviation of the phase that the air adds over a few kilometres (Hanssen 2001, Radar Interferometry, chapter
4: 0.1 to 2 rad at C band), the same in all channels; topography and orbits are taken out, as in geocoded products."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSlc:
    """Images and truth of one scene.

    In azimuth (y) and range (x). A flip in azimuth mirrors the plane of incidence: it is a scene that could be, if HV
    and VH change their sign with it (`flip_azimuth`). A flip in range is none: incidence, layover and shadow have a
    side. A common phase on all four channels changes nothing.
    """

    spec: SlcSpec
    scattering: NDArray[np.complex64] = field(repr=False)
    """(time, 4, y, x) in the order HH, HV, VH, VV; |S|^2 is sigma0 plus noise. HV and VH differ by noise alone."""

    covariance: NDArray[np.complex64] = field(repr=False)
    """Truth (time, 3, 3, y, x) of (S_HH, sqrt(2) S_HV, S_VV) at the sensor's resolution, texture 1, no noise."""

    sample_covariance: NDArray[np.complex64] | None = field(repr=False)
    """Mean over `spec.looks` looks, as `covariance` but measured: textured, with noise, HV the mean of HV and VH, which
    halves the noise there. None for one look."""

    land_cover: ByteArray
    """WorldCover codes (y, x)."""

    texture: FloatArray = field(repr=False)
    """Factor on the covariance (y, x), the same at all dates, mean 1."""

    texture_order: FloatArray = field(repr=False)
    """Order nu of the K distribution (y, x); infinite without texture."""

    coherence: FloatArray = field(repr=False)
    """Magnitude of the correlation between two successive dates (y, x), without noise."""

    phase_screen: FloatArray = field(repr=False)
    """(time, y, x) radians, added to all channels."""

    noise_power: float
    """Of each channel, linear sigma0."""

    incidence_deg: NDArray[np.float64]
    """(x,)."""

    day: NDArray[np.float32]
    """Days since the first date (time,)."""

    first_day_of_year: float


def simulate_slc(spec: SlcSpec) -> SimulatedSlc:
    """Returns the images and the truth of a spec; equal specs give equal bytes."""
    shape = (spec.size, spec.size)
    rng = generator(spec.seed, "slc", 1)
    drawn = float(rng.uniform(INCIDENCE_DEG[0] + 4.0, INCIDENCE_DEG[1] - 4.0))
    incidence = drawn if spec.incidence_deg is None else spec.incidence_deg
    drawn_day = float(rng.uniform(*FIRST_DAY))
    first_day = drawn_day if spec.first_day_of_year is None else spec.first_day_of_year
    ground = make_quad_ground(spec.seed, shape, incidence, textured=spec.textured)
    coherence = np.exp(-np.float32(spec.interval_days) / ground.coherence_days)
    noise_power = 10.0 ** (spec.noise_db / 10.0)
    images, truths, samples, screens = [], [], [], []
    white: list[ComplexArray] = []
    for date in range(spec.num_dates):
        rng = generator(spec.seed, "slc", 2 + date)
        truth, factor = _date_covariance(rng, ground, (first_day + date * spec.interval_days) % DAYS_A_YEAR)
        white = _next_white(rng, white, coherence, spec)
        screen = _phase_screen(rng, shape)
        looks = [_observe(rng, factor, part, noise_power, screen) for part in white]
        images.append(looks[0])
        truths.append(np.moveaxis(truth, (2, 3), (0, 1)).astype(np.complex64))
        samples.append(_mean_covariance(looks) if spec.looks > 1 else None)
        screens.append(screen)
    return SimulatedSlc(
        spec=spec,
        scattering=np.stack(images),
        covariance=np.stack(truths),
        sample_covariance=None if spec.looks == 1 else np.stack([part for part in samples if part is not None]),
        land_cover=ground.cover.land_cover,
        texture=ground.texture,
        texture_order=ground.texture_order,
        coherence=coherence.astype(np.float32),
        phase_screen=np.stack(screens),
        noise_power=noise_power,
        incidence_deg=ground.incidence_deg,
        day=np.arange(spec.num_dates, dtype=np.float32) * np.float32(spec.interval_days),
        first_day_of_year=first_day,
    )


def flip_azimuth(scattering: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Returns the mirror image (..., 4, y, x) of a scene in azimuth: rows reversed, HV and VH negated."""
    sign = np.array([1.0, -1.0, -1.0, 1.0], dtype=np.float32)[:, None, None]
    return np.asarray(scattering[..., ::-1, :] * sign, dtype=np.complex64)


def _date_covariance(
    rng: np.random.Generator, ground: QuadGround, day: float
) -> tuple[NDArray[np.float64], ComplexArray]:
    """Returns the truth (y, x, 3, 3) of a date and its Cholesky factor times the root of the texture."""
    season = 0.5 + 0.22 * np.cos(2.0 * np.pi * (day - 20.0) / DAYS_A_YEAR)
    moisture = float(np.clip(season + rng.normal(0.0, 0.17), 0.05, 0.95))
    truth = resolved(covariance_at(ground, day=day, soil_moisture=moisture))
    factor = np.linalg.cholesky(truth) * np.sqrt(ground.texture)[..., None, None]
    return truth, np.asarray(factor, dtype=np.complex64)


def _next_white(
    rng: np.random.Generator, before: list[ComplexArray], coherence: FloatArray, spec: SlcSpec
) -> list[ComplexArray]:
    """Returns unit speckle (3, y, x) of each look: what is left of the date before, and new."""
    new = [circular_noise(rng, 3, (spec.size, spec.size)) for _ in range(spec.looks)]
    if not before:
        return new
    rest = np.sqrt(1.0 - np.square(coherence))
    return [
        np.asarray(coherence * old + rest * fresh, dtype=np.complex64) for old, fresh in zip(before, new, strict=True)
    ]


def _phase_screen(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    smooth = fractal_field(rng, shape, exponent=3.67)  # Kolmogorov, 11/3 in two dimensions
    return np.asarray(np.float32(PHASE_SCREEN_RAD) * smooth + np.float32(rng.uniform(0, 2 * np.pi)), dtype=np.float32)


def _observe(
    rng: np.random.Generator, factor: ComplexArray, white: ComplexArray, noise_power: float, screen: FloatArray
) -> ComplexArray:
    """Returns one look (4, y, x): colour, phase of the air, thermal noise."""
    target = coloured(factor, white) * np.exp(1j * screen).astype(np.complex64)
    cross = target[1] * np.float32(np.sqrt(0.5))
    image = np.stack([target[0], cross, cross, target[2]])
    noise = circular_noise(rng, len(CHANNELS), (screen.shape[0], screen.shape[1]))
    return np.asarray(image + np.float32(np.sqrt(noise_power)) * noise, dtype=np.complex64)


def _mean_covariance(looks: list[ComplexArray]) -> NDArray[np.complex64]:
    """Returns the mean of k k^H (3, 3, y, x) over looks."""
    targets = [np.stack([look[0], (look[1] + look[2]) * np.float32(np.sqrt(0.5)), look[3]]) for look in looks]
    return np.asarray(np.mean([part[:, None] * part[None].conj() for part in targets], axis=0), dtype=np.complex64)
