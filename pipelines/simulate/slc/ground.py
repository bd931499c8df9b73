"""The ground of a scene: powers of the mechanisms, covariance, texture and coherence of every pixel.

Stands of trees and wetland are told apart by polarimetry alone: the span of a pixel of either class is drawn from one
distribution (`TWIN_SPAN_DB`, `TWIN_SPREAD_DB`, `TWIN_GRAIN_DB`, `TWIN_TEXTURE_ORDER`), whatever grows there; only the
shares of the mechanisms differ, volume in the trees, double bounce in the flooded stems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

from pipelines.simulate.backscatter import LAND_SLOPE, REFERENCE_INCIDENCE_DEG, WATER_SLOPE_DB_PER_DEG
from pipelines.simulate.cover import PARCEL_DRAWS, Cover, kind_map, make_cover
from pipelines.simulate.kinds import KINDS
from pipelines.simulate.landscape import BUILT, TREE, WATER, WETLAND, make_landscape
from pipelines.simulate.phenology import fractions
from pipelines.simulate.slc.mechanisms import VOLUMES, double_bounce_covariance, rotation, surface_covariance
from pipelines.simulate.slc.signatures import QUAD_SIGNATURES
from pipelines.simulate.texture import FloatArray, gaussian_field, generator, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.simulate.landscape import BoolArray
    from pipelines.simulate.parcels import IntArray

TWINS: Final = (TREE, WETLAND)
"""The land-cover classes of equal span distribution."""

TWIN_SPAN_DB: Final = -5.2
TWIN_SPREAD_DB: Final = 0.8
TWIN_GRAIN_DB: Final = 0.8
TWIN_TEXTURE_ORDER: Final = 10.0
"""Between what the table has for woods and for reed, which do not differ by more than 0.8 dB."""

SHARE_SPREAD: Final = 0.25
"""Log-normal spread of the shares of double bounce and volume between pixels (density and shape of the plants)."""

MOIST_PERMITTIVITY: Final = 22.0
"""Rise of the real permittivity of soil from dry to saturated at C band (Hallikainen et al. 1985, figure 9)."""

MOIST_DB: Final = 4.0
"""Rise of a bare surface's power from dry to saturated, between the co- and the cross-polarised one of
`pipelines.simulate.backscatter`."""

MEAN_MOISTURE: Final = 0.4
SWATH_DEG_PER_PX: Final = 16.0 / 12_000.0
"""Incidence grows by some 16 degrees over 100 km; 8 m pixels."""

ORIENTATION_SD_DEG: Final = 14.0
"""Standard deviation of the blocks' turn against the flight track, as the polarisation orientation angle that it
causes; Kimura 2008, doi:10.1109/TGRS.2008.2006574 finds -20 to 20 degrees in towns at C band."""

TEXTURE_SIGMA_PX: Final = 1.2
LEAST_VOLUME: Final = 0.01
"""Share that is always volume: a surface and a dihedral alone would leave the covariance without full rank."""

MOST_NOT_SURFACE: Final = 0.98


@dataclass(frozen=True, slots=True, kw_only=True)
class QuadGround:
    """What stays the same over the dates."""

    cover: Cover
    incidence_deg: NDArray[np.float64]
    """(x,)."""

    level_db: FloatArray
    """Departure of the span from its kind's mean (y, x)."""

    twin: BoolArray
    """Pixels of the two classes of equal span (y, x)."""

    share_gain: FloatArray
    """(2, y, x): factors on the shares of double bounce and volume."""

    orientation_deg: FloatArray
    """Turn of the buildings (y, x), 0 elsewhere."""

    texture: FloatArray
    """Texture of mean 1 (y, x), gamma distributed of order `texture_order`."""

    texture_order: FloatArray
    coherence_days: FloatArray
    moisture: FloatArray
    """Departure of the saturation from the date's mean (y, x)."""


def make_quad_ground(seed: int, shape: tuple[int, int], incidence_deg: float, *, textured: bool) -> QuadGround:
    """Returns the ground of a seed, seen under an incidence at the middle of the scene."""
    landscape = make_landscape(seed, shape)
    cover = make_cover(seed, landscape)
    rng = generator(seed, "slc")
    twin = np.isin(landscape.land_cover, TWINS)
    spread = np.where(twin, np.float32(TWIN_SPREAD_DB), _column("spread_db", cover))
    grain = np.where(twin, np.float32(TWIN_GRAIN_DB), _column("grain_db", cover))
    num_parcels = cover.parcel_draw.shape[1]
    parcel: FloatArray = rng.standard_normal((num_parcels,), dtype=np.float32)[cover.parcel]
    level = spread * parcel + grain * gaussian_field(rng, shape, 0.7)
    gains = np.stack([np.exp(np.float32(SHARE_SPREAD) * gaussian_field(rng, shape, 0.8)) for _ in range(2)])
    turn = np.float32(ORIENTATION_SD_DEG) * cover.parcel_draw[PARCEL_DRAWS.index("bright")][cover.parcel]
    order = np.where(twin, np.float32(TWIN_TEXTURE_ORDER), _column("texture_order", cover))
    columns = np.arange(shape[1], dtype=np.float64) - (shape[1] - 1) / 2.0
    return QuadGround(
        cover=cover,
        incidence_deg=incidence_deg + SWATH_DEG_PER_PX * columns,
        level_db=level.astype(np.float32),
        twin=twin,
        share_gain=gains,
        orientation_deg=np.where(landscape.land_cover == BUILT, turn, np.float32(0.0)),
        texture=_texture(rng, order) if textured else np.ones(shape, dtype=np.float32),
        texture_order=order if textured else np.full(shape, np.inf, dtype=np.float32),
        coherence_days=_column("coherence_days", cover),
        moisture=np.float32(0.25) * (landscape.lowness - np.float32(0.5)),
    )


