"""Chunks written directly are those that zarr-python would have written, byte by byte."""

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec

from pipelines.cube.chunk_write import ChunkWriter, write_chunks
from pipelines.cube.encoding import compressor

FILLS = {"int16": -32768, "float32": float("nan"), "bool": False, "uint16": 1, "complex64": complex("nan+nanj")}


def made(store, dtype, **options):
    kind = np.dtype(dtype)
    settings = {"compressors": [compressor(kind)], "fill_value": FILLS[dtype], **options}
    return zarr.create_array(store, name="v", shape=(3, 2, 70, 50), chunks=(1, 1, 32, 32), dtype=kind, **settings)


def contents(store):
    return {key: value.to_bytes() for key, value in store._store_dict.items() if "/c/" in key}


def values_of(dtype, shape):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 200, shape).astype(dtype)
    values[..., :32, :32] = FILLS[dtype]  # chunks of nothing but the fill value
    values[..., 40, 40] = FILLS[dtype]
    values[0, 1, 32:64, :32] = 9  # one of another constant
    return values


@pytest.mark.parametrize("dtype", FILLS)
def test_the_bytes_are_those_of_zarr(dtype):
    ours, theirs = zarr.storage.MemoryStore(), zarr.storage.MemoryStore()
    values = values_of(dtype, (1, 2, 70, 50))
    made(theirs, dtype)[1:2] = values
    array = made(ours, dtype)
    writer = ChunkWriter.of(array)

    write_chunks(array.store, writer.encoded((1, 0, 0, 0), values))

    assert contents(ours) == contents(theirs)
    assert not any(key.startswith("v/c/1/0/0/0") for key in contents(ours))
    np.testing.assert_array_equal(array[1:2], values)


def test_a_chunk_that_became_empty_is_deleted():
    store = zarr.storage.MemoryStore()
    array = made(store, "int16")
    array[1:2, :, 32:64] = 7
    writer = ChunkWriter.of(array)
    write_chunks(store, writer.encoded((1, 0, 32, 0), np.full((1, 2, 32, 50), -32768, "int16")))
    assert contents(store) == {}


def test_parts_must_begin_on_chunks():
    writer = ChunkWriter.of(made(zarr.storage.MemoryStore(), "int16"))
    with pytest.raises(AssertionError):
        list(writer.encoded((0, 0, 31, 0), np.zeros((1, 2, 32, 50), "int16")))


@pytest.mark.parametrize(
    "options",
    [
        {"compressors": [GzipCodec()]},
        {"compressors": None},
        {"serializer": BytesCodec(endian="big")},
        {"compressors": [BloscCodec(typesize=4)]},
        {"shards": (1, 1, 64, 64)},
    ],
)
def test_an_array_stored_otherwise_is_left_to_zarr(options):
    assert ChunkWriter.of(made(zarr.storage.MemoryStore(), "int16", **options)) is None
