"""A safetensors file whose tensors are written one after the other and read where they lie.

The layout is safetensors' own: eight bytes with the length of the header, the header in JSON, then the tensors without
gaps (https://github.com/huggingface/safetensors, section Format). The library's writer holds a whole file in memory and
aligns tensors to 8 bytes; here a model larger than half the memory is written, and tensors are used from the memory
map, where kernels want 64.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from ringmoe_core.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

ALIGNMENT: Final = 64
"""Bytes: a cache line, and the widest vector register."""

_CHUNK: Final = 1 << 24
"""Elements that are converted and written at a time, so that a bank of experts needs no second copy."""

_LENGTH: Final = 8
"""Bytes that say how long the header is."""

_NOTES: Final = "__metadata__"

_TYPES: Final = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSource:
    """A tensor to be written: what the file says of it, and where its values come from."""

    dtype: torch.dtype
    """Type in the file."""

    shape: tuple[int, ...]
    """Shape in the file."""

    values: Callable[[], Tensor]
    """Gives the values, of any type, on any device; called once, when its turn comes."""

    @property
    def num_bytes(self) -> int:
        """Bytes in the file."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """What identifies a file."""

    size: int
    """Bytes."""

    sha256: str
    """Of all its bytes, header included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorPlace:
    """Where a tensor lies in a file."""

    dtype: torch.dtype
    """Type in the file."""

    shape: tuple[int, ...]
    """Shape in the file."""

    start: int
    """Offset of its first byte from the start of the file."""

    num_bytes: int
    """Its length."""


def write_tensors(path: Path, sources: Mapping[str, TensorSource], notes: Mapping[str, str]) -> WrittenFile:
    """Writes a file, one tensor at a time.

    Args:
        path: file to write; whatever is there is replaced.
        sources: by name. Those of whole multiples of 64 bytes come first, each aligned to 64 bytes; the others, small
            ones, follow without gaps, as the format demands.
        notes: free text, by key.
    """
    ordered = sorted(sources.items(), key=lambda item: (item[1].num_bytes % ALIGNMENT != 0, item[0]))
    head = _header(ordered, notes)
    digest, size = hashlib.sha256(head), len(head)
    with path.open("wb") as file:
        file.write(head)
        for name, source in ordered:
            values = source.values().detach()
            assert tuple(values.shape) == source.shape, name
            for chunk in torch.split(values.flatten(), _CHUNK):
                # through bytes: numpy has no bfloat16
                raw = chunk.to("cpu", source.dtype).contiguous().view(torch.uint8).numpy().data
                digest.update(raw)
                size += file.write(raw)
    return WrittenFile(size=size, sha256=digest.hexdigest())


def _header(ordered: list[tuple[str, TensorSource]], notes: Mapping[str, str]) -> bytes:
    """Length and JSON, filled up with blanks so that the first tensor is aligned."""
    names = {dtype: name for name, dtype in _TYPES.items()}
    entries: dict[str, object] = {_NOTES: dict(notes)} if notes else {}
    end = 0
    for name, source in ordered:
        start, end = end, end + source.num_bytes
        entries[name] = {"dtype": names[source.dtype], "shape": list(source.shape), "data_offsets": [start, end]}
    text = json.dumps(entries, separators=(",", ":"), sort_keys=False).encode()
    text += b" " * (-(_LENGTH + len(text)) % ALIGNMENT)
    return len(text).to_bytes(_LENGTH, "little") + text


class TensorFile:
    """A file in memory-mapped form. Tensors taken from it keep the map alive; nothing needs to be closed.

    The map is private: a tensor may be written to, the file never changes. The file must not be cut or overwritten in
    place while tensors of it are in use (replacing it by a new file is harmless): a page that is gone ends the process.
    """

    def __init__(self, path: Path) -> None:
        """Maps the file and reads its header.

        Raises:
            CheckpointError: it is truncated or no safetensors file.
            FileNotFoundError: no such file.
        """
        self.path = path
        with path.open("rb") as file:
            self.size = os.fstat(file.fileno()).st_size
            if self.size < _LENGTH:
                raise _broken(path, f"{self.size} bytes")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self.notes, self.places = _parse(self._map, self.size, path)

    def sha256(self) -> str:
        """Of all bytes of the file, read once; what follows finds them in memory."""
        return hashlib.sha256(self._map).hexdigest()

    def tensor(self, name: str) -> Tensor:
        """The tensor of this name, in the file's own type: a view of the map, or a copy where it is not aligned."""
        place = self.places[name]
        if not place.num_bytes:
            return torch.empty(place.shape, dtype=place.dtype)
        if place.start % place.dtype.itemsize:  # a foreign writer's file may hold them at any byte
            raw = bytearray(self._map[place.start : place.start + place.num_bytes])
            return torch.frombuffer(raw, dtype=place.dtype).reshape(place.shape).clone()
        count = place.num_bytes // place.dtype.itemsize
        stored = torch.frombuffer(self._map, dtype=place.dtype, count=count, offset=place.start).reshape(place.shape)
        return stored.clone() if place.start % ALIGNMENT else stored


def _parse(data: mmap.mmap, size: int, path: Path) -> tuple[dict[str, str], dict[str, TensorPlace]]:
    length = int.from_bytes(data[:_LENGTH], "little")
    if length > size - _LENGTH:
        raise _broken(path, f"{size} bytes and a header of {length}")
    try:
        entries: dict[str, Any] = json.loads(data[_LENGTH : _LENGTH + length])
        notes = {str(key): str(value) for key, value in entries.pop(_NOTES, {}).items()}
        places = {name: _place(entry, _LENGTH + length) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(path, f"a header that cannot be read: {error!r}") from error
    end = _LENGTH + length
    for name, place in sorted(places.items(), key=lambda item: (item[1].start, item[1].num_bytes)):
        if place.start != end or place.num_bytes != math.prod(place.shape) * place.dtype.itemsize:
            raise _broken(path, f"'{name}' out of its place")
        end += place.num_bytes
    if end != size:
        raise _broken(path, f"{size} bytes instead of {end}")
    return notes, places


def _place(entry: Mapping[str, Any], base: int) -> TensorPlace:
    start, end = (int(offset) for offset in entry["data_offsets"])
    shape = tuple(int(side) for side in entry["shape"])
    if start < 0 or min(shape, default=0) < 0:
        raise ValueError(f"offsets and sides must be at least 0, got {entry}")
    return TensorPlace(dtype=_TYPES[entry["dtype"]], shape=shape, start=base + start, num_bytes=end - start)


def _broken(path: Path, found: str) -> CheckpointError:
    return CheckpointError(f"a checkpoint must be a whole safetensors file, got {found} in {path}; copy it again")
