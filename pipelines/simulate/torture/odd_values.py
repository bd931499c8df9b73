"""Entries whose missing values or number types differ from what the sensor's products have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.simulate.torture.draft import SceneDraft, optical_truth
from pipelines.simulate.torture.land import BAND_M, OPTICAL, RADAR
from pipelines.simulate.torture.outcome import skipped
from pipelines.simulate.torture.studio import radar_truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.simulate.torture.draft import Edit
    from pipelines.simulate.torture.studio import Studio

HOLES: Final = ((20, 30, 90, 100), (84, 88, 12, 40))
"""First and last row, first and last column of two holes, in 10 m pixels."""

RIGHT = "what is said to be missing is missing, and nothing else is"
UNSAID = object()


def odd_values(studio: Studio) -> list[SceneDraft]:
    """Returns the entries of nodata and of types."""
    return [*_optical_nodata(studio), *_radar_nodata(studio), *_nothing_left(studio), *_types(studio)]


def _optical_nodata(studio: Studio) -> list[SceneDraft]:
    nan = float("nan")

    def named(name: str, wrong: str) -> SceneDraft:
        return studio.optical(name, wrong, RIGHT)

    return [
        _holes(
            named("nodata-by-file", "the file alone says 65535"),
            "uint16",
            (65535, 65535),
            in_file=65535,
            in_item=UNSAID,
        ),
        _holes(
            named("nodata-by-item", "the item alone says 65535"), "uint16", (65535, 65535), in_file=None, in_item=65535
        ),
        _holes(
            named("nodata-by-both", "the item says 0, the file 65535"), "uint16", (65535, 0), in_file=65535, in_item=0
        ),
        _holes(
            named("nodata-unsaid", "nobody says it: 0, as the sensor has it"),
            "uint16",
            (0, 0),
            in_file=None,
            in_item=UNSAID,
        ),
        _holes(
            named("nodata-beyond-type", "the item says -9999 of uint16; 0 is it"),
            "uint16",
            (0, 0),
            in_file=None,
            in_item=-9999,
        ),
        _holes(named("nodata-negative", "the file says -9999"), "int16", (-9999, -9999), in_file=-9999, in_item=UNSAID),
        _holes(named("nodata-nan", "floats, the file says NaN"), "float32", (nan, nan), in_file=nan, in_item="nan"),
        _holes(
            named("nodata-nan-unsaid", "floats with NaN that nobody says"),
            "float32",
            (nan, nan),
            in_file=None,
            in_item=UNSAID,
        ),
        _holes(
            named("nodata-float", "floats, the item says -9999"), "float32", (-9999, nan), in_file=None, in_item=-9999
        ),
        _one_band(studio),
    ]


def _holes(
    draft: SceneDraft, dtype: str, fills: tuple[float, float], *, in_file: float | None, in_item: object
) -> SceneDraft:
    """Returns an optical draft with two holes in all of its bands."""
    counts, missing = {}, {}
    for band in OPTICAL:
        plane = draft.rasters[band].pixels.astype(dtype)
        lost = np.zeros(plane.shape, dtype=bool)
        for hole, fill in zip(HOLES, fills, strict=True):
            place = _window(hole, BAND_M[band])
            plane[place], lost[place] = fill, True
        counts[band], missing[band] = plane, lost
    rasters = {**draft.rasters, **{b: replace(draft.rasters[b], pixels=p, nodata=in_file) for b, p in counts.items()}}
    truth = optical_truth(counts, rasters["SCL"].pixels, bands=OPTICAL, missing=missing)
    return replace(draft, rasters=rasters, truth=truth, edit=_say(in_item, OPTICAL))


def _one_band(studio: Studio) -> SceneDraft:
    draft = studio.optical("nodata-in-one-band", "B04 alone has a hole", "the others keep their values, marked as such")
    plane = draft.rasters["B04"].pixels.copy()
    plane[_window(HOLES[0], 10)] = 0
    counts = {**{band: draft.rasters[band].pixels for band in OPTICAL}, "B04": plane}
    truth = optical_truth(counts, draft.rasters["SCL"].pixels, bands=OPTICAL)
    return replace(draft.with_raster("B04", pixels=plane), truth=truth)


def _radar_nodata(studio: Studio) -> list[SceneDraft]:
    drafts = []
    for name, wrong, fill, in_file, in_item in (
        ("radar-nodata-zero", "the item says 0 of power", 0.0, None, 0),
        ("radar-nodata-negative", "the file says -9999 of power", -9999.0, -9999.0, UNSAID),
        ("radar-nodata-nan", "NaN that nobody says", float("nan"), None, UNSAID),
    ):
        draft = studio.radar(name, wrong, RIGHT)
        power = {band: draft.rasters[band].pixels.copy() for band in RADAR}
        right = {band: plane.copy() for band, plane in power.items()}
        for hole in HOLES:
            for band in RADAR:
                power[band][_window(hole, 10)] = fill
                right[band][_window(hole, 10)] = np.nan
        rasters = {b: replace(draft.rasters[b], pixels=plane, nodata=in_file) for b, plane in power.items()}
        drafts.append(replace(draft, rasters=rasters, truth=radar_truth(right), edit=_say(in_item, RADAR)))
    half = studio.radar("radar-one-empty", "VV is NaN everywhere", "VH keeps its values, marked as such")
    nothing = np.full((128, 128), np.nan, dtype="float32")
    right = {"VV": nothing, "VH": half.rasters["VH"].pixels}
    return [*drafts, replace(half.with_raster("VV", pixels=nothing), truth=radar_truth(right))]


def _nothing_left(studio: Studio) -> list[SceneDraft]:
    zeros = studio.optical("all-zero", "every pixel is nodata", "there is nothing to use")
    for band in OPTICAL:
        zeros = zeros.with_raster(band, pixels=np.zeros_like(zeros.rasters[band].pixels))
    nan = np.full((128, 128), np.nan, dtype="float32")
    radar = studio.radar("all-nan", "every pixel is NaN", "there is nothing to use")
    return [zeros.ends(skipped("all_nodata")), radar.with_rasters(pixels=nan).ends(skipped("all_nodata"))]


def _types(studio: Studio) -> list[SceneDraft]:
    right = "the numbers are what counts, not how they are kept"
    drafts = []
    for dtype in ("int16", "uint32", "int32", "float64", "float32"):
        draft = studio.optical(f"type-{dtype}", f"the files hold {dtype}", right)
        for band in OPTICAL:
            draft = draft.with_raster(band, pixels=draft.rasters[band].pixels.astype(dtype))
        drafts.append(draft)
    small = studio.optical("type-int8", "the files hold int8", right)
    counts = {band: (small.rasters[band].pixels // 200).clip(1, 127).astype("int8") for band in OPTICAL}
    for band, plane in counts.items():
        small = small.with_raster(band, pixels=plane)
    truth = optical_truth(counts, small.rasters["SCL"].pixels, bands=OPTICAL)
    return [*drafts, replace(small, truth=truth)]


def _window(hole: tuple[int, int, int, int], size_m: int) -> tuple[slice, slice]:
    times = size_m // 10
    return slice(hole[0] // times, hole[1] // times), slice(hole[2] // times, hole[3] // times)


def _say(nodata: object, bands: tuple[str, ...]) -> Edit:
    from pipelines.simulate.item import ASSET_KEYS

    def edit(item: dict[str, Any], _: Mapping[str, bytes]) -> None:
        for band in bands:
            asset = item["assets"][ASSET_KEYS[band]]
            asset.pop("nodata", None)
            if nodata is not UNSAID:
                asset["nodata"] = nodata

    return edit
