"""Encodes an image as PNG without any imaging library (ISO/IEC 15948:2003, sections 5 and 9 to 11)."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
TRUECOLOUR_WITH_ALPHA: Final = 6


def encode_png(rgba: npt.NDArray[np.uint8]) -> bytes:
    """Returns the bytes of a PNG file.

    Args:
        rgba: Red, green, blue and opacity, dims (y, x, channel of 4).

    Raises:
        ValueError: Another shape or dtype.
    """
    if rgba.ndim != 3 or rgba.shape[2] != 4 or rgba.dtype != np.uint8:  # noqa: PLR2004 y, x, channel; RGBA
        raise ValueError(f"an image is uint8 (y, x, 4), got {rgba.dtype} {rgba.shape}; convert it")
    height, width, _ = rgba.shape
    header = struct.pack(">IIBBBBB", width, height, 8, TRUECOLOUR_WITH_ALPHA, 0, 0, 0)
    unfiltered = np.zeros((height, 1 + width * 4), dtype=np.uint8)  # filter type 0 before every line
    unfiltered[:, 1:] = rgba.reshape(height, width * 4)
    data = zlib.compress(unfiltered.tobytes(), level=9)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
