"""Small arrays of a group read and written together, with as little of zarr-python between as can be.

A date has two dozen coordinates of a few bytes. Through zarr-python each costs one or two milliseconds of a processor,
which makes as much as a tenth of a date. Here their documents and chunks are read at once, changed and written at once;
what is stored is the same. An array that is stored otherwise than the cubes of this version are goes through
zarr-python.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import zarr
from numcodecs import VLenUTF8, Zstd
from zarr.core.buffer import default_buffer_prototype

from pipelines.cube.thread_loop import run_here

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from zarr.abc.store import Store

_LITTLE: Final = {"name": "bytes", "configuration": {"endian": "little"}}
_TEXT: Final = {"name": "vlen-utf8", "configuration": {}}
_ZSTD: Final = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
_INDENT: Final = 2
"""Of zarr-python's documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Small:
    """An array of one chunk."""

    path: str
    document: Mapping[str, Any]
    dtype: np.dtype | None
    """None for text."""

    chunk: tuple[int, ...]

    @classmethod
    def of(cls, path: str, content: bytes | None) -> _Small | None:
        """Returns the array that a document describes, None where it is none of these."""
        document = json.loads(content) if content else {}
        codecs, kind = document.get("codecs"), document.get("data_type")
        text = kind == "string" and codecs == [_TEXT, _ZSTD]
        if not text and not (kind in ("int64", "float64") and codecs == [_LITTLE, _ZSTD]):
            return None
        keys = {"name": "default", "configuration": {"separator": "/"}}
        chunk = document["chunk_grid"].get("configuration", {}).get("chunk_shape")
        if document["chunk_key_encoding"] != keys or document.get("storage_transformers") or not chunk:
            return None
        if any(length > size for length, size in zip(document["shape"], chunk, strict=True)):
            return None
        return cls(path=path, document=document, dtype=None if text else np.dtype(kind), chunk=tuple(chunk))

    @property
    def key(self) -> str:
        return f"{self.path}/c/{'/'.join('0' for _ in self.chunk)}"

    @property
    def fill(self) -> str | float:
        stored = self.document["fill_value"]
        return math.nan if stored == "NaN" else stored

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.document["shape"])

    def decoded(self, content: bytes | None) -> NDArray[Any]:
        """Returns the values of a stored chunk."""
        if content is None:
            return np.full(self.shape, self.fill, dtype=object if self.dtype is None else self.dtype)
        plain = Zstd().decode(content)
        values = VLenUTF8().decode(plain) if self.dtype is None else np.frombuffer(plain, dtype=self.dtype)
        whole: NDArray[Any] = values.reshape(self.chunk)[tuple(slice(length) for length in self.shape)]
        return whole

    def encoded(self, values: NDArray[Any]) -> bytes | None:
        """Returns the chunk to store, None where it holds nothing but the fill value."""
        whole = np.full(self.chunk, self.fill, dtype=object if self.dtype is None else self.dtype)
        whole[tuple(slice(length) for length in values.shape)] = values
        empty = whole == self.fill if self.fill == self.fill else np.isnan(whole)
        if empty.all():
            return None
        plain = VLenUTF8().encode(whole.reshape(-1)) if self.dtype is None else whole.tobytes()
        return bytes(Zstd(level=0).encode(plain))

    def resized(self, length: int) -> bytes:
        """Returns the document with another number of dates."""
        shape = [length, *self.document["shape"][1:]]
        return json.dumps({**self.document, "shape": shape}, indent=_INDENT).encode()


def read_values(group: zarr.Group, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Returns the values of arrays of a group by their names."""
    return {name: values for name, (_, values) in _read(group, names).items()}


def rewrite(group: zarr.Group, order: Sequence[int | None], new: Mapping[str, object]) -> None:
    """Writes arrays along time in a new order.

    Args:
        group: A group of a draft.
        order: Old index of each date in the new order, None where the new date goes.
        new: Value of the new date by array; text goes to arrays of text.
    """
    writes: dict[str, bytes | None] = {}
    for name, (small, old) in _read(group, list(new)).items():
        rows = [new[name] if index is None else old[index] for index in order]
        values = np.array(rows, dtype=object if isinstance(new[name], str) else old.dtype)
        if small is None or len(order) > small.chunk[0]:
            array = _array(group, name)
            array.resize((len(order), *array.shape[1:]))
            array[:] = values
        else:
            writes[f"{small.path}/zarr.json"] = small.resized(len(order))
            writes[small.key] = small.encoded(values)
    run_here(_put(group.store, writes))


def image_names(group: zarr.Group) -> tuple[str, ...]:
    """Returns the names of the arrays that hold an image a date, sorted; no array is opened for it."""
    found = []
    for name, content in run_here(_documents(group.store, group.path)).items():
        dims = json.loads(content).get("dimension_names") or [] if content else []
        if dims[:1] == ["time"] and dims[-2:] == ["y", "x"]:
            found.append(name)
    return tuple(sorted(found))


def _read(group: zarr.Group, names: Sequence[str]) -> dict[str, tuple[_Small | None, NDArray[Any]]]:
    paths = [f"{group.path}/{name}".lstrip("/") for name in names]
    contents = run_here(_get(group.store, [f"{path}/zarr.json" for path in paths]))
    smalls = [_Small.of(path, content) for path, content in zip(paths, contents, strict=True)]
    held = [small for small in smalls if small is not None]
    chunks = iter(run_here(_get(group.store, [small.key for small in held])))
    return {
        name: (None, np.asarray(_array(group, name)[...])) if small is None else (small, small.decoded(next(chunks)))
        for name, small in zip(names, smalls, strict=True)
    }


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group[name]
    assert isinstance(array, zarr.Array), name
    return array


async def _get(store: Store, keys: Sequence[str]) -> list[bytes | None]:
    prototype = default_buffer_prototype()
    found = await asyncio.gather(*(store.get(key, prototype) for key in keys))
    return [None if content is None else content.to_bytes() for content in found]


async def _put(store: Store, writes: Mapping[str, bytes | None]) -> None:
    buffer = default_buffer_prototype().buffer
    await asyncio.gather(
        *(
            store.delete(key) if content is None else store.set(key, buffer.from_bytes(content))
            for key, content in writes.items()
        )
    )


async def _documents(store: Store, path: str) -> dict[str, bytes | None]:
    names = [name.rstrip("/") async for name in store.list_dir(path)]
    members = [name for name in names if name != "zarr.json"]
    prefix = f"{path}/" if path else ""
    contents = await _get(store, [f"{prefix}{name}/zarr.json" for name in members])
    return dict(zip(members, contents, strict=True))
