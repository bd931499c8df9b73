"""What the pixels of a Sentinel-2 scene say about its offset, and whether that bears the rule of its metadata out.

Two conventions are in use: DN = 10000 reflectance + 1000 (the offset is left in) and DN = 10000 reflectance (it never
was there, or was taken out). They are told apart by what the ground cannot do:

- **Taken out.** Reflectance below -0.03 in a twentieth of a scene does not exist. Negative values over water, shadow
  and dense forest are legal, but are a few thousandths and rarely -0.02; a correction that takes too much air away does
  it to the blue first. So where 5 % of the pixels of two bands lie below DN 700, or of one below DN 500, no offset is
  in them.
- **Left in.** A high floor alone proves nothing: cloud, haze, snow, fog and bright desert keep every DN above 1000
  without any offset (a foggy winter composite of Belgium has its floor at 1008, 1034 and 999 in B02, B03 and B04). So
  it takes witnesses, pixels that are known to be dark: those that the scene classification, made before any provider
  touched the offset, calls vegetation or water under a sky that is mostly clear. Where they, and everything else,
  stay at or above DN 900 in a visible and in a shortwave band, and lie as close above 1000 as such ground is bright,
  the offset is in them. Level 1C has no classification, but B10: below the cirrus, where nothing of the ground is seen,
  its reflectance is 0.0005 to 0.003, and its numbers stand just above 0 or just above 1000.
- **Undecided** is all the rest, with the reason said.

Only valid numbers count: not the nodata value (0 where none is declared), not the saturation value. The thresholds are
chosen numbers, held against 100 simulated scenes of either convention and against real ones (docs/radiometry.md). The
pixels never set a scale by themselves; what happens on a contradiction is the caller's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from pipelines.physics.band_floor import DEEP_BELOW_DN, FAR_BELOW_DN, OFFSET_DN, BandFloor, Values, band_floor

if TYPE_CHECKING:
    from numpy.typing import NDArray

Convention = Literal["left_in", "taken_out", "undecided", "no_pixels"]
"""Where the offset is, as far as the pixels tell."""

PixelVerdict = Literal["agrees", "contradicts", "undecided", "no_pixels"]
"""What the pixels say of a rule; `no_pixels`: none could be read, or the group has no such test."""

VISIBLE_BANDS: Final = ("B02", "B04", "B03")
SHORTWAVE_BANDS: Final = ("B12", "B11")
CIRRUS_BAND: Final = "B10"
CLASS_BAND: Final = "SCL"

FAR_BELOW_SHARE: Final = 0.05
BELOW_DN: Final = 900
"""Reflectance -0.01 if the offset were left in: more than negative noise, less than the darkest ground without it."""

BELOW_SHARE: Final = 0.005
"""Share of pixels that may lie below BELOW_DN and still speak for an offset left in: defective edges, over-corrected
shadow."""

LEAST_PIXELS: Final = 400
"""Fewer valid pixels decide nothing."""

LEAST_WITNESSES: Final = 200
WITNESS_SHARE: Final = 0.02
CLEAR_SHARE: Final = 0.5
"""Of the valid pixels, those that the classification holds for clear; it misses 5 to 15 % of the cloud (Tarrio et al.
2020, doi:10.1016/j.srs.2020.100010), so that a covered scene never comes near."""

CLEAR_CLASSES: Final = (2, 3, 4, 5, 6, 7)
VEGETATION, WATER = 4, 6
MASKED_CLASSES: Final = (0, 1)
"""No data, and saturated or defective."""

BRIGHTEST_WITNESS: Final[Mapping[int, Mapping[str, int]]] = {
    VEGETATION: {"B02": 1700, "B03": 2000, "B04": 1900, "B12": 3000, "B11": 3800},
    WATER: {"B02": 1700, "B03": 1900, "B04": 1700, "B12": 1350, "B11": 1350},
}
"""DN that the median witness does not pass with the offset left in: green vegetation reflects up to 0.07 in the blue,
0.09 in the red and 0.20 at 2.2 um, turbid water 0.07 and 0.035 (Kokaly et al. 2017, USGS Spectral Library 7,
doi:10.3133/ds1035). Fog or cirrus that lifts water at 2.2 um to DN 900 without an offset lifts its blue beyond 1700."""

DARKEST_WITNESS: Final = 1450
"""DN that the darkest hundredth of the vegetation does not pass in the visible band."""

LEAST_RISE_DN: Final = 300
"""By how much the median vegetation is brighter at 2.2 um than in the blue, whatever the offset: less under haze and
fog, which are brighter in the blue."""

CIRRUS_FLOOR: Final = (990, 1040)
"""1st percentile of B10 under a sky without cirrus, offset left in."""

CIRRUS_SPREAD_DN: Final = 60
"""And how far its median lies above: cirrus of just the right brightness everywhere would vary more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSample:
    """The same places of a scene in several bands: arrays of one length."""

    dn: Mapping[str, Values]
    """Digital numbers by band."""

    valid: Mapping[str, NDArray[np.bool_]]
    """True where a number is a measurement: no nodata, not saturated. By band, as `dn`."""

    classes: NDArray[np.integer] | None = None
    """Scene classification (values 0 to 11) of the places, None where the scene has none."""

    def __post_init__(self) -> None:
        sizes = {array.shape for array in (*self.dn.values(), *self.valid.values())}
        if self.classes is not None:
            sizes.add(self.classes.shape)
        if set(self.dn) != set(self.valid) or len(sizes) > 1 or any(len(size) != 1 for size in sizes):
            raise ValueError(
                f"a sample holds flat arrays of one length and a valid plane a band, got shapes {sorted(sizes)} for "
                f"{sorted(self.dn)} and {sorted(self.valid)}; read all bands at the same places"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Where the pixels put the offset, and on what evidence."""

    convention: Convention
    because: str
    """One sentence with the numbers that decided, or why nothing could be."""

    floors: Mapping[str, BandFloor] = field(default_factory=dict)
    """By band, over the valid pixels outside the classes no data and defective."""

    clear_share: float | None = None
    """Share of clear classes among the classified pixels; None without a classification."""

    num_sampled: int = 0
    """Places looked at."""

    def to_dict(self) -> dict[str, object]:
        """Returns the finding for a JSON record."""
        return {
            "convention": self.convention,
            "because": self.because,
            "num_sampled": self.num_sampled,
            "clear_share": None if self.clear_share is None else round(self.clear_share, 4),
            "bands": {band: floor.to_dict() for band, floor in sorted(self.floors.items())},
        }


def verdict_of(convention: Convention, offset_dn: int) -> PixelVerdict:
    """Returns what the pixels say of a rule that adds `offset_dn`, 0 or -1000; of another one they can say nothing."""
    if convention in ("undecided", "no_pixels"):
        return "no_pixels" if convention == "no_pixels" else "undecided"
    if offset_dn not in (0, -OFFSET_DN):
        return "undecided"
    return "agrees" if (convention == "left_in") == (offset_dn == -OFFSET_DN) else "contradicts"


def offset_of(convention: Convention) -> int | None:
    """Returns the steps that the pixels ask for: -1000 or 0; None where they do not decide."""
    return {"left_in": -OFFSET_DN, "taken_out": 0}.get(convention)


def find_offset(sample: PixelSample) -> Finding:
    """Returns where the pixels of a Sentinel-2 scene put its offset; see the module for the reasoning.

    Args:
        sample: Places spread over the scene, or over the part of it that is wanted, never over a chunk.
    """
    kept = _usable(sample)
    floors = {band: band_floor(sample.dn[band][kept[band]]) for band in sample.dn}
    clear = _clear_share(sample)
    num_sampled = max((array.size for array in sample.dn.values()), default=0)

    def found(convention: Convention, because: str) -> Finding:
        return Finding(
            convention=convention, because=because, floors=floors, clear_share=clear, num_sampled=num_sampled
        )

    if not any(floor.num_valid for floor in floors.values()):
        return found("no_pixels", f"no valid pixel among {num_sampled} places")
    enough = {band: floor for band, floor in floors.items() if floor.num_valid >= LEAST_PIXELS}
    if not enough:
        most = max(floor.num_valid for floor in floors.values())
        return found("undecided", f"{most} valid pixels, at least {LEAST_PIXELS} are needed")
    dark = _far_below(enough)
    if dark:
        return found("taken_out", dark)
    doubt = _doubt(sample, kept, enough, clear)
    if doubt:
        return found("undecided", doubt)
    return found("left_in", "the darkest ground, known as such, stands just above DN 1000 and nothing below")


def _far_below(floors: Mapping[str, BandFloor]) -> str:
    """Returns what proves that no offset is left in, '' where nothing does."""
    for band, floor in floors.items():
        if floor.deep_below_share >= FAR_BELOW_SHARE:
            told = f"{floor.deep_below_share:.1%} of {band} lie below DN {DEEP_BELOW_DN}"
            return f"{told}: reflectance below -0.05 if an offset were left in"
    dark = {band: floor.far_below_share for band, floor in floors.items() if floor.far_below_share >= FAR_BELOW_SHARE}
    if len(dark) < 2:  # noqa: PLR2004 one band may be over-corrected
        return ""
    told = " and ".join(f"{share:.1%} of {band}" for band, share in dark.items())
    return f"{told} lie below DN {FAR_BELOW_DN}: reflectance below -0.03 if an offset were left in"


def _usable(sample: PixelSample) -> dict[str, NDArray[np.bool_]]:
    if sample.classes is None:
        return dict(sample.valid)
    masked = np.isin(sample.classes, MASKED_CLASSES)
    return {band: valid & ~masked for band, valid in sample.valid.items()}


def _clear_share(sample: PixelSample) -> float | None:
    if sample.classes is None:
        return None
    classified = ~np.isin(sample.classes, MASKED_CLASSES)
    if not classified.any():
        return None
    return float(np.isin(sample.classes[classified], CLEAR_CLASSES).mean())


def _doubt(
    sample: PixelSample,
    kept: Mapping[str, NDArray[np.bool_]],
    floors: Mapping[str, BandFloor],
    clear: float | None,
) -> str:
    """Returns why an offset cannot be said to be left in, '' where it can."""
    for band in floors:
        below = float((sample.dn[band][kept[band]] < BELOW_DN).mean())
        if below > BELOW_SHARE:
            return f"{below:.1%} of {band} lie below DN {BELOW_DN}, too many for an offset left in, too few without"
    cirrus = floors.get(CIRRUS_BAND)
    if cirrus is not None:
        low, high = CIRRUS_FLOOR
        if low <= cirrus.p1_dn <= high and cirrus.p50_dn - cirrus.p1_dn <= CIRRUS_SPREAD_DN:
            return ""
        return f"{CIRRUS_BAND} has its 1st percentile at DN {cirrus.p1_dn:.0f}: cirrus hides whether an offset is in it"
    if clear is None:
        return "no scene classification: nothing tells dark ground from bright ground without an offset"
    if clear < CLEAR_SHARE:
        return f"{clear:.0%} of the sample is clear: cloud, cirrus and snow look the same with an offset and without"
    return _witness_doubt(sample, kept, floors)


def _witness_doubt(sample: PixelSample, kept: Mapping[str, NDArray[np.bool_]], floors: Mapping[str, BandFloor]) -> str:
    visible = next((band for band in VISIBLE_BANDS if band in floors), None)
    shortwave = next((band for band in SHORTWAVE_BANDS if band in floors), None)
    if visible is None or shortwave is None:
        return f"a visible and a shortwave band are needed, got {sorted(floors)}"
    assert sample.classes is not None
    heard = 0
    for name, limits in BRIGHTEST_WITNESS.items():
        place = (sample.classes == name) & kept[visible] & kept[shortwave]
        if int(place.sum()) < max(LEAST_WITNESSES, WITNESS_SHARE * sample.classes.size):
            continue
        heard += 1
        ground = "vegetation" if name == VEGETATION else "water"
        blue, infrared = sample.dn[visible][place], sample.dn[shortwave][place]
        for band, values in ((visible, blue), (shortwave, infrared)):
            median = float(np.median(values))
            if median > limits[band]:
                return (
                    f"too bright: {ground} has its median at DN {median:.0f} in {band}, haze or glint hides the floor"
                )
        hazy = _haze(blue, infrared) if name == VEGETATION else ""
        if hazy:
            return f"too bright: {hazy} of the vegetation in {visible} and {shortwave}, haze hides the floor"
    return "" if heard else "too little vegetation and water in the sample: bright ground looks the same either way"


def _haze(blue: Values, infrared: Values) -> str:
    """Returns the sign of haze over vegetation, '' where there is none."""
    darkest = float(np.percentile(blue, 1.0))
    if darkest > DARKEST_WITNESS:
        return f"darkest hundredth at DN {darkest:.0f}"
    rise = float(np.median(infrared.astype(np.float64) - blue.astype(np.float64)))
    return f"rise of DN {rise:.0f}" if rise < LEAST_RISE_DN else ""
