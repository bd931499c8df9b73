"""Where the pixels of a grid fall on a raster: exact at control points, in between by interpolation.

Control points stand every few pixels of the grid, from its first pixel on, whatever block is asked for; each is exact
(PROJ) and kept in steps of 1/65536 of a raster pixel. All further arithmetic is in integers, so that a pixel falls on
the same place to the last bit in whatever block it is read. One map serves all bands and dates of a geometry.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.cube.scratch import Scratch
from pipelines.grid import Block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.cube.raster_geometry import Places, RasterGeometry
    from pipelines.grid import TargetGrid

FRACTION_BITS: Final = 16
ONE: Final = 1 << FRACTION_BITS
"""A pixel of the raster in the map's steps."""

_HALF: Final = ONE >> 1
_STEPS_PX: Final = (16, 8, 4, 2, 1)
"""Distances of control points, in pixels of the grid; the first that is close enough is taken."""

_TOLERANCE_PX: Final = 1 / 512
"""Of a raster pixel: how far interpolation may err halfway between control points."""

_SAMPLES: Final = 9
"""Cells along either axis that decide on the distance of the control points, spread over the grid."""

_TORN: Final = 4.0
"""A cell that is wider on the raster than so many times the usual one is torn, by an antimeridian or a pole."""

NOWHERE: Final = -(1 << 30)
"""Of places without a counterpart on the raster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StripPlaces:
    """Places of some rows of a block on the raster."""

    cols: NDArray[np.signedinteger]
    """(y, x) in steps of 1/65536, pixel centres at whole pixels, from the first column asked for; 32 bits if enough."""

    rows: NDArray[np.signedinteger]
    """(y, x), likewise from its first row."""

    start: int
    """First row within the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockMap:
    """The map over one block: control points interpolated along x, still to be interpolated along y."""

    block: Block
    step_px: int
    cols: NDArray[np.int64]
    """(control rows, width) in steps of 1/65536 of a raster pixel, pixel centres at whole pixels."""

    rows: NDArray[np.int64]
    exact: tuple[tuple[Block, NDArray[np.int64], NDArray[np.int64]], ...]
    """Torn cells with the columns and rows of their pixels."""

    def extent(self) -> tuple[int, int, int, int] | None:
        """Returns first and last column and row (col, col, row, row) that the pixels lie on or right of; None: none do.

        In whole raster pixels, rounded down.
        """
        if self.exact:
            whole = self.strips((0, 0), self.block.height + self.step_px, Scratch())
            strips = [(strip.cols, strip.rows) for strip in whole]
        else:
            # within a cell places are bilinear, so that the extremes lie at its corners or where the block cuts it
            strips = [(self._edges(self.cols), self._edges(self.rows))]
        found: list[int] = []
        for axis in (0, 1):
            known = [pair[axis][pair[0] > NOWHERE] for pair in strips]
            if not any(part.size for part in known):
                return None
            found += [int(min(part.min() for part in known if part.size)) >> FRACTION_BITS]
            found += [int(max(part.max() for part in known if part.size)) >> FRACTION_BITS]
        return found[0], found[1], found[2], found[3]

    def _edges(self, points: NDArray[np.int64]) -> NDArray[np.int64]:
        first = self.block.row % self.step_px
        last = (self.block.row_stop - 1) % self.step_px
        head = _between(points[:2], self.step_px, Scratch(), "")[first]
        tail = _between(points[-2:], self.step_px, Scratch(), "")[last]
        return np.vstack([head, points[1:-1], tail])

    def strips(self, origin: tuple[int, int], num_rows: int, scratch: Scratch) -> Iterator[StripPlaces]:
        """Yields the places row by row, a few rows at a time so that they stay in the cache; each until the next.

        Args:
            origin: Column and row of the raster that places are counted from.
            num_rows: Rows of a strip; rounded to whole cells.
            scratch: Holds the places.
        """
        cells = max(1, num_rows // self.step_px)
        first = self.block.row // self.step_px
        cols, rows = (_shifted(part, origin[axis]) for axis, part in enumerate((self.cols, self.rows)))
        for top in range(0, len(cols) - 1, cells):
            start = max((first + top) * self.step_px - self.block.row, 0)
            stop = min((first + top + cells) * self.step_px - self.block.row, self.block.height)
            skip = self.block.row + start - (first + top) * self.step_px
            part = [
                _between(points[top : top + cells + 1], self.step_px, scratch, name)[skip : skip + stop - start]
                for name, points in (("cols", cols), ("rows", rows))
            ]
            self._mend(part[0], part[1], start, origin)
            yield StripPlaces(cols=part[0], rows=part[1], start=start)

    def _mend(
        self, cols: NDArray[np.signedinteger], rows: NDArray[np.signedinteger], start: int, origin: tuple[int, int]
    ) -> None:
        for cell, exact_cols, exact_rows in self.exact:
            top, bottom = max(cell.row - start, 0), min(cell.row_stop - start, len(cols))
            if top >= bottom:
                continue
            part = slice(top + start - cell.row, bottom + start - cell.row)
            for places, exact, first in ((cols, exact_cols, origin[0]), (rows, exact_rows, origin[1])):
                limit = 1 << (8 * places.itemsize - 2)
                near = np.clip(exact[part] - first * ONE, -limit, limit)
                places[top:bottom, cell.col : cell.col_stop] = near


@dataclass(frozen=True, slots=True, kw_only=True)
class WarpMap:
    """The map of one geometry over one grid."""

    geometry: RasterGeometry
    grid: TargetGrid
    shrink: int = 1
    """Raster pixels along a side that were averaged into one before the warp."""

    step_px: int = 1
    """Distance of the control points in pixels of the grid."""

    widest_px: float = np.inf
    """Extent of a cell on the raster, in its pixels, beyond which it counts as torn."""

    def over(self, block: Block) -> BlockMap:
        """Returns the map over a block."""
        step = self.step_px
        top, left = block.row // step, block.col // step
        bottom, right = -(-block.row_stop // step), -(-block.col_stop // step)
        cols, rows = (_control_points(self, axis, (top, bottom), (left, right)) for axis in (0, 1))
        torn = self._torn(cols, rows)
        cell_of = np.arange(block.col, block.col_stop) // step - left
        weight = (np.arange(block.col, block.col_stop) % step).astype(np.int64)
        exact = [self._exact(block, top + row, left + col) for row, col in np.argwhere(torn)]
        plain = [np.where(axis == _UNKNOWN, NOWHERE, axis) for axis in (cols, rows)]
        return BlockMap(
            block=block,
            step_px=step,
            cols=_along_x(plain[0], cell_of, weight, step),
            rows=_along_x(plain[1], cell_of, weight, step),
            exact=tuple(exact),
        )

    def places(self, rows: NDArray[Any], cols: NDArray[Any]) -> tuple[Places, Places]:
        """Returns exact columns and rows on the raster of pixels of the grid, pixel centres at whole pixels."""
        size = self.grid.resolution
        x: Places = self.grid.x_min + (cols + 0.5) * size
        y: Places = self.grid.y_max - (rows + 0.5) * size
        col, row = self.geometry.pixel_of(x, y)
        return col / self.shrink - 0.5, row / self.shrink - 0.5

    def _torn(self, cols: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        corners = [_corners(axis) for axis in (cols, rows)]
        unknown = np.logical_or.reduce([(corner == _UNKNOWN).any(axis=0) for corner in corners])
        spans = [corner.max(axis=0) - corner.min(axis=0) for corner in corners]
        torn: NDArray[np.bool_] = unknown | (np.maximum(*spans) > self.widest_px * ONE)
        return torn

    def _exact(self, block: Block, cell_row: int, cell_col: int) -> tuple[Block, NDArray[np.int64], NDArray[np.int64]]:
        """Returns the pixels of a torn cell within the block, counted from the block, with their exact places."""
        step = self.step_px
        top, left = max(cell_row * step, block.row), max(cell_col * step, block.col)
        bottom, right = min((cell_row + 1) * step, block.row_stop), min((cell_col + 1) * step, block.col_stop)
        rows, cols = np.meshgrid(np.arange(top, bottom), np.arange(left, right), indexing="ij")
        col, row = (_fixed(axis) for axis in self.places(rows, cols))
        nowhere = (col == _UNKNOWN) | (row == _UNKNOWN)
        cell = Block(row=top - block.row, col=left - block.col, height=bottom - top, width=right - left)
        return cell, np.where(nowhere, NOWHERE, col), np.where(nowhere, NOWHERE, row)


@functools.lru_cache(maxsize=256)
def warp_map(geometry: RasterGeometry, grid: TargetGrid, shrink: int = 1) -> WarpMap:
    """Returns the map of a geometry over a grid, its control points as close as the geometry needs them.

    The distance is decided on the whole grid, never on a block: the widest of 16, 8, 4 and 2 pixels at which the middle
    of each of 9 x 9 cells is met to 1/512 of a raster pixel, else every pixel is exact.

    Args:
        geometry: Of the raster; any object with `pixel_of` that can be hashed.
        grid: The target.
        shrink: Raster pixels along a side that are averaged before the warp.
    """
    exact = WarpMap(geometry=geometry, grid=grid, shrink=shrink)
    for step in _STEPS_PX:
        error, span = _sampled(exact, step)
        if error <= _TOLERANCE_PX or step == 1:
            return WarpMap(geometry=geometry, grid=grid, shrink=shrink, step_px=step, widest_px=_TORN * span)
    raise AssertionError(_STEPS_PX)


def _sampled(warp: WarpMap, step: int) -> tuple[float, float]:
    """Returns the largest error in the middle of the sampled cells, and the usual extent of a cell on the raster."""
    height, width = warp.grid.shape
    tops = np.unique(np.linspace(0, max(height - step, 0), _SAMPLES).astype(np.int64))
    lefts = np.unique(np.linspace(0, max(width - step, 0), _SAMPLES).astype(np.int64))
    rows, cols = np.meshgrid(tops, lefts, indexing="ij")
    corners = np.stack([np.stack(warp.places(rows + i, cols + j)) for i in (0, step) for j in (0, step)])
    middle = np.stack(warp.places(rows + step / 2, cols + step / 2))
    corners[~np.isfinite(corners)] = middle[~np.isfinite(middle)] = np.nan
    spans = np.ptp(corners, axis=0).max(axis=0)
    known = np.isfinite(spans)
    if not known.any():
        return 0.0, np.inf
    usual = float(np.median(spans[known]))
    whole = known & (spans <= _TORN * max(usual, 1.0))
    error = np.abs(corners.mean(axis=0) - middle).max(axis=0)
    return float(error[whole].max(initial=0.0)), max(usual, 1.0)


_UNKNOWN: Final = np.iinfo(np.int64).min
"""Of control points where the geometry has no place."""

_PATCH: Final = 64
"""Control points along a side that are made and kept together."""


def _control_points(warp: WarpMap, axis: int, rows: tuple[int, int], cols: tuple[int, int]) -> NDArray[np.int64]:
    """Returns columns (axis 0) or rows (axis 1) on the raster of control points; first and last are inclusive."""
    size = _PATCH
    lines = [
        np.hstack([_patch(warp, i, j)[axis] for j in range(cols[0] // size, cols[1] // size + 1)])
        for i in range(rows[0] // size, rows[1] // size + 1)
    ]
    top, left = rows[0] // size * size, cols[0] // size * size
    whole: NDArray[np.int64] = np.vstack(lines)[rows[0] - top : rows[1] - top + 1, cols[0] - left : cols[1] - left + 1]
    return whole


@functools.lru_cache(maxsize=512)
def _patch(warp: WarpMap, row: int, col: int) -> NDArray[np.int64]:
    """Returns columns and rows on the raster of one patch of control points, dims (2, row, col); at most 32 MB stay."""
    places = np.arange(_PATCH) * warp.step_px
    offset = _PATCH * warp.step_px
    rows, cols = np.meshgrid(places + row * offset, places + col * offset, indexing="ij")
    points = np.stack([_fixed(axis) for axis in warp.places(rows, cols)])
    points[:, (points == _UNKNOWN).any(axis=0)] = _UNKNOWN
    points.flags.writeable = False
    return points


def _fixed(places: Places) -> NDArray[np.int64]:
    known = np.isfinite(places) & (np.abs(places) < float(1 << 40))
    return np.where(known, np.rint(np.where(known, places, 0.0) * ONE).astype(np.int64), _UNKNOWN)


def _corners(axis: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([axis[:-1, :-1], axis[:-1, 1:], axis[1:, :-1], axis[1:, 1:]])


def _along_x(
    points: NDArray[np.int64], cell_of: NDArray[np.signedinteger], weight: NDArray[np.int64], step: int
) -> NDArray[np.int64]:
    left = points[:, cell_of]
    return left + ((points[:, cell_of + 1] - left) * weight) // step


def _between(points: NDArray[np.signedinteger], step: int, scratch: Scratch, name: str) -> NDArray[np.signedinteger]:
    """Interpolates along y; (control rows, width) to ((control rows - 1) * step, width)."""
    weight = np.arange(step, dtype=points.dtype)[:, None]
    places = scratch.array(name, (len(points) - 1, step, points.shape[1]), points.dtype)
    np.multiply((points[1:] - points[:-1])[:, None, :], weight, out=places)
    places >>= step.bit_length() - 1  # a step is a power of two
    places += points[:-1, None, :]
    return places.reshape(-1, points.shape[1])


def _shifted(points: NDArray[np.int64], first: int) -> NDArray[np.signedinteger]:
    """Counts places from a raster pixel, in 32 bits where they and their products fit."""
    near = points - first * ONE
    largest = max(int(np.abs(near).max(initial=0)), int(np.abs(np.diff(near, axis=0)).max(initial=0)) * _STEPS_PX[0])
    return near.astype(np.int32) if largest < -NOWHERE else near
