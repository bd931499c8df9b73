"""Entries whose items state what is not so, in metadata that a program might believe."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pipelines.grid import TargetGrid
from pipelines.simulate.torture.draft import with_offset
from pipelines.simulate.torture.land import BAND_M, OPTICAL
from pipelines.simulate.torture.outcome import UNMATCHED, USED, Outcome, skipped
from pipelines.simulate.torture.place import MAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.simulate.torture.draft import Edit, SceneDraft
    from pipelines.simulate.torture.studio import Studio

ELSEWHERE = TargetGrid(epsg=32631, resolution=10.0, x_min=660_000.0, y_max=5_620_000.0, width=128, height=128)
"""20 km to the east."""


def lying_items(studio: Studio) -> list[SceneDraft]:
    """Returns the entries with wrong metadata."""
    return [*_places(studio), *_offsets(studio), *_unknown(studio), *_versions(studio), *_mixed(studio)]


def _edit(**properties: object) -> Edit:
    """Returns an edit of properties, of all assets where a name starts with `asset_`; colons as double underscores."""

    def edit(item: dict[str, Any], _: Mapping[str, bytes]) -> None:
        for name, value in properties.items():
            field = name.removeprefix("asset_").replace("__", ":")
            places = item["assets"].values() if name.startswith("asset_") else (item["properties"],)
            for place in places:
                place[field] = value

    return edit


def _places(studio: Studio) -> list[SceneDraft]:
    right = "the file's own header tells where its pixels lie; that the item said otherwise is recorded"

    def told(name: str, wrong: str, edit: Edit, word: str) -> SceneDraft:
        return replace(studio.optical(name, wrong, right), edit=edit).ends(Outcome(outcome="used", words=(word,)))

    shifted = [10.0, 0.0, MAIN.grid.x_min + 50.0, 0.0, -10.0, MAIN.grid.y_max]
    ring = ELSEWHERE.footprint_wgs84()
    claims = studio.optical(
        "footprint-too-far", "the item lies in the region, its files 20 km away", "no pixel is inside"
    )
    away = {band: replace(raster, transform=raster.transform @ _moved(band)) for band, raster in claims.rasters.items()}
    return [
        told("wrong-proj-code", "the item says EPSG:32633", _edit(proj__code="EPSG:32633"), "32633"),
        told("wrong-proj-transform", "the item's transform is 50 m off", _edit(asset_proj__transform=shifted), "proj:"),
        told("wrong-proj-shape", "the item's shape is 10980 x 10980", _edit(asset_proj__shape=[10980, 10980]), "proj:"),
        replace(claims, rasters=away).ends(skipped("outside")),
        replace(
            studio.optical("footprint-elsewhere", "the item lies 20 km away, its files in the region", "none asks it"),
            ring=ring,
        ).ends(UNMATCHED),
        replace(
            studio.optical(
                "touching-only", "the item shares an edge with the region and no area", "no pixel is inside"
            ),
            ring=_beside(),
        ).ends(skipped("outside")),
    ]


def _moved(band: str) -> Any:
    from affine import Affine

    return Affine.translation(20_000 / BAND_M[band], 0)


def _beside() -> tuple[tuple[float, float], ...]:
    """Returns a ring east of the region whose box meets the region's while the ring misses it."""
    west, south, east, north = MAIN.grid.bbox_wgs84()
    width = east - west
    return (
        (east + width, south),
        (east + width, north),
        (east - width / 4, north + (north - south)),
        (east + width / 2, (south + north) / 2),
        (east + width, south),
    )


def _offsets(studio: Studio) -> list[SceneDraft]:
    right = "metadata and pixels contradict each other: set aside until somebody decides"

    def lying(name: str, wrong: str, *, left: bool, **facts: Any) -> SceneDraft:
        draft = replace(studio.optical(name, wrong, right), **facts).ends(skipped("quarantined"))
        for band in OPTICAL if left else ():
            draft = draft.with_raster(band, pixels=with_offset(draft.rasters[band].pixels))
        return draft

    return [
        lying(
            "flag-lies",
            "the flag says that the offset was taken out, the pixels still have it",
            left=True,
            flag=True,
            declared_offset=None,
        ),
        lying(
            "declared-offset-lies",
            "an offset of -0.1 is declared, the pixels have none",
            left=False,
            flag=False,
            declared_offset=-0.1,
        ),
        lying(
            "baseline-lies",
            "baseline 05.09 has an offset, the pixels have none",
            left=False,
            flag=None,
            declared_offset=None,
        ),
        lying(
            "old-baseline-lies",
            "baseline 02.14 has no offset, the pixels have one",
            left=True,
            flag=None,
            declared_offset=None,
            baseline="02.14",
        ),
    ]


