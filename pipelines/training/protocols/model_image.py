"""The one place that turns a benchmark's image into a model's channels.

Bands go to channels by what they measure: red, green, blue, nir, swir1 and swir2 stand for Sentinel-2's B04, B03, B02,
B08, B11 and B12, whose wavelengths they cover; its own names for themselves; others are left aside. Three colours feed
`optical` where the weights were trained on it, and otherwise the same three of the ten bands of `ms`, the rest absent;
images with nir feed `ms`. Radar feeds `sar_l2` by VV and VH; without those HH and HV stand in, and one amplitude of no
stated polarisation for the co-polarised channel. Complex radar feeds `sar_l1` where the weights were trained on it,
otherwise its power feeds `sar_l2`. Elevation is no image of the model's.

Units: reflectance as it is. Digital numbers of a picture become reflectance where the set documents what their largest
value stands for. Otherwise they are divided by the largest value of their type: relative radiometry, on the scale of
reflectance but not reflectance; models see such pictures far brighter than land is.
Amplitudes are squared, after the same division where the file has integers: power that is relative as well. Decibels
become power. From there `inference.channels` normalises, as for cubes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.inference.channels import MODALITY_BANDS, Channels, day_fraction, mask_channels, normalise
from pipelines.training.places.physical import POLARISATIONS, complex_channels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.inference.channels import CubeModality
    from pipelines.training.benchmarks.sample import BenchmarkImage

    Pixels = NDArray[np.float32]

SAME_AS: Final = {"red": "B04", "green": "B03", "blue": "B02", "nir": "B08", "swir1": "B11", "swir2": "B12"}
COLOURS: Final = frozenset(MODALITY_BANDS["optical"])
STAND_INS: Final = {"VV": ("VV", "HH", "amplitude"), "VH": ("VH", "HV")}
"""Channel of `sar_l2` -> bands that feed it, the first that the image has."""

MIDDLE_OF_YEAR: Final = 0.5
"""Day of images of no stated date."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelImage:
    """What the model sees of one image."""

    modality: str
    channels: Channels
    """pixels (channel, y, x), valid (y, x), present (channel,)."""

    day: float
    """Fraction of the year."""

    gsd_m: float
    """NaN where the set does not state it."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.channels.valid.shape
        return int(height), int(width)


def model_image(image: BenchmarkImage, trained: tuple[str, ...]) -> ModelImage | None:
    """An image as the model reads it; None for elevation, which it does not read.

    Args:
        image: Of a benchmark.
        trained: Modalities that the weights were trained on.

    Raises:
        ValueError: None of its bands is a channel of a modality that the weights know, or its unit is not its kind's.
    """
    if image.modality == "dem":
        return None
    modality, channels = (_radar if image.modality.startswith("sar") else _optical)(image, trained)
    return ModelImage(modality=modality, channels=channels, day=_day(image.time), gsd_m=image.gsd_m or float("nan"))


def _optical(image: BenchmarkImage, trained: tuple[str, ...]) -> tuple[str, Channels]:
    ids = tuple(SAME_AS.get(band.lower(), band) for band in image.bands)
    known = [index for index, band in enumerate(ids) if band in MODALITY_BANDS["ms"]]
    if not known:
        raise ValueError(f"an image must have a band that the model reads, got {image.bands}; name bands as Sentinel-2")
    kept = tuple(ids[index] for index in known)
    modality = _first_trained(("optical", "ms") if set(kept) == COLOURS else ("ms", "optical"), trained, image)
    return modality, _channels(_reflectance(image)[known], kept, modality, image)


def _radar(image: BenchmarkImage, trained: tuple[str, ...]) -> tuple[str, Channels]:
    if image.unit == "complex":
        scattering = _scattering(image)
        if "sar_l1" in trained:
            return "sar_l1", mask_channels(complex_channels(scattering), image.valid)
        power = np.square(np.abs(scattering)).astype(np.float32)
    else:
        power = _power(image)
    bands: tuple[str, ...] = POLARISATIONS if image.unit == "complex" else image.bands
    modality = _first_trained(("sar_l2",), trained, image)
    found = {channel: next((band for band in names if band in bands), None) for channel, names in STAND_INS.items()}
    chosen = {channel: bands.index(band) for channel, band in found.items() if band is not None}
    if not chosen:
        raise ValueError(f"a radar image must have one of {STAND_INS}, got {bands}; name its polarisations")
    return modality, _channels(power[list(chosen.values())], tuple(chosen), modality, image)


def _channels(values: Pixels, ids: tuple[str, ...], modality: CubeModality, image: BenchmarkImage) -> Channels:
    return mask_channels(normalise(values, ids, modality), image.valid)


def _first_trained(wanted: tuple[CubeModality, ...], trained: tuple[str, ...], image: BenchmarkImage) -> CubeModality:
    for modality in wanted:
        if modality in trained:
            return modality
    raise ValueError(
        f"an image of {image.bands} needs weights trained on {' or '.join(wanted)}, these know {trained}; choose others"
    )


def _reflectance(image: BenchmarkImage) -> Pixels:
    match image.unit:
        case "reflectance":
            return image.pixels
        case "digital_number" if image.peak:
            return image.pixels * np.float32((image.reflectance_at_peak or 1.0) / image.peak)
    raise ValueError(f"an optical image must be reflectance, or numbers with a peak, got {image.unit}, {image.peak}")


def _power(image: BenchmarkImage) -> Pixels:
    match image.unit:
        case "power":
            return image.pixels
        case "db":
            power: Pixels = np.power(np.float32(10), image.pixels / np.float32(10))
            return power
        case "amplitude" | "digital_number":
            squared: Pixels = np.square(image.pixels / np.float32(image.peak or 1.0))
            return squared
    raise ValueError(f"a detected radar image must be power, decibels or amplitude, got {image.unit}")


def _scattering(image: BenchmarkImage) -> NDArray[np.complex64]:
    """(4, y, x) in the order HH, HV, VH, VV; NaN where the image has not the polarisation."""
    out = np.full((len(POLARISATIONS), *image.size), np.nan + 1j * np.nan, dtype=np.complex64)
    for index, polarisation in enumerate(POLARISATIONS):
        parts = [f"{polarisation}_I", f"{polarisation}_Q"]
        if all(part in image.bands for part in parts):
            real, imaginary = (image.pixels[image.bands.index(part)] for part in parts)
            out[index] = real + 1j * imaginary
    return out


def _day(time: str) -> float:
    if not time:
        return MIDDLE_OF_YEAR
    return float(day_fraction(np.array(np.datetime64(time.removesuffix("Z"), "us"))))
