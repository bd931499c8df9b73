"""Entries whose files are broken, cut short, or not what they are said to be."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.simulate.item import ASSET_KEYS
from pipelines.simulate.torture.draft import Damage, SceneDraft, TileSpan, optical_truth
from pipelines.simulate.torture.land import OPTICAL
from pipelines.simulate.torture.outcome import Outcome, skipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.simulate.torture.draft import Edit
    from pipelines.simulate.torture.studio import Studio

LAST_TILE = (64, 64, 64, 64)
"""Row, column, height and width of the last inner tile of a 10 m band."""

GAP = Outcome(outcome="used", words=("B04", "damaged"), lost_px=LAST_TILE)
VRT = """<VRTDataset rasterXSize="128" rasterYSize="128"><SRS>EPSG:32631</SRS>
<GeoTransform>640000,10,0,5620000,0,-10</GeoTransform><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>
<SourceFilename relativeToVRT="1">B02.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>"""
MULTIHASH = {"sha256": "1220", "sha1": "1114", "md5": "d50110"}


def broken_files(studio: Studio) -> list[SceneDraft]:
    """Returns the entries with broken files, and sound ones to hold them against."""
    return [
        studio.optical("sound-optical", "nothing", "a sound scene is used whole"),
        studio.radar("sound-radar", "nothing", "a sound scene is used whole"),
        *_cut_short(studio),
        *_disguised(studio),
        *_checksums(studio),
        *_assets(studio),
        *_masks(studio),
    ]


def _damaged(studio: Studio, name: str, wrong: str, right: str, damage: Damage) -> SceneDraft:
    return studio.optical(name, wrong, right).with_raster("B04", damage=damage)


def _cut_short(studio: Studio) -> list[SceneDraft]:
    whole = "a band that cannot be opened leaves nothing to build on"
    part = "the rest of the scene is good: only what cannot be read is missing, and says so"
    return [
        _damaged(studio, "cut-in-header", "B04 ends after 200 bytes, within its header", whole, _first_bytes(200)).ends(
            skipped("damaged", "B04")
        ),
        _damaged(studio, "cut-before-pixels", "B04 ends where its tiles begin", whole, _before_tiles).ends(
            skipped("damaged", "B04")
        ),
        _damaged(studio, "cut-in-last-tile", "the last tile of B04 ends half way", part, _half_tile).ends(GAP),
        _damaged(studio, "rotten-tile", "the last tile of B04 begins with 40 zeros", part, _rotten_start).ends(GAP),
        _damaged(studio, "empty-file", "B04 has no byte", whole, _first_bytes(0)).ends(skipped("damaged", "B04")),
    ]


def _disguised(studio: Studio) -> list[SceneDraft]:
    page = b"<!DOCTYPE html><html><body><h1>503 Service Unavailable</h1></body></html>"
    return [
        _damaged(studio, "error-page", "B04 is a server's error page", "it holds no pixel", lambda *_: page).ends(
            skipped("damaged", "B04")
        ),
        _damaged(
            studio,
            "virtual-raster",
            "B04 is a virtual raster that names another file",
            "a file from outside must not lead to other files",
            lambda *_: VRT.encode(),
        ).ends(skipped("damaged", "B04")),
        studio.optical("three-bands", "B04 has three bands", "which of them is meant is not known")
        .with_raster("B04", pixels=np.ones((3, 128, 128), dtype="uint16"))
        .ends(skipped("unreadable", "B04")),
        studio.optical("complex-numbers", "B04 holds complex numbers", "they are no reflectance")
        .with_raster("B04", pixels=np.ones((128, 128), dtype="complex64"), nodata=None)
        .ends(skipped("unreadable", "B04")),
    ]


def _checksums(studio: Studio) -> list[SceneDraft]:
    right = "what came is not what was published, whatever it holds"
    wrong_sum = "1220" + hashlib.sha256(b"another file").hexdigest()

    def state(**fields: object) -> Edit:
        def edit(item: dict[str, Any], _: Mapping[str, bytes]) -> None:
            item["assets"]["red"].update(fields)

        return edit

    drafts = [
        replace(
            studio.optical("wrong-checksum", "the stated checksum of B04 is another file's", right),
            edit=state(**{"file:checksum": wrong_sum}),
        ).ends(skipped("damaged", "B04", "checksum")),
        replace(
            studio.optical("wrong-size", "the stated size of B04 is a byte too large", right),
            edit=lambda item, files: item["assets"]["red"].update({"file:size": 1 + len(files["B04"])}),
        ).ends(skipped("damaged", "B04", "bytes")),
        replace(
            studio.optical("checksum-of-no-form", "the stated checksum of B04 is no multihash", right),
            edit=state(**{"file:checksum": "1220abcd"}),
        ).ends(skipped("damaged", "B04", "checksum")),
    ]
    damage, edit = _rot_after_the_sum()
    wrong = "40 bytes within a tile of B04 are zero since its checksum was stated; it still decodes, to other values"
    rotten = studio.optical("rotten-bytes", wrong, right).with_raster("B04", damage=damage)
    drafts.append(replace(rotten, edit=edit).ends(skipped("damaged", "B04", "checksum")))
    sound = studio.optical("right-checksums", "nothing: SHA-256, SHA-1 and MD5 are stated", "each agrees with its file")
    return [*drafts, replace(sound, edit=_right_checksums)]


def _right_checksums(item: dict[str, Any], files: Mapping[str, bytes]) -> None:
    for band, function in zip(OPTICAL, MULTIHASH, strict=True):
        content, key = files[band], ASSET_KEYS[band]
        digest = hashlib.new(function, content, usedforsecurity=False).hexdigest()
        item["assets"][key] |= {"file:checksum": MULTIHASH[function] + digest, "file:size": len(content)}


def _assets(studio: Studio) -> list[SceneDraft]:
    gone = studio.optical("file-gone", "the item names a file for B04 that does not exist", "a wanted band is lost")
    without = studio.optical("band-not-listed", "the item has no B11", "the other bands are good, B11 is missing")
    kept = {band: raster for band, raster in without.rasters.items() if band != "B11"}
    counts = {band: kept[band].pixels for band in ("B02", "B04")}
    truth = optical_truth(counts, kept["SCL"].pixels, bands=OPTICAL)
    used = Outcome(outcome="used", words=("B11",))
    nothing = studio.optical("no-bands", "the item has a classification and no band", "there is nothing to use")
    only_mask = {"SCL": nothing.rasters["SCL"]}
    return [
        replace(gone, edit=_names_no_file).ends(skipped("unreadable", "B99.tif")),
        replace(without, rasters=kept, truth=truth, disk=used, http=used),
        replace(nothing, rasters=only_mask).ends(skipped("missing_asset")),
    ]


def _names_no_file(item: dict[str, Any], _: Mapping[str, bytes]) -> None:
    item["assets"]["red"]["href"] = "./B99.tif"


def _masks(studio: Studio) -> list[SceneDraft]:
    right = "the pixels that it was to judge must not pass for clear ones"
    everywhere = studio.optical("mask-of-no-classes", "the classification holds 77 everywhere", right)
    somewhere = studio.optical("mask-with-a-strange-class", "one pixel of the classification holds 77", right)
    strange = somewhere.rasters["SCL"].pixels.copy()
    strange[50, 40] = 77
    cut = studio.optical("mask-cut-short", "the classification ends where its tiles begin", right)
    none = studio.optical("no-mask", "there is no classification", "the pixels are used and marked as not masked")
    bare = {band: raster for band, raster in none.rasters.items() if band != "SCL"}
    counts = {band: raster.pixels for band, raster in bare.items()}
    gap = Outcome(outcome="used", words=("SCL", "77"), lost_px=(100, 80, 2, 2))
    return [
        everywhere.with_raster("SCL", pixels=np.full((64, 64), 77, dtype="uint8")).ends(
            skipped("damaged", "SCL", "77")
        ),
        somewhere.with_raster("SCL", pixels=strange).ends(gap),
        cut.with_raster("SCL", damage=_before_tiles).ends(skipped("damaged", "SCL")),
        replace(none, rasters=bare, truth=optical_truth(counts, None, bands=OPTICAL)),
    ]


def _first_bytes(size: int) -> Damage:
    return lambda content, _: content[:size]


def _before_tiles(content: bytes, _: TileSpan) -> bytes:
    # the header of a small GeoTIFF takes less than 1000 bytes, its tiles follow
    return content[:1000]


def _half_tile(content: bytes, tile: TileSpan) -> bytes:
    return content[: (tile.start + tile.stop) // 2]


def _rotten_start(content: bytes, tile: TileSpan) -> bytes:
    return content[: tile.start] + bytes(40) + content[tile.start + 40 :]


def _rot_after_the_sum() -> tuple[Damage, Edit]:
    """Returns a damage within a tile and an edit that states the checksum of the file before it.

    libtiff accepts deflate data that inflate to more than a tile without looking at their own checksum (tif_zip.c), so
    that no error tells of such a tile.
    """
    sums: list[str] = []

    def damage(content: bytes, tile: TileSpan) -> bytes:
        sums.append(hashlib.sha256(content).hexdigest())
        middle = (tile.start + tile.stop) // 2
        return content[:middle] + bytes(40) + content[middle + 40 :]

    def edit(item: dict[str, Any], _: Mapping[str, bytes]) -> None:
        item["assets"]["red"]["file:checksum"] = MULTIHASH["sha256"] + sums[-1]

    return damage, edit
