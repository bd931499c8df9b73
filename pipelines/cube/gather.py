"""Pixels of a raster at the places of a map: nearest, or bilinear over the pixels that hold a value.

Bilinear is GDAL's: there is a value where the pixel that a place lies in has one. It is the mean of the four pixels
around the place, each weighted by its nearness; those without a value are left out and the weights of the others
divided by their sum. Integers are rounded to the nearest, halves up, and a mean that happens to be the fill value is
moved by one step. What differs from GDAL: floats of 32 bits are summed in 32 bits, not 64 (1e-7 of the value).

The strips of the map keep all working memory within a processor's cache. Each pixel goes through the same operations in
the same order whatever its block and strip, so that no value hangs on how the work is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.cube.missing import keep_off, missing_of
from pipelines.cube.warp_map import FRACTION_BITS, ONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipelines.cube.scratch import Scratch
    from pipelines.cube.warp_map import BlockMap, StripPlaces

STRIP_PX: Final = 1 << 15
"""Pixels of a strip: a dozen arrays of 4 bytes each fit a second-level cache."""

_HALF: Final = ONE // 2
_WORD: Final = 4
"""Bytes from which on numbers may not fit the 24 bits of a float32."""

_MIDDLE: Final = np.float32(0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterWindow:
    """Pixels of one raster around those that a block falls on."""

    pixels: NDArray[Any]
    """(y, x)."""

    fill: float
    """Value of pixels without one; NaN in floats."""

    def __post_init__(self) -> None:
        assert self.pixels.ndim == 2, self.pixels.shape  # noqa: PLR2004 y and x


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where the windows of one geometry lie on their rasters."""

    col: int
    """First column of the windows on the raster."""

    row: int
    shape: tuple[int, int]
    """(height, width) of the windows."""

    raster_shape: tuple[int, int]

    @property
    def padding(self) -> int:
        """Pixels without a value to lay around the windows: 1 where they reach an edge of the raster, else 0."""
        height, width = self.raster_shape
        whole = self.col > 0 and self.row > 0
        return int(not whole or self.col + self.shape[1] >= width or self.row + self.shape[0] >= height)

    def inside(self, places: StripPlaces) -> NDArray[np.bool_] | None:
        """Returns which places lie on the raster, its edges included; None where all of them do."""
        inside: NDArray[np.bool_] | None = None
        for axis, first, size in (
            (places.cols, self.col, self.raster_shape[1]),
            (places.rows, self.row, self.raster_shape[0]),
        ):
            low, high = -_HALF - first * ONE, (size - first) * ONE - _HALF
            if axis.min() >= low and axis.max() <= high:
                continue
            within = (axis >= low) & (axis <= high)
            inside = within if inside is None else inside & within
        return inside


def frame_of(block_map: BlockMap, raster_shape: tuple[int, int]) -> Frame | None:
    """Returns the smallest window of the raster that holds all pixels around the block's places; None: none does."""
    extent = block_map.extent()
    if extent is None:
        return None
    height, width = raster_shape
    left, right = max(extent[0], 0), min(extent[1] + 2, width)
    top, bottom = max(extent[2], 0), min(extent[3] + 2, height)
    # a place within half a pixel left of the first centre is on the raster, and its only pixel is the first
    if right <= left or bottom <= top or extent[1] < -1 or extent[3] < -1:
        return None
    return Frame(col=left, row=top, shape=(bottom - top, right - left), raster_shape=raster_shape)


