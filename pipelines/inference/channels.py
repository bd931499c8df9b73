"""The one place that turns a cube's bands into a model's channels.

Arrays carry their dims in the order (..., band, y, x), where `...` is usually (time,). Three rules hold everywhere:

- **Normalisation is a convention, not a measurement.** `(value - mean) / std` with the constants of `CONVENTIONS`,
  chosen once from the usual range of surface reflectance over land and of C-band backscatter over land (gamma or
  sigma nought, VV and VH). They never come from the pixels at hand, so two neighbouring windows are always on one
  scale. A checkpoint names the convention it was trained with (`NORMALISATION_ID`).
- **A band is present at a date** where it has at least one finite value at a pixel that the cube calls valid.
- **A pixel is valid at a date** where the cube says so, at least one band is present and every present band is
  finite there. A pixel with one broken band is left out rather than filled. Whatever is not valid becomes 0 in
  `Channels.pixels`, and `Channels.valid` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
CubeModality = Literal["optical", "sar_l2", "ms"]
"""The model's modalities that a cube of Sentinel-1 and Sentinel-2 can feed, named as ringmoe_core names them."""

NORMALISATION_ID: Final = "physical-v1"

OPTICAL_BANDS: Final = ("B04", "B03", "B02")
"""Red, green, blue."""

SAR_BANDS: Final = ("VV", "VH")
MS_BANDS: Final = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")

MODALITY_BANDS: Final[dict[CubeModality, tuple[str, ...]]] = {
    "optical": OPTICAL_BANDS,
    "sar_l2": SAR_BANDS,
    "ms": MS_BANDS,
}
MODALITY_GROUP: Final[dict[CubeModality, Literal["s1", "s2"]]] = {"optical": "s2", "sar_l2": "s1", "ms": "s2"}
"""Which group of the cube feeds a modality."""

MODEL_GROUPS: Final = tuple(sorted(set(MODALITY_GROUP.values())))
"""Groups that a model may be shown; a cube may hold others, which no map is made from."""

REFLECTANCE_MIN: Final = -0.05
REFLECTANCE_MAX: Final = 1.2
"""Reflectance is clipped to this range: below lies over-corrected haze, above lie specular glints and snow edges."""

POWER_FLOOR: Final = 1e-4
"""Linear power, -40 dB: below the noise floor of Sentinel-1 IW (NESZ -22 dB), so nothing real is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """How one band is brought to about zero mean and unit spread."""

    mean: float
    """Reflectance (unit 1) for optical bands, dB for radar."""

    std: float
    """Same unit as `mean`, positive."""

    def __post_init__(self) -> None:
        if not self.std > 0:
            raise ValueError(f"a convention's std must be positive, got {self.std}; state the spread of the band")


CONVENTIONS: Final[dict[str, Convention]] = {
    "B02": Convention(mean=0.06, std=0.05),
    "B03": Convention(mean=0.08, std=0.05),
    "B04": Convention(mean=0.09, std=0.07),
    "B05": Convention(mean=0.13, std=0.07),
    "B06": Convention(mean=0.22, std=0.10),
    "B07": Convention(mean=0.26, std=0.11),
    "B08": Convention(mean=0.28, std=0.12),
    "B8A": Convention(mean=0.29, std=0.12),
    "B11": Convention(mean=0.22, std=0.10),
    "B12": Convention(mean=0.14, std=0.09),
    "VV": Convention(mean=-11.0, std=5.0),
    "VH": Convention(mean=-18.0, std=5.0),
}
"""The table of `physical-v1`: fixed by hand for mixed land surfaces; a change of a number is a new id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """What the model sees of one modality: never NaN, with the masks that say what is real."""

    pixels: FloatArray
    """Normalised, (..., channel, y, x); 0 where not valid or not present."""

    valid: BoolArray
    """(..., y, x), True means usable."""

    present: BoolArray
    """(..., channel), False where the band is missing at that date."""

    def __post_init__(self) -> None:
        lead, planes = self.pixels.shape[:-3], self.pixels.shape[-2:]
        if self.valid.shape != (*lead, *planes) or self.present.shape != self.pixels.shape[:-2]:
            raise ValueError(
                "masks must fit the pixels (..., channel, y, x), "
                f"got pixels {self.pixels.shape}, valid {self.valid.shape}, present {self.present.shape}"
            )


def ms_channels(reflectance: FloatArray, band_ids: tuple[str, ...], valid: BoolArray) -> Channels:
    """Returns the ten multispectral channels of Sentinel-2 in the order of `MS_BANDS`.

    Args:
        reflectance: Surface reflectance (unit 1), (..., band, y, x), NaN is missing.
        band_ids: The sensor's own ids along the band dim, any order; others than `MS_BANDS` are left aside.
        valid: The cube's plane, (..., y, x).

    Raises:
        ValueError: Shapes do not fit.
    """
    return mask_channels(normalise(reflectance, band_ids, "ms"), valid)


