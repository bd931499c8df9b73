"""A minimal writer of HDF5: arrays of two dims and one text attribute at the root, as h5py lays them out by default.

After the HDF5 File Format Specification 2.0, with a superblock of version 0, a root group of version 1 (B-tree, local
heap, one symbol table node), and contiguous arrays. libhdf5, through GDAL, is the judge of whether it is right.
"""

from __future__ import annotations

import struct

import numpy as np

UNDEFINED = 0xFFFFFFFFFFFFFFFF
LEAF_K = 16
INTERNAL_K = 16
MAX_ARRAYS = 2 * LEAF_K


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def message(kind: int, data: bytes) -> bytes:
    data = padded(data)
    return struct.pack("<HHB3x", kind, len(data), 0) + data


def object_header(messages: list[bytes]) -> bytes:
    body = b"".join(messages)
    return struct.pack("<BxHII4x", 1, len(messages), 1, len(body)) + body


def datatype(dtype: np.dtype) -> bytes:
    bits = 8 * dtype.itemsize
    if dtype.kind in "iu":
        return struct.pack("<B3BIHH", 0x10, 8 if dtype.kind == "i" else 0, 0, 0, dtype.itemsize, 0, bits)
    assert dtype == np.float32
    return struct.pack("<B3BIHH4BI", 0x11, 0x20, 31, 0, 4, 0, 32, 23, 8, 0, 23, 127)


def array_header(array: np.ndarray, address: int) -> bytes:
    dataspace = struct.pack("<BBB5x", 1, array.ndim, 0) + struct.pack(f"<{array.ndim}Q", *array.shape)
    layout = struct.pack("<BBQQ", 3, 1, address, array.nbytes)
    return object_header(
        [
            message(0x0001, dataspace),
            message(0x0003, datatype(array.dtype)),
            message(0x0005, struct.pack("<BBBB", 2, 1, 0, 0)),
            message(0x0008, layout),
        ]
    )


def text_attribute(name: str, text: str) -> bytes:
    raw, key = text.encode() + b"\0", name.encode() + b"\0"
    kind, space = struct.pack("<B3BI", 0x13, 0, 0, 0, len(raw)), struct.pack("<BBB5x", 1, 0, 0)
    sizes = struct.pack("<BxHHH", 1, len(key), len(kind), len(space))
    return message(0x000C, sizes + padded(key) + padded(kind) + padded(space) + raw)


def write_hdf5(path, arrays: dict[str, np.ndarray], attributes: dict[str, str] | None = None) -> None:
    """Writes the arrays under their names, which may hold blanks."""
    names = sorted(arrays)
    assert len(names) <= MAX_ARRAYS
    heap_data, offsets = bytearray(8), {}
    for name in names:
        offsets[name] = len(heap_data)
        heap_data += padded(name.encode() + b"\0")
    notes = [text_attribute(key, text) for key, text in (attributes or {}).items()]
    place = 96
    root_at = place
    place += len(object_header([message(0x0011, bytes(16)), *notes]))
    tree_at = place
    place += 24 + (2 * INTERNAL_K + 1) * 8 + 2 * INTERNAL_K * 8
    heap_at = place
    place += 32
    heap_data_at = place
    place += len(heap_data)
    node_at = place
    place += 8 + MAX_ARRAYS * 40
    headers_at, data_at = {}, {}
    for name in names:
        headers_at[name] = place
        place += len(array_header(arrays[name], 0))
    for name in names:
        data_at[name] = place
        place += arrays[name].nbytes + (-arrays[name].nbytes % 8)
    parts = [
        b"\x89HDF\r\n\x1a\n" + struct.pack("<8B", 0, 0, 0, 0, 0, 8, 8, 0) + struct.pack("<HHI", LEAF_K, INTERNAL_K, 0),
        struct.pack("<QQQQ", 0, UNDEFINED, place, UNDEFINED),
        struct.pack("<QQIIQQ", 0, root_at, 1, 0, tree_at, heap_at),
        object_header([message(0x0011, struct.pack("<QQ", tree_at, heap_at)), *notes]),
    ]
    tree = b"TREE" + struct.pack("<BBHQQ", 0, 0, 1, UNDEFINED, UNDEFINED)
    tree += struct.pack("<QQQ", 0, node_at, offsets[names[-1]])
    parts.append(tree.ljust(heap_at - tree_at, b"\0"))
    parts.append(b"HEAP" + struct.pack("<B3xQQQ", 0, len(heap_data), 1, heap_data_at) + bytes(heap_data))
    node = b"SNOD" + struct.pack("<BxH", 1, len(names))
    node += b"".join(struct.pack("<QQII16x", offsets[name], headers_at[name], 0, 0) for name in names)
    parts.append(node.ljust(8 + MAX_ARRAYS * 40, b"\0"))
    parts += [array_header(arrays[name], data_at[name]) for name in names]
    parts += [padded(np.ascontiguousarray(arrays[name]).tobytes()) for name in names]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(parts))
