"""Item search over the items of a folder, as much of the STAC API as a client needs to find them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

CONFORMS_TO: Final = (
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)
PAGE: Final = 10_000
_EARLIEST: Final = datetime(1, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC)


class StacApi:
    """The answers of a STAC API about the collections of a folder.

    Items are given as their files say, broken ones too; only their links and relative hrefs become addresses. An item
    whose file is no JSON object with an id cannot be given by an API: the catalogue on disk holds those.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self._url = url
        self._collections: dict[str, dict[str, Any]] = {}
        self._items: dict[str, dict[str, Any]] = {}
        for path in sorted(folder.glob("*/collection.json")):
            collection = json.loads(path.read_text(encoding="utf-8"))
            self._collections[collection["id"]] = collection
            for item_path in sorted(path.parent.glob("*/*.json")):
                item = _read_item(item_path)
                if item is not None:
                    where = f"{url}/{item_path.relative_to(folder).as_posix()}"
                    self._items[where] = _addressed(item, where, url)

    def answer(self, path: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Returns the answer to a question, None where the path is none of the API's."""
        if path == "/":
            return self._landing()
        if path == "/collections":
            return {"collections": [self._collection(name) for name in self._collections], "links": []}
        if path == "/search":
            return self._search(asked)
        name = path.removeprefix("/collections/")
        return self._collection(name) if name != path and name in self._collections else None

    def _landing(self) -> dict[str, Any]:
        search = {"rel": "search", "type": "application/geo+json", "href": f"{self._url}/search"}
        return {
            "type": "Catalog",
            "stac_version": "1.1.0",
            "id": "torture",
            "description": "Scenes of which each has something wrong, and the right outcome is known.",
            "conformsTo": list(CONFORMS_TO),
            "links": [
                {"rel": "self", "href": f"{self._url}/"},
                {"rel": "root", "href": f"{self._url}/"},
                {"rel": "data", "href": f"{self._url}/collections"},
                {**search, "method": "GET"},
                {**search, "method": "POST"},
            ],
        }

    def _collection(self, name: str) -> dict[str, Any]:
        links = [{"rel": "self", "href": f"{self._url}/collections/{name}"}]
        return {**self._collections[name], "links": links}

    def _search(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = asked.get("collections") or list(self._collections)
        wanted = wanted.split(",") if isinstance(wanted, str) else wanted
        box = asked.get("bbox")
        box = [float(part) for part in box.split(",")] if isinstance(box, str) else box
        span = _period(asked.get("datetime") or "../..")
        found = [item for item in self._items.values() if _answers(item, wanted, box, span)]
        return {"type": "FeatureCollection", "features": found, "links": [], "numberMatched": len(found)}


def _read_item(path: Path) -> dict[str, Any] | None:
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    return item if isinstance(item, dict) and item.get("type") == "Feature" else None


def _addressed(item: dict[str, Any], where: str, url: str) -> dict[str, Any]:
    links = [{"rel": "self", "href": where}, {"rel": "collection", "href": f"{url}/collections/{item['collection']}"}]
    assets = item.get("assets")
    if isinstance(assets, dict):
        assets = {
            key: {**asset, "href": urljoin(where, asset["href"])} if _is_plain(asset) else asset
            for key, asset in assets.items()
        }
    return {**item, "links": links, "assets": assets}


def _is_plain(asset: object) -> bool:
    """Returns whether an asset's href is a relative one within its folder; the others are told as they are."""
    href = asset.get("href") if isinstance(asset, dict) else None
    return isinstance(href, str) and not urlsplit(href).scheme and ".." not in href


def _answers(
    item: dict[str, Any], collections: list[str], box: list[float] | None, span: tuple[datetime, datetime]
) -> bool:
    """Returns whether an item answers; one whose bbox or time says nothing readable always does."""
    if item.get("collection") not in collections:
        return False
    try:
        instant = datetime.fromisoformat(item["properties"]["datetime"])
        if not span[0] <= instant <= span[1]:
            return False
        west, south, east, north = item["bbox"]
        return box is None or _boxes_meet((west, south, east, north), (box[0], box[1], box[2], box[3]))
    except (KeyError, TypeError, ValueError):
        return True


def _boxes_meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    spans = [[(b[0], b[2])] if b[0] <= b[2] else [(b[0], 180.0), (-180.0, b[2])] for b in (one, other)]
    beside = any(a[0] <= b[1] and b[0] <= a[1] for a in spans[0] for b in spans[1])
    return beside and one[1] <= other[3] and other[1] <= one[3]


def _period(text: str) -> tuple[datetime, datetime]:
    first, slash, last = text.partition("/")
    last = last if slash else first
    start = _EARLIEST if first in ("", "..") else datetime.fromisoformat(first)
    return start, _LATEST if last in ("", "..") else datetime.fromisoformat(last)
