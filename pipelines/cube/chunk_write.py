"""Whole chunks written as Zarr would, encoded in the thread that made them.

zarr-python hands every chunk to its event loop and on to a pool of threads, which costs half as much again as the
compression itself (16-bit images, blosc-zstd level 1). Here a worker compresses its chunks and stores them together.
The bytes are those of zarr-python, and so is the rule that a chunk of nothing but the fill value is not stored.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs import Blosc
from zarr.codecs import BloscCodec, BytesCodec
from zarr.core.metadata.v3 import ArrayV3Metadata

from pipelines.cube.thread_loop import run_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import zarr
    from numpy.typing import NDArray
    from zarr.abc.store import Store

_SHUFFLES = {"noshuffle": Blosc.NOSHUFFLE, "shuffle": Blosc.SHUFFLE, "bitshuffle": Blosc.BITSHUFFLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkWriter:
    """Writes parts of one array that consist of whole chunks."""

    array: zarr.Array[Any]
    codec: Blosc
    shape: tuple[int, ...]
    """Of a chunk."""

    fill: Any

    @classmethod
    def of(cls, array: zarr.Array[Any]) -> ChunkWriter | None:
        """Returns the writer of an array, None where it is stored otherwise than the cubes of this version are."""
        metadata = array.metadata
        if not isinstance(metadata, ArrayV3Metadata) or len(metadata.codecs) != 2:  # noqa: PLR2004
            return None
        to_bytes, compressor = metadata.codecs
        if not isinstance(to_bytes, BytesCodec) or not isinstance(compressor, BloscCodec):
            return None
        if array.dtype.itemsize > 1 and (to_bytes.endian is None or to_bytes.endian.value != "little"):
            return None
        if compressor.typesize != array.dtype.itemsize:
            return None
        codec = Blosc(
            cname=compressor.cname.value,
            clevel=compressor.clevel,
            shuffle=_SHUFFLES[compressor.shuffle.value],
            blocksize=compressor.blocksize,
            typesize=compressor.typesize,
        )
        return cls(array=array, codec=codec, shape=array.chunks, fill=metadata.fill_value)

    def encoded(self, start: tuple[int, ...], values: NDArray[Any]) -> Iterator[tuple[str, bytes | None]]:
        """Yields key and bytes of each chunk, None for bytes where it holds nothing but the fill value.

        Args:
            start: Index of the first value in the array, on an edge between chunks along every axis.
            values: As many dims as the array; ends on an edge between chunks or at the end of the array.
        """
        assert all(place % size == 0 for place, size in zip(start, self.shape, strict=True)), (start, self.shape)
        room = np.empty(self.shape, dtype=self.array.dtype)
        counts = [range(math.ceil(length / size)) for length, size in zip(values.shape, self.shape, strict=True)]
        for number in itertools.product(*counts):
            part = values[tuple(slice(i * size, (i + 1) * size) for i, size in zip(number, self.shape, strict=True))]
            chunk = tuple(place // size + i for place, size, i in zip(start, self.shape, number, strict=True))
            key = f"{self.array.path}/{self.array.metadata.encode_chunk_key(chunk)}"
            yield key, None if self._is_empty(part) else self._encoded(part, room)

    def _encoded(self, part: NDArray[Any], room: NDArray[Any]) -> bytes:
        first = part.flat[0]
        if part.shape == self.shape and first == part.flat[-1] and (part == first).all():
            # flags mostly: a clear sky, no mask
            return _constant(json.dumps(self.codec.get_config()), self.shape, first.dtype, first.tobytes())
        return bytes(self.codec.encode(self._whole(part, room)))

    def _whole(self, part: NDArray[Any], room: NDArray[Any]) -> NDArray[Any]:
        """Returns a chunk in memory order, in `room`; one at the end of the array is filled up."""
        if part.shape != self.shape:
            room.fill(self.fill)
        room[tuple(slice(length) for length in part.shape)] = part
        return room

    def _is_empty(self, part: NDArray[Any]) -> bool:
        """Returns whether every value is the fill value; a look at the first tells most chunks."""
        if part.dtype.kind in "fc" and np.isnan(self.fill):
            return bool(np.isnan(part.flat[0]) and np.isnan(part).all())
        return bool(part.flat[0] == self.fill and (part == self.fill).all())


@functools.lru_cache(maxsize=64)
def _constant(codec: str, shape: tuple[int, ...], dtype: np.dtype, value: bytes) -> bytes:
    """Returns the bytes of a chunk that holds one value throughout."""
    settings = json.loads(codec)
    settings.pop("id")
    whole = np.full(shape, np.frombuffer(value, dtype=dtype)[0], dtype=dtype)
    return bytes(Blosc(**settings).encode(whole))


def write_chunks(store: Store, chunks: Iterable[tuple[str, bytes | None]]) -> None:
    """Stores encoded chunks; returns when all are there.

    Args:
        store: Of the arrays.
        chunks: Key and bytes; None deletes.
    """
    run_here(_write(store, list(chunks)))


async def _write(store: Store, chunks: list[tuple[str, bytes | None]]) -> None:
    from zarr.core.buffer import default_buffer_prototype

    buffer = default_buffer_prototype().buffer
    calls = [
        store.delete(key) if content is None else store.set(key, buffer.from_bytes(content)) for key, content in chunks
    ]
    await asyncio.gather(*calls)
