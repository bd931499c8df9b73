"""Averages of whole numbers of raster pixels, over those that hold a value.

The mean of the pixels under a larger one, as GDAL's `average`: missing pixels and those beyond the raster are left out;
integers are rounded to the nearest, halves up. Sums run over pixels in one fixed order, in integers or in 64 bits, so
that no value hangs on the window that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.cube.missing import keep_off, missing_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.cube.tile_read import RasterPart, TileReader

_WORD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrink:
    """How the pixels of a raster are taken together."""

    factor: int
    """Raster pixels along a side that become one."""

    row: int = 0
    """Row of the raster where one of the larger pixels begins; may lie beyond it."""

    col: int = 0

    def shape(self, raster: tuple[int, int]) -> tuple[int, int]:
        """Returns (height, width) of a raster shrunk from its first pixel."""
        return -(-raster[0] // self.factor), -(-raster[1] // self.factor)


def read_shrunk(
    tiles: TileReader, part: RasterPart, shrink: Shrink, rows: tuple[int, int], cols: tuple[int, int]
) -> NDArray[Any]:
    """Returns larger pixels of a raster, the fill value where none of theirs has a value.

    Args:
        tiles: Reads.
        part: The raster.
        shrink: What a larger pixel is.
        rows: First row and the one after the last, in larger pixels from `shrink.row`; may lie beyond the raster.
        cols: Likewise.

    Raises:
        RasterUnreadable: With the fault.
    """
    overview = tiles.overview(part, shrink.factor, (shrink.row, shrink.col))
    if overview is not None:
        step, part = overview
        shrink = Shrink(factor=shrink.factor // step, row=shrink.row // step, col=shrink.col // step)
    factor = shrink.factor
    top, bottom = (shrink.row + row * factor for row in rows)
    left, right = (shrink.col + col * factor for col in cols)
    inner_rows = (min(max(top, 0), part.shape[0]), max(min(bottom, part.shape[0]), 0))
    inner_cols = (min(max(left, 0), part.shape[1]), max(min(right, part.shape[1]), 0))
    whole = np.full((bottom - top, right - left), part.fill, dtype=part.dtype)
    if inner_rows[0] < inner_rows[1] and inner_cols[0] < inner_cols[1]:
        pixels = tiles.window(part, inner_rows, inner_cols)
        if pixels.shape == whole.shape:
            whole = pixels
        else:
            into = (slice(inner_rows[0] - top, inner_rows[1] - top), slice(inner_cols[0] - left, inner_cols[1] - left))
            whole[into] = pixels
    return average(whole, factor, part.fill)


def average(pixels: NDArray[Any], factor: int, fill: float) -> NDArray[Any]:
    """Returns the means of squares of pixels.

    Args:
        pixels: (y, x), whole squares.
        factor: Side of a square.
        fill: Value of pixels without one; NaN in floats.
    """
    if factor == 1:
        return pixels
    missing = missing_of(pixels, fill)
    is_whole = pixels.dtype.kind in "iu"
    kind = np.dtype(np.int64) if is_whole else np.result_type(pixels.dtype, np.float64)
    some = bool(missing.any())
    values = np.where(missing, pixels.dtype.type(0), pixels) if some else pixels
    total = _sums(values, factor, kind)
    count = factor * factor - _sums(missing, factor, np.dtype(np.int64)) if some else np.array(factor * factor)
    empty = count == 0
    means: NDArray[Any]
    count = np.maximum(count, 1)
    if is_whole:
        means = ((2 * total + count) // (2 * count)).astype(pixels.dtype)
        keep_off(means, fill)
    else:
        means = (total / count).astype(pixels.dtype)
    if empty.any():
        means[empty] = fill
    return means


def _sums(pixels: NDArray[Any], factor: int, kind: np.dtype) -> NDArray[Any]:
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    total = np.zeros((height, width), dtype=kind)
    for row in range(factor):
        for col in range(factor):
            total += pixels[row::factor, col::factor]
    return total
