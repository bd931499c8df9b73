"""Entries whose items are broken, or lead where they must not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelines.simulate.torture.outcome import skipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.simulate.torture.draft import Edit, SceneDraft
    from pipelines.simulate.torture.studio import Studio

UNREADABLE = skipped("unreadable")

HREFS = {
    "href-climbs": "../../../../../../../../etc/passwd",
    "href-absolute": "/etc/passwd",
    "href-file-scheme": "file:///etc/passwd",
    "href-other-host": "https://example.org/B04.tif",
    "href-metadata-service": "http://169.254.169.254/latest/meta-data",
    "href-user-before-host": "http://127.0.0.1@example.org/B04.tif",
    "href-vsicurl": "/vsicurl/http://example.org/B04.tif",
    "href-vsizip": "/vsizip/B04.zip/B04.tif",
    "href-vrt": "vrt://B02.tif?bands=1",
    "href-zip-scheme": "zip+file://B04.zip!B04.tif",
    "href-bucket": "s3://somebody/B04.tif",
    "href-xml": "<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>",
    "href-zero-byte": "./B04.tif\0.png",
    "href-number": "4",
}


def hostile_items(studio: Studio) -> list[SceneDraft]:
    """Returns the entries with broken items and with hrefs that lead away."""
    right = "an href is followed to where its provider's files are, and nowhere else"
    hrefs = [
        replace(studio.optical(name, f"the href of B04 is {href!r}", right), edit=_href(href)).ends(UNREADABLE)
        for name, href in HREFS.items()
    ]
    return [*hrefs, *_broken(studio)]


def _href(href: str) -> Edit:
    def edit(item: dict[str, Any], _: Mapping[str, bytes]) -> None:
        item["assets"]["red"]["href"] = href

    return edit


def _broken(studio: Studio) -> list[SceneDraft]:
    right = "what it says cannot be relied on"
    on_disk = "an API cannot give it; a folder can"

    def item(name: str, wrong: str, edit: Edit) -> SceneDraft:
        return replace(studio.optical(name, wrong, right), edit=edit).ends(UNREADABLE)

    def text(name: str, wrong: str, spoil: Any) -> SceneDraft:
        draft = replace(studio.optical(name, wrong, on_disk), text=spoil).ends(UNREADABLE)
        return replace(draft, http=None, placed=False)

    return [
        item("version-0.9", "stac_version is 0.9.0", lambda item, _: item.update(stac_version="0.9.0")),
        item("no-geometry", "the geometry is null", lambda item, _: item.update(geometry=None)),
        item("point-geometry", "the geometry is a point", lambda item, _: item.update(geometry=_POINT)),
        replace(
            item("bbox-of-words", "the bbox holds words", lambda item, _: item.update(bbox=["west", "south", 0, 1])),
            placed=False,
        ),
        item("no-time", "datetime is null, and no range is given", _no_time),
        item(
            "time-of-words", "datetime is 'yesterday'", lambda item, _: item["properties"].update(datetime="yesterday")
        ),
        item("assets-as-list", "assets is a list", lambda item, _: item.update(assets=[])),
        item("scale-of-words", "the scale is a word", lambda item, _: item["assets"]["red"].update(_WORD)),
        text("json-cut-short", "the item's JSON ends half way", lambda text: text[: len(text) // 2]),
        text("json-of-nothing", "the item's file is empty", lambda _: ""),
        text("json-list", "the item's file holds a list", lambda text: f"[{text}]"),
        text("json-deep", "the item's file is nested 100,000 deep", lambda _: "[" * 100_000),
    ]


_POINT = {"type": "Point", "coordinates": [5.0, 50.7]}
_WORD = {"raster:scale": "a tenth"}


def _no_time(item: dict[str, Any], _: Mapping[str, bytes]) -> None:
    item["properties"]["datetime"] = None