def _column(name: str, cover: Cover) -> FloatArray:
    return np.array([getattr(entry, name) for entry in QUAD_SIGNATURES], dtype=np.float32)[cover.kind]


def _texture(rng: np.random.Generator, order: FloatArray) -> FloatArray:
    """Returns gamma distributed texture (y, x) of mean 1 and variance 1 / order, correlated over about two pixels."""
    field = uniform(gaussian_field(rng, (order.shape[0], order.shape[1]), TEXTURE_SIGMA_PX))
    return np.asarray(special.gammaincinv(order, np.clip(field, 1e-6, 1.0 - 1e-6)) / order, dtype=np.float32)


def covariance_at(ground: QuadGround, *, day: float, soil_moisture: float) -> NDArray[np.float64]:
    """Returns the covariance (y, x, 3, 3) of a date before the sensor's resolution; its trace is the span as sigma0.

    Args:
        ground: The scene's ground.
        day: Day of the year, for the plants.
        soil_moisture: Mean saturation of the topsoil, 0 to 1.
    """
    green = fractions(ground.cover, day).green
    moisture = np.clip(soil_moisture + ground.moisture, 0.0, 1.0)
    span = _span(ground, green, moisture)
    double, volume = _shares(ground, green)
    surface = 1.0 - double - volume
    kind = ground.cover.kind
    columns: IntArray = np.broadcast_to(np.arange(kind.shape[1], dtype=np.int32), kind.shape)
    on_surface, on_double, in_volume = _matrices(ground.incidence_deg, soil_moisture)
    out = (span * surface)[..., None, None] * on_surface[kind, columns]
    out += (span * double)[..., None, None] * on_double[kind, columns]
    out += (span * volume)[..., None, None] * in_volume[kind]
    turned = ground.orientation_deg != 0
    turn = rotation(ground.orientation_deg[turned].astype(np.float64))
    out[turned] = turn @ out[turned] @ np.swapaxes(turn, -1, -2)
    return np.asarray(out)


def _span(ground: QuadGround, green: FloatArray, moisture: FloatArray) -> NDArray[np.float64]:
    """Returns the span (y, x), linear."""
    bare, full = _column("bare_db", ground.cover), _column("full_db", ground.cover)
    moist = np.float32(MOIST_DB) * (moisture - MEAN_MOISTURE) * kind_map("moist", ground.cover.kind) * (1.0 - green)
    mean = np.where(ground.twin, np.float32(TWIN_SPAN_DB), bare + green * (full - bare) + moist)
    angle = ground.incidence_deg[None, :]
    slope = 10.0 * LAND_SLOPE * np.log10(np.cos(np.deg2rad(angle)) / np.cos(np.deg2rad(REFERENCE_INCIDENCE_DEG)))
    water = WATER_SLOPE_DB_PER_DEG * (angle - REFERENCE_INCIDENCE_DEG)
    tilt = np.where(ground.cover.land_cover == WATER, water, slope)
    return np.asarray(10.0 ** ((mean + ground.level_db + tilt) / 10.0), dtype=np.float64)


def _shares(ground: QuadGround, green: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns the shares (y, x) of double bounce and volume, with their spread; both and the surface add up to 1."""
    shares = []
    for row, name in enumerate(("double", "volume")):
        bare, full = _column(f"bare_{name}", ground.cover), _column(f"full_{name}", ground.cover)
        shares.append((bare + green * (full - bare)) * ground.share_gain[row])
    double, volume = shares
    volume = np.maximum(volume, np.float32(LEAST_VOLUME))
    crowd = np.maximum((double + volume) / np.float32(MOST_NOT_SURFACE), np.float32(1.0))
    return double / crowd, volume / crowd


def _matrices(
    incidence_deg: NDArray[np.float64], soil_moisture: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Returns surface and double bounce (kind, x, 3, 3) and volume (kind, 3, 3), each of span 1."""
    moist = np.array([entry.moist for entry in KINDS])
    base = np.array([entry.permittivity for entry in QUAD_SIGNATURES])
    ground = np.maximum(base + MOIST_PERMITTIVITY * (soil_moisture - MEAN_MOISTURE) * moist, 3.0)[:, None]
    upright = np.array([entry.upright_permittivity for entry in QUAD_SIGNATURES])[:, None]
    rough = np.array([entry.roughness_deg for entry in QUAD_SIGNATURES])[:, None]
    angle = incidence_deg[None, :]
    return (
        surface_covariance(angle, ground, rough),
        double_bounce_covariance(angle, ground, upright),
        np.stack([VOLUMES[entry.volume] for entry in QUAD_SIGNATURES]),
    )
