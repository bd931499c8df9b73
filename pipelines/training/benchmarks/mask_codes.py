"""Masks from what a set stores for a class: a number or a colour. A value that stands for no class is an error."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.raster import check_shape, read_raster
from pipelines.training.benchmarks.sample import IGNORE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Colour = tuple[int, int, int]

UNKNOWN: Final = 254
"""Entry of a lookup table for what stands for no class; sets have fewer classes."""

NUM_COLOURS: Final = 2**24
NUM_SHOWN: Final = 5


def read_code_mask(path: Path, table: Mapping[int, int]) -> NDArray[np.int64]:
    """The mask of a file of one band of codes.

    Raises:
        SampleError: The file is missing or damaged, has several bands, or holds a code outside the table.
    """
    codes: NDArray[Any] = check_shape(read_raster(path), path, bands=1)[0]
    return mask_of_codes(codes, path, table)


def read_grey(path: Path) -> NDArray[Any]:
    """The one layer, (y, x), of a grey picture that is stored once, or in three equal layers and opacity.

    Raises:
        SampleError: The file is missing or damaged, or its layers differ.
    """
    layers = read_raster(path)[:3]
    if len(layers) not in {1, 3} or not (layers == layers[:1]).all():
        raise SampleError(path, f"must be grey, has {len(layers)} layers that differ", "get the file again")
    grey: NDArray[Any] = layers[0]
    return grey


def mask_of_codes(codes: NDArray[Any], path: Path, table: Mapping[int, int]) -> NDArray[np.int64]:
    """Indices of classes, (y, x), of stored codes; floating codes must be whole numbers.

    Raises:
        SampleError: A code stands for no class.
    """
    whole = codes if codes.dtype.kind in "iu" else _whole(codes, path)
    low, high = min(table), max(table)
    lookup = np.full(high - low + 1, UNKNOWN, np.uint8)
    for code, index in table.items():
        lookup[code - low] = index
    outside = (whole < low) | (whole > high)
    mask = lookup[np.where(outside, 0, whole.astype(np.int64) - low)]  # in 64 bits: unsigned codes know no -1
    mask[outside] = UNKNOWN
    wrong = mask == UNKNOWN
    if wrong.any():
        found = np.unique(whole[wrong])[:NUM_SHOWN].tolist()
        raise SampleError(path, f"labels must be among {sorted(table)}, got {found}", "get the label file again")
    indices: NDArray[np.int64] = mask.astype(np.int64)
    return indices


def read_colour_mask(path: Path, table: Mapping[Colour, int], *, tolerated: float = 0.0) -> NDArray[np.int64]:
    """The mask of a file of red, green and blue.

    Args:
        path: The label image.
        table: Index of the class of each colour, IGNORE for colours that must not count.
        tolerated: Share of pixels, 0 to 1, that may have a colour of no class; they become IGNORE.

    Raises:
        SampleError: The file is missing, damaged, not of three bands of 8 bits, or holds more colours than the table.
    """
    colours = check_shape(read_raster(path), path, bands=3)
    if colours.dtype != np.uint8:
        raise SampleError(path, f"colours must be uint8, got {colours.dtype}", "check that the file is the set's")
    packed = _packed(colours)
    mask = _colour_lookup(tuple(sorted(table.items())))[packed]
    wrong = mask == UNKNOWN
    share = float(wrong.mean()) if wrong.size else 0.0
    if share > tolerated:
        found = [_unpacked(value) for value in np.unique(packed[wrong])[:NUM_SHOWN].tolist()]
        raise SampleError(
            path,
            f"colours of labels must be among {sorted(table)}, got {found} at {share:.2%} of pixels",
            "get the label file again, not a resampled or lossy copy",
        )
    mask[wrong] = IGNORE
    indices: NDArray[np.int64] = mask.astype(np.int64)
    return indices


def _whole(codes: NDArray[Any], path: Path) -> NDArray[np.int64]:
    if not np.isfinite(codes).all() or not np.array_equal(codes, np.round(codes)):
        raise SampleError(path, "labels must be whole numbers, got fractions or NaN", "get the label file again")
    return codes.astype(np.int64)


def _packed(colours: NDArray[np.uint8]) -> NDArray[np.int32]:
    packed: NDArray[np.int32] = colours[0].astype(np.int32)
    for band in colours[1:]:  # in place: a tile of Potsdam has 36 million pixels
        packed <<= 8
        packed |= band
    return packed


def _unpacked(value: int) -> Colour:
    return value >> 16, value >> 8 & 255, value & 255


@lru_cache(maxsize=4)
def _colour_lookup(table: tuple[tuple[Colour, int], ...]) -> NDArray[np.uint8]:
    """16 MB, kept for the few tables in use: a look at 24 bits beats sorting the pixels of each image."""
    lookup = np.full(NUM_COLOURS, UNKNOWN, np.uint8)
    for (red, green, blue), index in table:
        lookup[red << 16 | green << 8 | blue] = index
    return lookup