def gather_nearest(
    block_map: BlockMap,
    frame: Frame,
    windows: Sequence[RasterWindow],
    scratch: Scratch,
    outputs: Sequence[NDArray[Any]] | None = None,
) -> Sequence[NDArray[Any]]:
    """Returns each window's pixels at the block's places, the nearest to each.

    Args:
        block_map: Where the block's pixels fall.
        frame: Where the windows lie.
        windows: One a raster.
        scratch: Working memory.
        outputs: (y, x) of the block, one a raster: where to write; new ones where None.
    """
    outputs = _new(block_map, windows) if outputs is None else outputs
    flat = [window.pixels.reshape(-1) for window in windows]
    height, width = frame.shape
    for places in block_map.strips((frame.col, frame.row), _strip_rows(block_map), scratch):
        inside = frame.inside(places)
        cols = np.clip((places.cols + _HALF) >> FRACTION_BITS, 0, width - 1)
        rows = np.clip((places.rows + _HALF) >> FRACTION_BITS, 0, height - 1)
        base = rows.astype(np.intp) * width + cols
        part = slice(places.start, places.start + len(base))
        for output, pixels, window in zip(outputs, flat, windows, strict=True):
            output[part] = pixels.take(base, mode="clip")
            if inside is not None:
                output[part][~inside] = window.fill
    return outputs


