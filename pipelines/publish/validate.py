"""Checks an output catalogue without a network: schemas, links, files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from pipelines.publish.asset import SHA2_256_32_BYTES
from pipelines.publish.catalogue import CATALOG_NAME
from pipelines.publish.manifest import file_sha256
from pipelines.publish.schemas import CORE, KINDS, SchemaStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Json = Mapping[str, object]

_DOWN = frozenset({"child", "item"})


def validate_catalog(folder: Path, schema_dir: Path | None = None) -> list[str]:
    """Returns every problem of the catalogue below a folder, one line each; empty where it is sound.

    Each catalogue, collection and item is held to the STAC 1.1 core schema and to the schema of every extension it
    names; relative links and assets must exist, and files must have the size and checksum that the item states.

    Args:
        folder: With catalog.json.
        schema_dir: Folder of extension schemas with `index.json` (address to file). None checks the core only.

    Raises:
        PublishError: A schema is not at hand: nothing is taken for valid because it could not be checked.
    """
    store = SchemaStore(schema_dir)
    return [f"{path}: {problem}" for path, problem in _walk(folder / CATALOG_NAME, store, set())]


def _walk(path: Path, store: SchemaStore, seen: set[Path]) -> Iterator[tuple[Path, str]]:
    if path.resolve() in seen:
        return
    seen.add(path.resolve())
    try:
        content = cast("Json", json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        yield path, f"cannot be read: {error}"
        return
    for problem in (*_schema_problems(content, store), *_link_problems(content, path), *_asset_problems(content, path)):
        yield path, problem
    for link in _links(content):
        if link.get("rel") in _DOWN and _is_local(link):
            yield from _walk(path.parent / str(link["href"]), store, seen)


def _schema_problems(content: Json, store: SchemaStore) -> Iterator[str]:
    kind = KINDS.get(str(content.get("type")))
    if kind is None:
        yield f"type must be one of {sorted(KINDS)}, got {content.get('type')!r}"
        return
    addresses = [CORE.format(kind=kind)]
    if store.has_extensions:
        addresses += [str(address) for address in cast("list[str]", content.get("stac_extensions", []))]
    for address in addresses:
        problem = store.problem(content, address)
        if problem is not None:
            yield problem


def _link_problems(content: Json, path: Path) -> Iterator[str]:
    for link in _links(content):
        if _is_local(link) and not (path.parent / str(link["href"])).exists():
            yield f"link {link.get('rel')!r} leads nowhere: {link['href']}"


def _asset_problems(content: Json, path: Path) -> Iterator[str]:
    for name, asset in cast("dict[str, Json]", content.get("assets", {})).items():
        if not _is_local(asset):
            continue
        target = path.parent / str(asset["href"])
        if not target.exists():
            yield f"asset {name!r} leads nowhere: {asset['href']}"
        elif "file:size" in asset and target.stat().st_size != asset["file:size"]:
            yield f"asset {name!r} must have {asset['file:size']} bytes, got {target.stat().st_size}"
        elif "file:checksum" in asset and asset["file:checksum"] != SHA2_256_32_BYTES + file_sha256(target):
            yield f"asset {name!r} does not have the checksum that the item states"


def _links(content: Json) -> list[Json]:
    return cast("list[Json]", content.get("links", []))


def _is_local(linked: Json) -> bool:
    return "://" not in str(linked.get("href", "://"))
