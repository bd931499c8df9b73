"""The output catalogue: what lies complete in the output folder, as a self-contained STAC catalogue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from pipelines.publish.errors import PublishError
from pipelines.publish.item import GEOJSON_TYPE, PRODUCTS_FOLDER, STAC_VERSION
from pipelines.publish.manifest import read_manifest
from pipelines.publish.staging import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Json = dict[str, object]

CATALOG_NAME: Final = "catalog.json"
COLLECTION_NAME: Final = "collection.json"

DESCRIPTIONS: Final = {
    "land-cover": (
        "Land cover",
        "Classes after the legend of ESA WorldCover, with the model's probabilities; items say if they are calibrated.",
    ),
    "change": (
        "Land-cover change",
        "Kinds of change, their probability, and the acquisitions that enclose them; items say how calibrated it is.",
    ),
}
"""Title and description by collection; another name describes itself."""


def write_catalog(folder: Path, *, catalog_id: str, title: str, description: str) -> Path:
    """Returns the path of catalog.json, after writing it and one collection.json a product.

    Every product folder below `folder` that has its manifest is listed, whichever run made it; one without (never
    finished) is not. Hrefs are relative. A file whose content stays the same is not touched.

    Args:
        folder: The output folder.
        catalog_id: Id of the catalogue, the region's name.
        title: Of the catalogue.
        description: Of the catalogue, Markdown.

    Raises:
        PublishError: No product is there, an item cannot be read, or the folder cannot be written.
    """
    collections = {}
    for place in sorted(path for path in (folder / PRODUCTS_FOLDER).glob("*") if path.is_dir()):
        items = [_read_item(path) for path in _item_paths(place)]
        if items:
            collections[place.name] = _collection(place.name, items)
    if not collections:
        raise PublishError(f"a catalogue lists at least one product, got none below {folder}; publish one first")
    for name, collection in collections.items():
        _write(folder / PRODUCTS_FOLDER / name / COLLECTION_NAME, collection)
    children = [
        _link("child", f"./{PRODUCTS_FOLDER}/{name}/{COLLECTION_NAME}", title=str(collection["title"]))
        for name, collection in collections.items()
    ]
    catalog: Json = {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": catalog_id,
        "title": title,
        "description": description,
        "links": [_link("root", f"./{CATALOG_NAME}"), *children],
    }
    _write(folder / CATALOG_NAME, catalog)
    return folder / CATALOG_NAME


def _item_paths(place: Path) -> list[Path]:
    found = []
    for folder in sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith(".")):
        manifest = read_manifest(folder)
        if manifest is not None:
            found.append(folder / manifest.item)
    return found


def _read_item(path: Path) -> Json:
    try:
        return cast("Json", json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise PublishError(
            f"a finished product has a readable item, got {error} at {path}; publish it again"
        ) from error


def _collection(name: str, items: Sequence[Json]) -> Json:
    title, description = DESCRIPTIONS.get(name, (name, f"Product {name}."))
    properties = [cast("Json", item["properties"]) for item in items]
    starts = min(str(entry["start_datetime"]) for entry in properties)
    ends = max(str(entry["end_datetime"]) for entry in properties)
    boxes = [cast("list[float]", item["bbox"]) for item in items]
    overall = _overall(boxes)
    licenses = {str(entry["license"]) for entry in properties}
    links = [_link("root", f"../../{CATALOG_NAME}"), _link("parent", f"../../{CATALOG_NAME}")]
    for item in items:
        stem = str(item["id"])
        links.append({"rel": "item", "href": f"./{stem}/{stem}.json", "type": GEOJSON_TYPE})
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": name,
        "title": title,
        "description": description,
        "license": licenses.pop() if len(licenses) == 1 else "other",
        "extent": {
            "spatial": {"bbox": [overall, *(box for box in boxes if len(boxes) > 1)]},
            "temporal": {"interval": [[starts, ends]]},
        },
        "summaries": {"proj:code": sorted({str(entry["proj:code"]) for entry in properties})},
        "links": links,
    }


def _overall(boxes: Sequence[list[float]]) -> list[float]:
    """The box around all; all longitudes where several boxes include one across the antimeridian."""
    if len(boxes) == 1:
        return boxes[0]
    crosses = any(west > east for west, _, east, _ in boxes)
    west = -180.0 if crosses else min(box[0] for box in boxes)
    east = 180.0 if crosses else max(box[2] for box in boxes)
    return [west, min(box[1] for box in boxes), east, max(box[3] for box in boxes)]


def _link(rel: str, href: str, **more: str) -> Json:
    return {"rel": rel, "href": href, "type": "application/json", **more}


def _write(path: Path, content: Json) -> None:
    text = json.dumps(content, indent=1).encode() + b"\n"
    if not path.is_file() or path.read_bytes() != text:
        write_whole(path, text)
