"""Every item of a catalogue on disk or of a folder of item files, asked nothing: for looking at what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catalogs.errors import CatalogError, ItemError
from catalogs.fields import objects
from catalogs.item import FoundItem
from catalogs.static import CONTAINERS, read_json, static_items

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catalogs.fields import Document

SUFFIXES: Final = (".json", ".geojson")


def browse(path: Path) -> tuple[FoundItem, ...]:
    """Returns the items below a path, sorted by the path of their file where no catalogue gives an order.

    - A `catalog.json` or `collection.json`, or a folder that holds the former: its links are followed below its folder.
    - Any other folder: every `.json` and `.geojson` in it, at any depth. Catalogues and collections among them hold no
      item themselves; a feature collection holds several. A file that is no STAC document comes with its problem.
    - A single file: the item or the feature collection in it.

    Raises:
        CatalogError: There is no such path, or no item in it.
    """
    if not path.exists():
        raise CatalogError(f"a catalogue is a file or a folder that exists, got {str(path)!r}; correct the path")
    top = path / "catalog.json" if path.is_dir() else path
    if top.is_file() and (path.is_file() or _is_container(top)):
        found = tuple(static_items(top)) if _is_container(top) else tuple(_items_of(top))
    else:
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        found = tuple(item for file in files for item in _items_of(file))
    if not found:
        raise CatalogError(f"a catalogue holds an item, there is none in {str(path)!r}; give another path")
    return found


def _is_container(path: Path) -> bool:
    try:
        return read_json(path).get("type") in CONTAINERS
    except ItemError:
        return False


def _items_of(path: Path) -> Iterator[FoundItem]:
    try:
        document = read_json(path)
        kind = document.get("type")
        if kind in CONTAINERS:
            return
        features = objects(document, "features") if kind == "FeatureCollection" else (document,)
    except ItemError as problem:
        yield FoundItem(id=path.stem, collection="", href=str(path), document={}, problem=str(problem))
        return
    for feature in features:
        yield _found(feature, path)


def _found(document: Document, path: Path) -> FoundItem:
    named, collection = document.get("id"), document.get("collection")
    problem = ""
    if document.get("type") != "Feature" or not isinstance(named, str) or not named:
        told = f"{path} has type {document.get('type')!r:.40} and id {named!r:.40}"
        problem = f"an item is a Feature with an id, {told}; correct it"
    return FoundItem(
        id=named if isinstance(named, str) and named else path.stem,
        collection=collection if isinstance(collection, str) else "",
        href=str(path),
        document=document,
        problem=problem,
    )