def gather_bilinear(
    block_map: BlockMap,
    frame: Frame,
    windows: Sequence[RasterWindow],
    scratch: Scratch,
    outputs: Sequence[NDArray[Any]] | None = None,
) -> Sequence[NDArray[Any]]:
    """Returns the bilinear means of each window's pixels around the block's places.

    Args:
        block_map: Where the block's pixels fall.
        frame: Where the windows lie.
        windows: One a raster.
        scratch: Working memory.
        outputs: (y, x) of the block, one a raster: where to write; new ones where None.
    """
    outputs = _new(block_map, windows) if outputs is None else outputs
    taps = [_Taps.of(window, frame, str(index), scratch) for index, window in enumerate(windows)]
    for places in block_map.strips((frame.col, frame.row), _strip_rows(block_map), scratch):
        weights = _Weights.of(places, frame, scratch)
        part = slice(places.start, places.start + len(places.cols))
        for output, tap in zip(outputs, taps, strict=True):
            tap.write(output[part], weights)
    return outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weights:
    """Which four pixels a place lies between, and how near it is to each."""

    base: NDArray[np.intp]
    """(y, x): index of the upper left pixel in a window laid out row by row."""

    pitch: int
    """Pixels in a row of the window, padding included."""

    right: NDArray[np.float32]
    left: NDArray[np.float32]
    lower: NDArray[np.float32]
    upper: NDArray[np.float32]
    scratch: Scratch

    @classmethod
    def of(cls, places: StripPlaces, frame: Frame, scratch: Scratch) -> _Weights:
        height, width = frame.shape
        pad, pitch = frame.padding, width + 2 * frame.padding
        cols, rows = places.cols, places.rows
        if pad:  # without padding every place lies between four pixels of the window
            cols = np.minimum(np.maximum(cols + ONE, 0), (width + 1) * ONE - 1)
            rows = np.minimum(np.maximum(rows + ONE, 0), (height + 1) * ONE - 1)
        shape = cols.shape
        whole = scratch.array("whole", shape, rows.dtype)
        near = {name: scratch.array(name, shape, np.float32) for name in ("right", "left", "lower", "upper")}
        for places_of, after, before in ((cols, "right", "left"), (rows, "lower", "upper")):
            np.bitwise_and(places_of, ONE - 1, out=whole)
            np.multiply(whole, np.float32(1 / ONE), out=near[after], casting="unsafe", dtype=np.float32)
            np.subtract(np.float32(1), near[after], out=near[before])
        flat = scratch.array("flat", shape, rows.dtype)
        np.right_shift(rows, FRACTION_BITS, out=flat)
        flat *= flat.dtype.type(pitch)
        np.right_shift(cols, FRACTION_BITS, out=whole)
        base = scratch.array("base", shape, np.intp)
        np.add(flat, whole, out=flat)
        base[...] = flat
        return cls(base=base, pitch=pitch, scratch=scratch, **near)

    def mean(self, flat: NDArray[Any], name: str) -> NDArray[Any]:
        """Returns the weighted sum of four neighbours, in the scratch memory of that name; flat is of floats."""
        upper, lower = self._row(flat, name), self._row(flat[self.pitch :], "lower row")
        upper *= self.upper
        lower *= self.lower
        upper += lower
        return upper

    def nearest(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Returns the pixels that the places lie in."""
        base = self.scratch.array("nearest", self.base.shape, np.intp)
        np.multiply(self.lower >= _MIDDLE, self.pitch, out=base)
        base += self.base
        base += self.right >= _MIDDLE
        found = self.scratch.array("second", self.base.shape, flat.dtype)
        flat.take(base, mode="clip", out=found)
        return found

    def _row(self, flat: NDArray[Any], name: str) -> NDArray[Any]:
        first = self.scratch.array(name, self.base.shape, flat.dtype)
        second = self.scratch.array("second", self.base.shape, flat.dtype)
        flat.take(self.base, mode="clip", out=first)
        flat[1:].take(self.base, mode="clip", out=second)
        first *= self.left
        second *= self.right
        first += second
        return first


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taps:
    """One window ready to be averaged from."""

    values: NDArray[Any]
    """Floats row by row with the frame's padding, 0 where missing."""

    present: NDArray[np.float32] | None
    """Likewise, 1 where there is a value; None where there is one everywhere."""

    fill: float
    dtype: np.dtype

    @classmethod
    def of(cls, window: RasterWindow, frame: Frame, name: str, scratch: Scratch) -> _Taps:
        pixels, fill, pad = window.pixels, window.fill, frame.padding
        # integers of 32 bits do not fit the 24 bits of a float32
        kind = np.dtype(np.float32) if pixels.dtype.itemsize < _WORD else np.result_type(pixels.dtype, np.float32)
        missing = missing_of(pixels, fill)
        height, width = pixels.shape[0] + 2 * pad, pixels.shape[1] + 2 * pad
        values = scratch.array(f"values {name}", (height, width), kind)
        inner = (slice(pad, height - pad), slice(pad, width - pad))
        values[inner] = pixels
        if not pad and not missing.any():
            return cls(values=values.reshape(-1), present=None, fill=fill, dtype=pixels.dtype)
        present = scratch.array(f"present {name}", (height, width), np.float32)
        for array in (values, present):
            array[:pad] = array[height - pad :] = 0
            array[:, :pad] = array[:, width - pad :] = 0
        values[inner][missing] = 0
        np.logical_not(missing, out=missing)
        present[inner] = missing
        return cls(values=values.reshape(-1), present=present.reshape(-1), fill=fill, dtype=pixels.dtype)

    def write(self, output: NDArray[Any], weights: _Weights) -> None:
        """Writes the means of one strip."""
        mean = weights.mean(self.values, "mean")
        if self.present is not None:
            # where all four pixels have a value their share is 1 to the last bit: fractions have 16 bits
            share = weights.mean(self.present, "share")
            lost = weights.nearest(self.present) == 0
            share[lost] = 1
            mean /= share
            mean[lost] = 0
        if self.dtype.kind in "iu":
            self._round(output, mean, weights.scratch)
        else:
            output[...] = mean
        if self.present is not None:
            output[lost] = self.fill

    def _round(self, output: NDArray[Any], mean: NDArray[Any], scratch: Scratch) -> None:
        mean += 0.5
        if self.dtype.kind == "u":  # of a number that is not negative the conversion takes the whole part
            whole = scratch.array("whole", mean.shape, np.int32)  # there is no quick way from a float to 16 bits
            whole[...] = mean
            output[...] = whole
        else:
            output[...] = np.floor(mean, out=mean)
        keep_off(output, self.fill)


def _new(block_map: BlockMap, windows: Sequence[RasterWindow]) -> list[NDArray[Any]]:
    shape = (block_map.block.height, block_map.block.width)
    return [np.empty(shape, dtype=window.pixels.dtype) for window in windows]


def _strip_rows(block_map: BlockMap) -> int:
    return max(1, STRIP_PX // block_map.block.width)
