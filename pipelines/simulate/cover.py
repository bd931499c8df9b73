"""What each pixel really shows: the kind of surface, with inclusions, and its place in the season."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from pipelines.simulate.composition import COMPOSITION, INCLUSIONS, NEW_INCLUSIONS
from pipelines.simulate.kinds import KINDS, kind_index
from pipelines.simulate.landscape import BUILT, BoolArray, ByteArray, Landscape
from pipelines.simulate.texture import FloatArray, gaussian_field, generator, uniform

if TYPE_CHECKING:
    from pipelines.simulate.parcels import IntArray

INCLUSION_SIGMA_PX = 0.75
"""Smoothing of the field that places inclusions: patches of 1 to 3 pixels."""

INCLUSION_SPREAD = 0.35
"""Log-normal spread between parcels of the share of inclusions."""

TIMING_SPREAD_DAYS = 6.0
"""Standard deviation of the season's shift between the pixels of a parcel (soil depth, drilling, shade)."""

VIGOUR_SPREAD = 0.22
"""Log-normal spread of the green cover between the pixels of a parcel, the same on all dates (15 to 30 %)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """Parameters of the green cover (y, x), see `green_cover` of the phenology."""

    base: FloatArray
    amplitude: FloatArray
    start_day: FloatArray
    end_day: FloatArray
    ramp_days: FloatArray
    winter_cover: FloatArray
    mowing_days: FloatArray
    """(mowing, y, x), days of the year; beyond 400 never."""

    vigour: FloatArray
    """Factor on the green cover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """Kinds, parcels and seasons of one state of the land."""

    land_cover: ByteArray
    kind: ByteArray
    """Row of `KINDS` (y, x)."""

    parcel: IntArray
    season: Season
    parcel_draw: FloatArray = field(repr=False)
    """Standard normal draws per parcel (draw, parcel) that radiometry uses, see `PARCEL_DRAWS`."""


PARCEL_DRAWS = ("start", "end", "cover", "bright", "visible", "infrared", "shortwave", "vv", "vh", "base", "amplitude")


def make_cover(seed: int, landscape: Landscape, *, changed: bool = False) -> Cover:
    """Returns kinds and seasons for a landscape.

    Args:
        seed: The region's seed.
        landscape: Land cover and parcels.
        changed: Whether it is the state after the changes: its kinds and seasons are drawn anew.
    """
    rng = generator(seed, "parcels", int(changed))
    kind = _kinds(rng, landscape, NEW_INCLUSIONS if changed else INCLUSIONS)
    num_parcels = int(landscape.parcel.max()) + 1
    draws = rng.standard_normal((len(PARCEL_DRAWS), num_parcels), dtype=np.float32)
    mowing = _mowing_days(rng, num_parcels)
    season = _season(rng, kind, landscape.parcel, draws, mowing)
    return Cover(land_cover=landscape.land_cover, kind=kind, parcel=landscape.parcel, season=season, parcel_draw=draws)


def kind_map(attribute: str, kind: ByteArray) -> FloatArray:
    """Returns a numeric attribute of the kinds as a map (y, x)."""
    table = np.array([getattr(entry, attribute) for entry in KINDS], dtype=np.float32)
    return table[kind]


def _kinds(rng: np.random.Generator, landscape: Landscape, inclusions: dict[int, dict[str, float]]) -> ByteArray:
    shape = landscape.land_cover.shape
    num_parcels = int(landscape.parcel.max()) + 1
    per_parcel = rng.random(num_parcels, dtype=np.float32)[landscape.parcel]
    per_pixel = uniform(gaussian_field(rng, shape, 0.45))
    patch = uniform(gaussian_field(rng, shape, INCLUSION_SIGMA_PX))
    clump = np.exp(np.float32(INCLUSION_SPREAD) * rng.standard_normal(num_parcels, dtype=np.float32))[landscape.parcel]
    which = uniform(gaussian_field(rng, shape, 1.2))
    kind = np.zeros(shape, dtype=np.uint8)
    for code, shares in COMPOSITION.items():
        place = landscape.land_cover == code
        draw = per_pixel if code == BUILT else per_parcel
        kind[place] = _pick(shares, draw[place])
    for code, shares in inclusions.items():
        total = np.float32(sum(shares.values()))
        place = (landscape.land_cover == code) & (patch < total * clump) & ~landscape.street
        kind[place] = _pick(shares, which[place])
    kind[landscape.street] = kind_index("asphalt")
    return kind


