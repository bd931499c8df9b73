"""The questions of `SceneQuery` answered from a static catalogue on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from catalogs.errors import CatalogError, ItemError
from catalogs.fields import Document, objects, text
from catalogs.item import FoundItem
from catalogs.providers import Provider, static_provider
from catalogs.sift import sift
from catalogs.terms import terms_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalogs.query import SceneQuery
    from catalogs.scenes import SceneSet

CONTAINERS = ("Catalog", "Collection")


def search_static(
    query: SceneQuery, catalog: Path, *, required_bands: tuple[str, ...] = (), reads_files: bool = True
) -> SceneSet:
    """Returns the scenes of a catalogue on disk that a query asks for; no network is touched.

    Which items match is stated at `sift`. Links are followed below the folder of `catalog` and nowhere else: an item
    behind a link that leads out of it, or that names a scheme, is skipped as `unreadable`. Behind a child link that
    cannot be followed any number of items may be hidden, so that it is recorded in the same way, under its href.

    Args:
        query: What is wanted.
        catalog: Path of a `catalog.json` or `collection.json`, or the folder of the former.
        required_bands: Bands that a scene must have, as far as its sensor knows them.
        reads_files: False where scenes are only counted and compared.

    Raises:
        CatalogError: The catalogue itself cannot be read.
    """
    path = catalog / "catalog.json" if catalog.is_dir() else catalog
    try:
        top = read_json(path)
    except ItemError as problem:
        raise CatalogError(
            f"a catalogue on disk needs a readable {path}: {problem}; give the path of its catalog.json"
        ) from problem
    if top.get("type") not in CONTAINERS:
        raise CatalogError(
            f"a catalogue has type Catalog or Collection, {path} has {top.get('type')!r}; give its catalog.json"
        )
    provider = replace(static_provider(path.parent), reads_files=reads_files)
    return sift(
        query, _Walk(query=query, provider=provider).items(path.resolve(), top), provider, required_bands=required_bands
    )


def static_items(catalog: Path) -> Iterator[FoundItem]:
    """Yields every item of a catalogue on disk, whatever it holds, in the order of its links.

    Args:
        catalog: Path of a `catalog.json` or `collection.json`.

    Raises:
        ItemError: The file itself cannot be read.
    """
    provider = static_provider(catalog.parent)
    yield from _Walk(query=None, provider=provider).items(catalog.resolve(), read_json(catalog))


def read_json(path: Path) -> Document:
    """Returns a JSON object from a file.

    Raises:
        ItemError: There is no such file, or it holds something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as cause:
        raise ItemError("unreadable", f"a STAC document is a JSON file, {path} is not: {cause}; restore it") from cause
    if not isinstance(document, dict):
        raise ItemError(
            "unreadable", f"a STAC document is a JSON object, {path} holds {type(document).__name__}; restore it"
        )
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class _Container:
    """A catalogue or collection on the way, with what its items inherit."""

    path: Path
    document: Document
    collection: str = ""
    terms: str = ""

    def named(self) -> _Container:
        if self.document.get("type") != "Collection":
            return self
        return replace(self, collection=text(self.document, "id"), terms=terms_of(self.document))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """One pass through a catalogue; every document is visited once, whatever links to it."""

    query: SceneQuery | None
    """None: every item is wanted."""

    provider: Provider
    seen: set[str] = field(default_factory=set)

    def items(self, start: Path, top: Document) -> Iterator[FoundItem]:
        stack = [_Container(path=start, document=top)]
        self.seen.add(str(start))
        while stack:
            container = stack.pop()
            children: list[_Container] = []
            try:
                container = container.named()
                links = tuple(_links(container.document))
            except ItemError as problem:
                yield self._unreadable("child", str(container.path), container.collection, problem)
                continue
            for relation, href in links:
                try:
                    target, linked = self._follow(href, container.path)
                except ItemError as problem:
                    yield self._unreadable(relation, href, container.collection, problem)
                    continue
                if linked is None:
                    continue
                if linked.get("type") in CONTAINERS:
                    children.append(replace(container, path=target, document=linked))
                else:
                    yield _found(linked, target, container)
            stack.extend(reversed(children))

    def _follow(self, href: str, base: Path) -> tuple[Path, Document | None]:
        target = self.provider.resolve(href, str(base))
        if target in self.seen:
            return Path(target), None
        self.seen.add(target)
        return Path(target), read_json(Path(target))

    def _unreadable(self, relation: str, href: str, collection: str, problem: ItemError) -> FoundItem:
        # what hides behind a broken child is unknown: it is told under the first collection asked for
        named = collection or (self.query.collections[0] if self.query and relation == "child" else "")
        name = Path(href.partition("?")[0].partition("#")[0]).stem if relation == "item" else href
        return FoundItem(id=name or href, collection=named, href=href, document={}, problem=str(problem))


def _links(document: Document) -> Iterator[tuple[str, str]]:
    for link in objects(document, "links"):
        relation, href = link.get("rel"), link.get("href")
        if relation in ("child", "item") and isinstance(href, str):
            yield str(relation), href


def _found(document: Document, path: Path, container: _Container) -> FoundItem:
    named, own = document.get("id"), document.get("collection")
    problem = ""
    if document.get("type") != "Feature" or not isinstance(named, str) or not named:
        problem = (
            f"an item is a Feature with an id, {path} has type {document.get('type')!r} and id {named!r}; correct it"
        )
    return FoundItem(
        id=named if isinstance(named, str) and named else path.stem,
        collection=own if isinstance(own, str) and own else container.collection,
        href=str(path),
        document=document,
        problem=problem,
        terms=container.terms,
    )
