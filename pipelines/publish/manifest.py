"""What a published product consists of and what it was made from; written last, so that it proves the product whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.publish.errors import PublishError
from pipelines.publish.staging import write_whole

if TYPE_CHECKING:
    import xarray as xr

    from pipelines.publish.context import ItemContext

FORMAT: Final = 1
"""Raised when the files of a product change their form: every product is then written anew."""

MANIFEST_NAME: Final = "manifest.json"
_NOT_IN_KEY: Final = frozenset({"run_id", "created"})
_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a product."""

    path: str
    """Relative to the product's folder, with '/'."""

    size: int
    """Bytes."""

    sha256: str
    """64 hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The files of a product and the key they were made under."""

    product: str
    key: str
    item: str
    """File name of the STAC item."""

    files: tuple[FileEntry, ...]
    """Every file but the manifest itself, sorted by path."""


def product_key(dataset: xr.Dataset, *, name: str, context: ItemContext) -> str:
    """Returns a SHA-256 over a product's values, attributes and origin: equal products, equal keys.

    The run's id and the time of writing are no part of it.

    Args:
        dataset: The product, in memory.
        name: Of the product.
        context: Its origin.
    """
    digest = hashlib.sha256()
    origin = {field: value for field, value in asdict(context).items() if field not in _NOT_IN_KEY}
    digest.update(_canonical({"format": FORMAT, "name": name, "context": origin, "attrs": dataset.attrs}))
    for variable in sorted(map(str, dataset.variables)):
        array = dataset[variable]
        digest.update(_canonical([variable, array.dims, array.shape, array.dtype.str, array.attrs]))
        digest.update(np.ascontiguousarray(array.to_numpy()).tobytes())
    return digest.hexdigest()


def list_files(folder: Path) -> tuple[FileEntry, ...]:
    """Returns every file below a folder with size and hash, sorted by path, the manifest left out."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST_NAME)
    return tuple(
        FileEntry(path=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=file_sha256(path))
        for path in paths
    )


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `manifest.json` in one step.

    Raises:
        PublishError: It cannot be written.
    """
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1, sort_keys=True)
    write_whole(folder / MANIFEST_NAME, text.encode() + b"\n")


def read_manifest(folder: Path) -> Manifest | None:
    """Returns the manifest of a product's folder, None where there is none (the product was never finished).

    Raises:
        PublishError: The file is there but is not a manifest of this format.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            return None
        content["files"] = tuple(FileEntry(**entry) for entry in content["files"])
        return Manifest(**content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PublishError(
            f"a manifest lists product, key, item and files, got another content in {path}; delete it"
        ) from error


def is_complete(folder: Path, key: str) -> bool:
    """Returns whether a folder holds the product of this key with every file at its size.

    Content is not hashed again: `validate_catalog` does that.

    Args:
        folder: Of the product, with its manifest.
        key: As `product_key` gives it.

    Raises:
        PublishError: The manifest is not one of this format.
    """
    manifest = read_manifest(folder)
    if manifest is None or manifest.key != key:
        return False
    return all(_has_size(folder / entry.path, entry.size) for entry in manifest.files)


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, default=_plain).encode()


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else str(value)