def _pick(shares: dict[str, float], draw: FloatArray) -> ByteArray:
    """Returns kinds for uniform draws, in proportion to their shares."""
    cumulated = np.cumsum(list(shares.values()), dtype=np.float64)
    rows = np.array([kind_index(name) for name in shares], dtype=np.uint8)
    place = np.searchsorted(cumulated / cumulated[-1], draw, side="right")
    return rows[np.minimum(place, len(rows) - 1)]


def _mowing_days(rng: np.random.Generator, num_parcels: int) -> FloatArray:
    """Returns three mowing days per parcel (mowing, parcel): late May, July and September, with weeks of spread."""
    middle = np.array([148.0, 202.0, 256.0], dtype=np.float32)[:, None]
    days: FloatArray = middle + np.float32(13.0) * rng.standard_normal((3, num_parcels), dtype=np.float32)
    return days


def _season(
    rng: np.random.Generator, kind: ByteArray, parcel: IntArray, draws: FloatArray, mowing: FloatArray
) -> Season:
    shape = (kind.shape[0], kind.shape[1])
    timing = np.float32(TIMING_SPREAD_DAYS) * gaussian_field(rng, shape, 1.0)
    vigour = np.exp(np.float32(VIGOUR_SPREAD) * gaussian_field(rng, shape, 0.8) - np.float32(VIGOUR_SPREAD**2 / 2))
    spread = kind_map("day_spread", kind)
    by_name = {name: draws[row][parcel] for row, name in enumerate(PARCEL_DRAWS)}
    has_cover = uniform(by_name["cover"]) < kind_map("winter_cover", kind)
    count = kind_map("mowings", kind)
    mowing_days = mowing[:, parcel]
    for number in range(len(mowing)):
        mowing_days[number][count <= number] = 1000.0
    return Season(
        base=kind_map("base", kind) * np.exp(np.float32(0.10) * by_name["base"]),
        amplitude=kind_map("amplitude", kind) * np.exp(np.float32(0.08) * by_name["amplitude"]),
        start_day=kind_map("start_day", kind) + spread * by_name["start"] + timing,
        end_day=kind_map("end_day", kind) + spread * by_name["end"] + timing,
        ramp_days=kind_map("ramp_days", kind),
        winter_cover=np.where(has_cover, np.float32(0.5), np.float32(0.0)).astype(np.float32),
        mowing_days=mowing_days,
        vigour=vigour.astype(np.float32),
    )


def replace_cover(cover: Cover, other: Cover, place: BoolArray) -> Cover:
    """Returns the cover with the land cover, kinds and seasons of another one where `place` is true; parcels stay."""

    def take(first: FloatArray, second: FloatArray) -> FloatArray:
        return np.where(place, second, first)

    first, second = cover.season, other.season
    season = Season(
        base=take(first.base, second.base),
        amplitude=take(first.amplitude, second.amplitude),
        start_day=take(first.start_day, second.start_day),
        end_day=take(first.end_day, second.end_day),
        ramp_days=take(first.ramp_days, second.ramp_days),
        winter_cover=take(first.winter_cover, second.winter_cover),
        mowing_days=take(first.mowing_days, second.mowing_days),
        vigour=take(first.vigour, second.vigour),
    )
    return replace(
        cover,
        land_cover=np.where(place, other.land_cover, cover.land_cover),
        kind=np.where(place, other.kind, cover.kind),
        season=season,
    )
