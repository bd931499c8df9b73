"""JSON schemas of STAC from local files only: the core from pystac, PROJJSON from pyproj, extensions from a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import pyproj.datadir
from jsonschema import Draft7Validator
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource
from referencing.exceptions import NoSuchResource, Unresolvable
from referencing.jsonschema import DRAFT7

from pipelines.publish.errors import PublishError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jsonschema import ValidationError

    Json = Mapping[str, object]

CORE: Final = "https://schemas.stacspec.org/v1.1.0/{kind}-spec/json-schema/{kind}.json"
KINDS: Final = {"Feature": "item", "Catalog": "catalog", "Collection": "collection"}
INDEX_NAME: Final = "index.json"
"""In the folder of extension schemas: an object from each schema's address to its file."""

NUM_FAULTS: Final = 5
MESSAGE_CHARS: Final = 120
"""A violation is told by so many faults of so many characters at most."""

_PROJJSON: Final = "https://proj.org/schemas/"


class SchemaStore:
    """Schemas by address; asks no network."""

    def __init__(self, extensions: Path | None) -> None:
        """Reads the core schemas and the index of the extensions.

        Args:
            extensions: Folder with `index.json`; None knows the core only.

        Raises:
            PublishError: The folder has no readable index.
        """
        self.has_extensions = extensions is not None
        self._schemas: dict[str, Json] = dict(get_local_schema_cache())
        self._files = _index(extensions) if extensions is not None else {}
        self._registry: Registry[Json] = Registry(retrieve=self._retrieve)  # type: ignore[call-arg]
        self._validators: dict[str, Draft7Validator] = {}

    def problem(self, content: Json, address: str) -> str | None:
        """Returns the violations of a schema in one line, None where the content meets it.

        Where a schema offers alternatives, the fault of each is told, the deepest first: it mostly is the one meant.

        Raises:
            PublishError: The schema, or one that it refers to, is not at hand.
        """
        try:
            errors = list(self._validator(address).iter_errors(content))
        except Unresolvable as lost:
            raise PublishError(
                f"every schema must be in the index, got none for {lost} (of {address}); add it"
            ) from lost
        if not errors:
            return None
        leaves = sorted(_leaves(errors), key=lambda leaf: len(leaf.absolute_path), reverse=True)
        told = list(dict.fromkeys(map(_told, leaves)))[:NUM_FAULTS]
        return f"{' or '.join(told)} ({address})"

    def _validator(self, address: str) -> Draft7Validator:
        if address not in self._validators:
            try:
                schema = self._load(address)
            except NoSuchResource as lost:
                raise PublishError(f"every schema must be in the index, got none for {address}; add it") from lost
            self._validators[address] = Draft7Validator(
                schema, registry=self._registry, format_checker=Draft7Validator.FORMAT_CHECKER
            )
        return self._validators[address]

    def _retrieve(self, address: str) -> Resource[Json]:
        return Resource.from_contents(self._load(address), default_specification=DRAFT7)

    def _load(self, address: str) -> Json:
        plain = address.rstrip("#")
        if plain not in self._schemas:
            path = self._files.get(plain)
            if path is None and plain.startswith(_PROJJSON):
                path = Path(pyproj.datadir.get_data_dir()) / "projjson.schema.json"
            if path is None or not path.is_file():
                raise NoSuchResource(ref=address)  # type: ignore[call-arg]
            self._schemas[plain] = cast("Json", json.loads(path.read_text(encoding="utf-8")))
        return self._schemas[plain]


def _leaves(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """The errors at the ends of the alternatives."""
    for error in errors:
        if error.context:
            yield from _leaves(error.context)
        else:
            yield error


def _told(error: ValidationError) -> str:
    """Where and what; of a long message the end, since it begins with the whole offending object."""
    message = str(error.message)
    return f"{error.json_path}: {message if len(message) <= MESSAGE_CHARS else '...' + message[-MESSAGE_CHARS:]}"


def _index(folder: Path) -> dict[str, Path]:
    path = folder / INDEX_NAME
    try:
        entries = cast("dict[str, str]", json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise PublishError(f"a folder of schemas has a readable {INDEX_NAME}, got {error} at {path}") from error
    return {address.rstrip("#"): folder / name for address, name in entries.items()}
