"""A query put to a catalogue, wherever it lives."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from catalogs.errors import CatalogError
from catalogs.providers import PROVIDERS, Provider, static_provider, unlisted_provider

if TYPE_CHECKING:
    from catalogs.query import SceneQuery
    from catalogs.scenes import SceneSet


def search(
    query: SceneQuery, source: str | Path, *, required_bands: tuple[str, ...] = (), reads_files: bool = True
) -> SceneSet:
    """Returns the scenes that a query asks of one catalogue.

    Args:
        query: Area, time, collections and filters.
        source: A provider's name (`earth-search`), the https address of a STAC API's root, or the path of a static
            catalogue (its `catalog.json`, or the folder that holds it).
        required_bands: Bands that a scene must have, as far as its sensor knows them; without them an item is
            `missing_asset`. By default one band that holds values is enough.
        reads_files: False where scenes are only counted and compared: those whose files take keys are then found too,
            and no scene holds an href.

    Raises:
        CatalogError: The catalogue does not exist, does not answer, or is not a STAC catalogue.
    """
    if not is_api(source):
        return _search_disk(query, Path(source), required_bands, reads_files=reads_files)
    from catalogs.client import search_api

    provider = replace(api_provider(source), reads_files=reads_files)
    return search_api(query, provider, required_bands=required_bands)


def is_api(source: str | Path) -> bool:
    """Returns whether a source is a provider's name or an address, and not a path on this machine."""
    return str(source) in PROVIDERS or "://" in str(source)


def api_provider(source: str | Path) -> Provider:
    """Returns the rules of an API by its name or address.

    Raises:
        CatalogError: The address may not be asked.
    """
    name = str(source)
    if name in PROVIDERS:
        return PROVIDERS[name]
    endpoints = {provider.endpoint.rstrip("/"): provider for provider in PROVIDERS.values()}
    try:
        return endpoints.get(name.rstrip("/")) or unlisted_provider(name)
    except ValueError as cause:
        raise CatalogError(str(cause)) from cause


def provider_of(source: str | Path) -> Provider:
    """Returns which files the scenes of a source may point at, without asking it.

    Raises:
        CatalogError: The address may not be asked.
    """
    if is_api(source):
        return api_provider(source)
    path = Path(source)
    return static_provider(path if path.is_dir() else path.parent)


def _search_disk(query: SceneQuery, path: Path, required_bands: tuple[str, ...], *, reads_files: bool) -> SceneSet:
    if not path.exists():
        near = difflib.get_close_matches(str(path), PROVIDERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "correct the path"
        raise CatalogError(
            f"a catalogue is one of {sorted(PROVIDERS)}, an https address or the path of a file that exists, "
            f"got {str(path)!r}, which does not; {hint}"
        )
    from catalogs.static import search_static

    return search_static(query, path, required_bands=required_bands, reads_files=reads_files)
