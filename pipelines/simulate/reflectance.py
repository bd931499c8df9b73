"""Surface reflectance of a region on a date, before the atmosphere and the instrument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.simulate.cover import PARCEL_DRAWS, Cover, kind_map
from pipelines.simulate.kinds import KINDS
from pipelines.simulate.spectra import BANDS, material_index, material_table
from pipelines.simulate.texture import FloatArray, gaussian_field, generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.simulate.phenology import Fractions

PARCEL_SPREAD = {"bright": 0.08, "visible": 0.07, "infrared": 0.05, "shortwave": 0.07}
"""Log-normal spread between parcels: all bands together, then each part of the spectrum."""

PIXEL_SPREAD = {"bright": 0.13, "visible": 0.13, "infrared": 0.10, "shortwave": 0.12}
"""Log-normal spread between the pixels of a parcel, the same on all dates."""

PIXEL_SIGMA_PX = 0.6

MOIST_DARKENING = 0.45
MOIST_DARKENING_SHORTWAVE = 0.60
"""Share of its reflectance that a soil loses from dry to saturated; Lobell and Asner 2002, SSSAJ 66 722."""

SHADE = 0.35
"""Share of a rough canopy that lies in shadow at a sun elevation of 20 degrees more than at 60 (geometric-optical)."""

PARTS = {
    "visible": ("B01", "B02", "B03", "B04", "B05"),
    "infrared": ("B06", "B07", "B08", "B8A", "B09"),
    "shortwave": ("B11", "B12"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Endmember spectra of every pixel, with its own offsets, (band, y, x)."""

    green: FloatArray
    dry: FloatArray
    ground: FloatArray
    moist: FloatArray
    """How much the ground darkens with moisture (y, x), 0 to 1."""

    rough: FloatArray
    """Crown shadow (y, x): 1 for forest, 0.4 for shrub, else 0."""


def make_surface(seed: int, cover: Cover) -> Surface:
    """Returns the spectra of the pixels: tables of materials times offsets of the parcel and of the pixel."""
    gain = _gain(seed, cover)
    names = [(kind.green, kind.dry, kind.ground) for kind in KINDS]
    table = material_table()
    spectra = []
    for part in range(3):
        rows = np.array([material_index(name[part]) for name in names])
        spectra.append(np.moveaxis(table[rows][cover.kind], -1, 0) * gain)
    rough = np.array([{"deciduous": 1.0, "conifer": 1.0, "shrub": 0.4}.get(kind.name, 0.0) for kind in KINDS])
    return Surface(
        green=spectra[0],
        dry=spectra[1],
        ground=spectra[2],
        moist=kind_map("moist", cover.kind),
        rough=rough.astype(np.float32)[cover.kind],
    )


def _gain(seed: int, cover: Cover) -> FloatArray:
    rng = generator(seed, "texture")
    shape = (cover.kind.shape[0], cover.kind.shape[1])
    pixel = {name: sd * gaussian_field(rng, shape, PIXEL_SIGMA_PX) for name, sd in PIXEL_SPREAD.items()}
    log = {
        name: np.float32(sd) * cover.parcel_draw[PARCEL_DRAWS.index(name)][cover.parcel] + pixel[name]
        for name, sd in PARCEL_SPREAD.items()
    }
    gain = np.empty((len(BANDS), *shape), dtype=np.float32)
    for part, bands in PARTS.items():
        factor = np.exp(log["bright"] + log[part])
        for band in bands:
            gain[BANDS.index(band)] = factor
    return gain


def replace_pixels(surface: Surface, other: Surface, place: NDArray[np.bool_]) -> Surface:
    """Returns the surface with the pixels of another one where `place` is true."""
    return Surface(
        green=np.where(place, other.green, surface.green),
        dry=np.where(place, other.dry, surface.dry),
        ground=np.where(place, other.ground, surface.ground),
        moist=np.where(place, other.moist, surface.moist),
        rough=np.where(place, other.rough, surface.rough),
    )


def surface_reflectance(
    surface: Surface, parts: Fractions, moisture: FloatArray, sun_elevation_deg: float
) -> FloatArray:
    """Returns reflectance (band, y, x) of the mixture of green, dry and ground.

    Args:
        surface: Spectra of the pixels.
        parts: Fractions of the date.
        moisture: Saturation of the topsoil (y, x), 0 to 1.
        sun_elevation_deg: Above the horizon.
    """
    wet = moisture * surface.moist
    dark = np.float32(1.0) - np.float32(MOIST_DARKENING) * wet
    darker = np.float32(1.0) - np.float32(MOIST_DARKENING_SHORTWAVE) * wet
    low_sun = np.clip((60.0 - sun_elevation_deg) / 40.0, 0.0, 1.2)
    lit = np.float32(1.0) - np.float32(SHADE * low_sun) * surface.rough
    green, dry = parts.green * lit, parts.dry * lit
    bare, bare_swir = parts.ground * dark * lit, parts.ground * darker * lit
    out = surface.green * green
    out += surface.dry * dry
    first = BANDS.index("B11")
    out[:first] += surface.ground[:first] * bare
    out[first:] += surface.ground[first:] * bare_swir
    return np.asarray(out, dtype=np.float32)