def _unknown(studio: Studio) -> list[SceneDraft]:
    right = "nothing says how numbers become reflectance, and pixels alone never decide"
    radar = studio.radar("digital-numbers", "the radar files hold uncalibrated numbers", "they are no power")
    numbers = {band: (raster.pixels * 1000 + 1).astype("uint16") for band, raster in radar.rasters.items()}
    for band, plane in numbers.items():
        radar = radar.with_raster(band, pixels=plane, nodata=0)
    return [
        replace(
            studio.optical("nothing-declared", "neither flag nor offset nor baseline", right),
            flag=None,
            declared_offset=None,
            baseline="",
        ).ends(skipped("uncalibrated")),
        replace(
            studio.optical("declared-against-flag", "offset 0 is declared, the flag says that it is left in", right),
            flag=False,
            declared_offset=0.0,
        ).ends(skipped("uncalibrated")),
        replace(
            studio.optical("strange-scale", "a scale of 0.001 is declared", "no such product exists"),
            edit=_edit(asset_raster__scale=1e-3),
        ).ends(skipped("uncalibrated")),
        replace(
            studio.optical("bands-disagree", "B02 declares offset 0, B04 -0.1", "a scene has one offset"),
            flag=None,
            edit=lambda item, _: item["assets"]["red"].update({"raster:offset": -0.1}),
        ).ends(skipped("uncalibrated")),
        replace(radar, edit=_no_unit).ends(skipped("uncalibrated")),
    ]


def _no_unit(item: dict[str, Any], _: Mapping[str, bytes]) -> None:
    for asset in item["assets"].values():
        del asset["unit"]


def _versions(studio: Studio) -> list[SceneDraft]:
    first = studio.optical("copy-a", "copy-b is the same acquisition", "one of two copies is used")
    newer = studio.optical("processed-0510", "processed-0400 is an older version of it", "the newest is used")
    twice = studio.optical("same-id", "another item has the same id", "one of two is used")
    return [
        replace(first, tile="31UFS"),
        replace(
            first, id="copy-b", tile="31UFS", wrong="copy-a is the same acquisition", right="one of two is used"
        ).ends(skipped("duplicate", "copy-a")),
        replace(newer, tile="31UFS", baseline="05.10"),
        replace(
            newer,
            id="processed-0400",
            wrong="processed-0510 is a newer version of it",
            right="the newest is used",
            tile="31UFS",
            baseline="04.00",
        ).ends(skipped("superseded", "processed-0510")),
        twice,
        replace(twice, folder="same-id-again").ends(skipped("duplicate")),
    ]


def _mixed(studio: Studio) -> list[SceneDraft]:
    wrong = "two tiles of one pass come from two baselines, one with an offset and one without"
    whole = studio.optical("mixed-baselines-west", wrong, "both are used, and no step shows between them")
    later = whole.time + timedelta(seconds=14)
    west = replace(_columns(whole, 0, 80), baseline="02.14", flag=None, declared_offset=None, tile="31UES")
    east = replace(
        _columns(whole, 48, 128),
        id="mixed-baselines-east",
        time=later,
        baseline="05.09",
        flag=None,
        declared_offset=-0.1,
        tile="31UFS",
    )
    for band in OPTICAL:
        east = east.with_raster(band, pixels=with_offset(east.rasters[band].pixels))
    return [west.ends(USED), east.ends(USED)]


def _columns(draft: SceneDraft, first: int, last: int) -> SceneDraft:
    """Returns a draft with some 10 m columns of the grid; the truth stays that of the whole date."""
    from affine import Affine

    grid = draft.place.grid
    part = TargetGrid(
        epsg=grid.epsg,
        resolution=grid.resolution,
        x_min=grid.x_min + 10.0 * first,
        y_max=grid.y_max,
        width=last - first,
        height=grid.height,
    )
    rasters = {}
    for band, raster in draft.rasters.items():
        times = BAND_M[band] // 10
        rasters[band] = replace(
            raster,
            pixels=raster.pixels[:, first // times : last // times].copy(),
            transform=raster.transform @ Affine.translation(first // times, 0),
        )
    return replace(draft, rasters=rasters, ring=part.footprint_wgs84())