def optical_channels(reflectance: FloatArray, band_ids: tuple[str, ...], valid: BoolArray) -> Channels:
    """Returns red, green and blue; arguments and errors as `ms_channels`."""
    return mask_channels(normalise(reflectance, band_ids, "optical"), valid)


def sar_channels(power: FloatArray, band_ids: tuple[str, ...], valid: BoolArray) -> Channels:
    """Returns VV and VH in normalised decibels, 10 log10(max(power, POWER_FLOOR)).

    Args:
        power: Linear backscatter, (..., band, y, x), NaN is missing; zero and below become the floor.
        band_ids: Polarisations along the band dim, any order; others than `SAR_BANDS` are left aside.
        valid: The cube's plane, (..., y, x).

    Raises:
        ValueError: Shapes do not fit.
    """
    return mask_channels(normalise(power, band_ids, "sar_l2"), valid)


def normalise(values: FloatArray, band_ids: tuple[str, ...], modality: CubeModality) -> FloatArray:
    """Returns normalised channels (..., channel, y, x) with missing still NaN; a pixel-wise function.

    Args:
        values: Reflectance or linear power, (..., band, y, x).
        band_ids: Ids along the band dim, each once.
        modality: Decides channels and unit.

    Raises:
        ValueError: `band_ids` does not fit the band dim, or names a band twice.
    """
    if values.ndim < 3 or values.shape[-3] != len(band_ids) or len(set(band_ids)) != len(band_ids):  # noqa: PLR2004
        raise ValueError(f"band_ids must name each band of (..., band, y, x) once, got {band_ids} for {values.shape}")
    wanted = MODALITY_BANDS[modality]
    out = np.full((*values.shape[:-3], len(wanted), *values.shape[-2:]), np.nan, dtype=np.float32)
    for channel, band in enumerate(wanted):
        if band not in band_ids:
            continue
        plane = values[..., band_ids.index(band), :, :]
        convention = CONVENTIONS[band]
        physical = decibels(plane) if modality == "sar_l2" else np.clip(plane, REFLECTANCE_MIN, REFLECTANCE_MAX)
        out[..., channel, :, :] = (physical - np.float32(convention.mean)) * np.float32(1.0 / convention.std)
    return out


def mask_channels(normalised: FloatArray, valid: BoolArray) -> Channels:
    """Returns channels with their masks, from normalised values whose missing is NaN.

    Args:
        normalised: As `normalise` gives it, (..., channel, y, x).
        valid: The cube's plane, (..., y, x).

    Raises:
        ValueError: `valid` does not fit.
    """
    if valid.shape != (*normalised.shape[:-3], *normalised.shape[-2:]):
        raise ValueError(f"valid must be (..., y, x) of {normalised.shape}, got {valid.shape}; pass the cube's plane")
    finite: BoolArray = np.isfinite(normalised)
    present: BoolArray = np.asarray(np.any(finite & valid[..., None, :, :], axis=(-2, -1)))
    whole: BoolArray = np.asarray(np.all(finite | ~present[..., :, None, None], axis=-3))
    some: BoolArray = np.asarray(np.any(present, axis=-1))
    usable = valid & whole & some[..., None, None]
    kept = usable[..., None, :, :] & present[..., :, None, None]
    pixels = np.where(kept, normalised, np.float32(0))
    return Channels(pixels=pixels, valid=usable, present=present)


def decibels(power: FloatArray) -> FloatArray:
    """Returns 10 log10(max(power, POWER_FLOOR)) as float32, NaN stays NaN."""
    floored = np.maximum(power, np.float32(POWER_FLOOR), dtype=np.float32)
    decibel: FloatArray = np.multiply(np.log10(floored, dtype=np.float32), np.float32(10))
    return decibel


def day_fraction(time: npt.NDArray[np.datetime64]) -> FloatArray:
    """Returns the fraction of the year of each date, float32 in [0, 1): 0 is the first of January, 00:00 UTC.

    Args:
        time: Acquisition times in UTC, any shape; NaT gives NaN.
    """
    years = time.astype("datetime64[Y]")
    start = years.astype("datetime64[us]")
    length = (years + np.timedelta64(1, "Y")).astype("datetime64[us]") - start
    fraction = (time.astype("datetime64[us]") - start) / length
    below_one: FloatArray = np.minimum(fraction.astype(np.float32), np.nextafter(np.float32(1), np.float32(0)))
    return below_one


def age_years(time: npt.NDArray[np.datetime64], reference: np.datetime64) -> FloatArray:
    """Returns years (of 365.25 days) before the date that the maps are for, float32, at least 0.

    Args:
        time: Acquisition times in UTC, any shape.
        reference: The newest acquisition of either sensor that the maps rest on; later times count as it.
    """
    year = np.timedelta64(31_557_600, "s").astype("timedelta64[us]")
    age = (reference.astype("datetime64[us]") - time.astype("datetime64[us]")) / year
    years: FloatArray = np.maximum(age, 0).astype(np.float32)
    return years
