"""Arrays as pictures for people. Display only: nothing computed here flows back into a product.

Every stretch is a constant below, never taken from the pixels, so that pictures of different dates and places compare.
Missing pixels are transparent.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from flows.png import encode_png

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pipelines.legend import LegendClass

    Plane = npt.NDArray[np.floating]
    Codes = npt.NDArray[np.uint8]

REFLECTANCE_RANGE: Final = (0.0, 0.25)
DISPLAY_GAMMA: Final = 1.6
"""Black and white point of surface reflectance in true colour, and the exponent that lifts dark land."""

VV_RANGE_DB: Final = (-18.0, -2.0)
VH_RANGE_DB: Final = (-26.0, -8.0)
RATIO_RANGE_DB: Final = (3.0, 13.0)
"""Red VV, green VH, blue VV less VH: land and water of C-band backscatter lie within."""

POWER_FLOOR: Final = 1e-5
"""-50 dB, far below the noise of Sentinel-1 (about -22 dB): only keeps the logarithm finite."""

RAMP: Final = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Five colours from dark violet to yellow, even in lightness, legible without colour vision."""

NO_DAY_COLOUR: Final = (238, 238, 234, 255)
EPOCH: Final = date(1970, 1, 1)
PERCENT_NODATA: Final = 255


def true_colour(red: Plane, green: Plane, blue: Plane) -> bytes:
    """Returns a PNG of surface reflectance (fractions of 1, NaN missing) with the fixed stretch."""
    return _composite([_stretch(band, REFLECTANCE_RANGE) ** (1 / DISPLAY_GAMMA) for band in (red, green, blue)])


def radar(vv: Plane, vh: Plane) -> bytes:
    """Returns a PNG of linear power (NaN missing), in decibels for the display alone."""
    vv_db, vh_db = (10.0 * np.log10(np.maximum(power, POWER_FLOOR)) for power in (vv, vh))
    return _composite(
        [_stretch(vv_db, VV_RANGE_DB), _stretch(vh_db, VH_RANGE_DB), _stretch(vv_db - vh_db, RATIO_RANGE_DB)]
    )


def classes(codes: Codes, legend: Sequence[LegendClass]) -> bytes:
    """Returns a PNG in the legend's colours; codes outside the legend are transparent."""
    palette = np.zeros((256, 4), dtype=np.uint8)
    for entry in legend:
        palette[entry.code] = (*entry.rgb, 255)
    return encode_png(palette[codes])


def percent(values: Codes) -> bytes:
    """Returns a PNG of 0 to 100 percent on the ramp; 255 is transparent."""
    return encode_png(_ramp(values.astype(np.float32) / 100.0, values == PERCENT_NODATA))


def days(values: npt.NDArray[np.integer], first: int, last: int) -> bytes:
    """Returns a PNG of days since 1970-01-01 on the ramp from `first` to `last`; negative days (none) are pale grey."""
    image = _ramp((values.astype(np.float32) - first) / max(last - first, 1), values < 0)
    image[values < 0] = NO_DAY_COLOUR
    return encode_png(image)


def agreement(mapped: Codes, truth: Codes, nodata: int) -> bytes:
    """Returns a PNG that marks where a map departs from the truth: right pale, wrong dark red, unmapped transparent."""
    image = np.empty((*mapped.shape, 4), dtype=np.uint8)
    image[...] = (214, 226, 219, 255)
    image[mapped != truth] = (165, 15, 21, 255)
    image[mapped == nodata] = 0
    return encode_png(image)


def ramp_css() -> str:
    """Returns the ramp as a CSS gradient from left to right."""
    return "linear-gradient(to right, " + ", ".join(f"rgb{colour}" for colour in RAMP) + ")"


def day_text(day: int) -> str:
    """Returns a day since 1970-01-01 as a date."""
    return (EPOCH + timedelta(days=int(day))).isoformat()


def _stretch(values: Plane, limits: tuple[float, float]) -> Plane:
    low, high = limits
    return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0))


def _composite(channels: Sequence[Plane]) -> bytes:
    stacked = np.stack(channels, axis=-1)
    missing = np.asarray(np.isnan(stacked).any(axis=-1))
    image = np.zeros((*missing.shape, 4), dtype=np.uint8)
    image[..., :3] = np.round(np.where(missing[..., None], 0.0, stacked) * 255)
    image[..., 3] = np.where(missing, 0, 255)
    return encode_png(image)


def _ramp(fraction: Plane, missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    place = np.clip(fraction, 0.0, 1.0) * (len(RAMP) - 1)
    knots = np.arange(len(RAMP))
    image = np.zeros((*fraction.shape, 4), dtype=np.uint8)
    for channel in range(3):
        image[..., channel] = np.round(np.interp(place, knots, [colour[channel] for colour in RAMP]))
    image[..., 3] = np.where(missing, 0, 255)
    return image
