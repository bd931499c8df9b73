"""PlaceStore: a folder of places, one safetensors file each, with an index that says what they are."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pipelines.inference.channels import NORMALISATION_ID
from pipelines.training.places.errors import PlaceStoreError
from pipelines.training.places.place_file import PlaceEntry, check_place_file, read_place_file, write_place_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipelines.training.places.place import Place

INDEX: Final = "index.json"
FORMAT: Final = "ringmoe-places"
VERSION: Final = 1
_OPEN_PLACES: Final = 4096
"""Memory maps kept; a map costs an entry in the kernel's tables, its pages are the file cache's."""


class PlaceStore:
    """The places of a folder. Nothing is read before it is asked for."""

    def __init__(self, folder: Path, entries: Iterable[PlaceEntry]) -> None:
        self.folder = folder
        self.entries = tuple(sorted(entries, key=lambda entry: entry.id))
        self._read = lru_cache(maxsize=_OPEN_PLACES)(lambda entry_id: read_place_file(self._by_id[entry_id], folder))
        self._by_id = {entry.id: entry for entry in self.entries}

    @classmethod
    def open(cls, folder: Path, *, digest: bool = True) -> PlaceStore:
        """Returns the store of a folder.

        Args:
            folder: With an `index.json`.
            digest: Whether every file is read and held against its SHA-256; their presence and length always are.

        Raises:
            PlaceStoreError: The folder is absent, no store, damaged, of another version or normalisation, or empty.
        """
        entries = read_index(folder)
        if not entries:
            raise PlaceStoreError(f"a store holds at least one place, got none in {folder}; render or add some")
        for entry in entries.values():
            check_place_file(entry, folder, digest=digest)
        return cls(folder, entries.values())

    def place(self, place_id: str) -> Place:
        """Returns a place by its id.

        Raises:
            KeyError: There is none.
            PlaceStoreError: Its file is damaged.
        """
        if place_id not in self._by_id:
            raise KeyError(f"a place of {self.folder} is one of {len(self.entries)}, got {place_id!r}")
        return self._read(place_id)

    def __len__(self) -> int:
        return len(self.entries)


def write_place(place: Place, folder: Path, *, source: str = "") -> PlaceEntry:
    """Adds a place to a folder, which becomes a store if it is none, and returns its entry.

    Args:
        place: A place of the same id is replaced.
        folder: Made where it is absent; one process at a time writes to it.
        source: What it was made from.

    Raises:
        PlaceStoreError: The folder holds an index of something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = read_index(folder) if (folder / INDEX).exists() else {}
    entry = write_place_file(place, folder, source=source)
    write_index(folder, (known | {entry.id: entry}).values())
    return entry


def read_index(folder: Path) -> dict[str, PlaceEntry]:
    """Returns the entries of a store by id.

    Raises:
        PlaceStoreError: There is no index, or it is of something else.
    """
    path = folder / INDEX
    if not path.is_file():
        raise PlaceStoreError(f"a store of places is a folder with {INDEX}, got {folder} without; render places first")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        form, version, convention = document["format"], document["version"], document["normalisation"]
        listed = [PlaceEntry.from_dict(values) for values in document["places"]]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise PlaceStoreError(f"{path} must be an index of places, got {error!r}; render the places again") from error
    if (form, version) != (FORMAT, VERSION):
        raise PlaceStoreError(f"{path} must be {FORMAT} of version {VERSION}, got {form!r}, {version!r}; render again")
    if convention != NORMALISATION_ID:
        raise PlaceStoreError(
            f"{path} must hold pixels normalised as {NORMALISATION_ID!r}, got {convention!r}; render the places again"
        )
    entries = {entry.id: entry for entry in listed}
    if len(entries) != len(listed):
        raise PlaceStoreError(f"{path} must name each place once, got {len(listed) - len(entries)} twice; repair it")
    return entries


def write_index(folder: Path, entries: Iterable[PlaceEntry]) -> None:
    """Replaces the index of a folder, whole or not at all."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "normalisation": NORMALISATION_ID,
        "places": [entry.to_dict() for entry in sorted(entries, key=lambda entry: entry.id)],
    }
    partial = folder / f"{INDEX}.{os.getpid()}.partial"
    partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / INDEX)
