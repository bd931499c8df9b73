"""Windows of rasters by whole tiles: each tile is decoded once for all the blocks that need a part of it.

A raster is read in cells: its own inner tiles, or as many of them as reach 512 pixels where they are smaller or are
strips. A window that consists of whole cells is read straight. Of any other the cells are decoded one by one and kept
for the neighbouring windows, up to a bound; two threads that need the same cell wait for one decode.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections import OrderedDict, defaultdict
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rasterio.enums import MaskFlags
from rasterio.windows import Window

from pipelines.cube.overview import Overview, choose_overviews, is_proved, proof_parts, uneven_averages
from pipelines.cube.raster_file import HeldRaster, RasterUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import rasterio
    from numpy.typing import NDArray

CELL_PX: Final = 512
KEPT_BYTES: Final = 48 << 20
"""Of one scene: two rows of tiles of four bands over 4,096 pixels of 16 bits, with the next one begun."""

IDLE_FILES: Final = 32
"""Of one scene: a file for each of its bands and a few threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterPart:
    """One raster, or one overview of it, and how its values are read."""

    href: str
    shape: tuple[int, int]
    """(height, width) in pixels, of the overview where there is one."""

    dtype: np.dtype
    fill: float
    """Value to give to pixels without one; NaN in floats."""

    nodata: tuple[float, ...] = ()
    """Other values that the file holds there, as the file and the item say."""

    overview: int | None = None


class OpenFiles:
    """Files that stay open between reads; each is lent to one thread at a time."""

    def __init__(self, most_idle: int = IDLE_FILES) -> None:
        self._most_idle = most_idle
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, tuple[tuple[str, int | None], HeldRaster]] = OrderedDict()

    @contextlib.contextmanager
    def lend(self, part: RasterPart) -> Iterator[rasterio.DatasetReader]:
        """Lends an open raster; one that met a fault is closed and not lent again.

        Raises:
            RasterUnreadable: With the fault.
        """
        key = (part.href, part.overview)
        held = self._taken(key) or HeldRaster(part.href, overview=part.overview)
        try:
            with held.reading() as raster:
                yield raster
        except BaseException:
            held.close()
            raise
        self._give_back(key, held)

    def _taken(self, key: tuple[str, int | None]) -> HeldRaster | None:
        with self._lock:
            found = next((number for number in reversed(self._idle) if self._idle[number][0] == key), None)
            return None if found is None else self._idle.pop(found)[1]

    def _give_back(self, key: tuple[str, int | None], held: HeldRaster) -> None:
        closed = []
        with self._lock:
            self._idle[id(held)] = (key, held)
            while len(self._idle) > self._most_idle:
                closed.append(self._idle.popitem(last=False)[1][1])
        for old in closed:
            old.close()


@dataclass(slots=True)
class _Cells:
    """Decoded cells, the longest unused dropped first."""

    most_bytes: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    held: OrderedDict[tuple[object, ...], Future[NDArray[Any]]] = field(default_factory=OrderedDict)
    size: int = 0


class TileReader:
    """Reads windows of the rasters of one scene from any thread.

    It can be sent to another process; open files and kept tiles stay behind.
    """

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._files = OpenFiles()
        self._cells = _Cells(most_bytes)
        self._proving = threading.Lock()
        self._proved: dict[tuple[str, int], bool] = {}
        self._shapes: dict[tuple[str, int | None], tuple[int, int]] = {}
        self.num_decoded: defaultdict[str, int] = defaultdict(int)
        """Pixels decoded of each file; a measure, exact only where one thread reads."""

    def __getstate__(self) -> dict[str, int]:
        return {"most_bytes": self._most_bytes}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__init__(state["most_bytes"])  # type: ignore[misc]

    def window(self, part: RasterPart, rows: tuple[int, int], cols: tuple[int, int]) -> NDArray[Any]:
        """Returns pixels of a raster with the fill value where it has none; not to be written to.

        Args:
            part: The raster.
            rows: First row and the row after the last, within the raster.
            cols: Likewise.

        Raises:
            RasterUnreadable: With the fault.
        """
        cell = self._cell_shape(part)
        top, left = rows[0] // cell[0], cols[0] // cell[1]
        bottom, right = -(-rows[1] // cell[0]), -(-cols[1] // cell[1])
        outer = _clipped((top * cell[0], bottom * cell[0]), (left * cell[1], right * cell[1]), part.shape)
        if outer == (rows, cols):
            return self._decode(part, rows, cols)
        try:
            return self._assembled(part, rows, cols, cell)
        except RasterUnreadable as error:
            if error.fault != "damaged":
                raise
        # the damage may lie in another part of a cell
        return self._decode(part, rows, cols)

    def _assembled(
        self, part: RasterPart, rows: tuple[int, int], cols: tuple[int, int], cell: tuple[int, int]
    ) -> NDArray[Any]:
        top, left = rows[0] // cell[0], cols[0] // cell[1]
        bottom, right = -(-rows[1] // cell[0]), -(-cols[1] // cell[1])
        found = np.empty((rows[1] - rows[0], cols[1] - cols[0]), dtype=part.dtype)
        for i in range(top, bottom):
            for j in range(left, right):
                place = _clipped((i * cell[0], (i + 1) * cell[0]), (j * cell[1], (j + 1) * cell[1]), part.shape)
                into, take = zip(*map(_overlap, (rows, cols), place), strict=True)
                found[into] = self._cell(part, *place)[take]
        return found

    def overview(self, part: RasterPart, shrink: int, corner: tuple[int, int]) -> tuple[int, RasterPart] | None:
        """Returns an overview that stands for averages of a raster, with its factor; None where there is none.

        Args:
            part: The raster.
            shrink: Pixels of the raster along a side that are to be averaged.
            corner: Row and column of the raster where one of these squares begins.

        Raises:
            RasterUnreadable: With the fault.
        """
        if shrink == 1 or part.dtype.kind == "c":
            return None
        with self._files.lend(part) as raster:
            factors = raster.overviews(1)
        for overview in choose_overviews(factors, shrink):
            if (
                corner[0] % overview.factor == 0
                and corner[1] % overview.factor == 0
                and self._is_proved(part, overview)
            ):
                return overview.factor, _overview_part(part, overview)
        return None

    def _is_proved(self, part: RasterPart, overview: Overview) -> bool:
        with self._proving:
            key = (part.href, overview.index)
            if key not in self._proved:
                self._proved[key] = is_proved(list(self._compared(part, overview)))
            return self._proved[key]

    def _compared(self, part: RasterPart, overview: Overview) -> Iterator[int]:
        small, factor = _overview_part(part, overview), overview.factor
        for rows, cols in zip(*(proof_parts(length, factor) for length in part.shape), strict=True):
            if rows[0] >= rows[1] or cols[0] >= cols[1]:
                continue
            own = [(start * factor, stop * factor) for start, stop in (rows, cols)]
            full = self.window(part, own[0], own[1])
            yield uneven_averages(full, self.window(small, rows, cols), factor, part.fill)

    def _cell_shape(self, part: RasterPart) -> tuple[int, int]:
        found = self._shapes.get((part.href, part.overview))
        if found is None:
            with self._files.lend(part) as raster:
                height, width = raster.block_shapes[0]
            found = (-(-CELL_PX // height) * height, -(-CELL_PX // width) * width)
            self._shapes[part.href, part.overview] = found
        return found

    def _cell(self, part: RasterPart, rows: tuple[int, int], cols: tuple[int, int]) -> NDArray[Any]:
        key = (part.href, part.overview, rows[0], cols[0])
        cells = self._cells
        with cells.lock:
            future = cells.held.get(key)
            mine = future is None
            if future is None:
                future = cells.held[key] = Future()
            else:
                cells.held.move_to_end(key)
        if not mine:
            return future.result()
        try:
            pixels = self._decode(part, rows, cols)
        except BaseException as error:
            with cells.lock:
                cells.held.pop(key, None)
            future.set_exception(error)
            raise
        future.set_result(pixels)
        with cells.lock:
            cells.size += pixels.nbytes
            self._drop()
        return pixels

    def _drop(self) -> None:
        """Drops cells until the bound is kept; those still being decoded stay."""
        cells = self._cells
        for key in list(cells.held):
            if cells.size <= cells.most_bytes:
                return
            if cells.held[key].done():
                cells.size -= cells.held.pop(key).result().nbytes

    def _decode(self, part: RasterPart, rows: tuple[int, int], cols: tuple[int, int]) -> NDArray[Any]:
        window = Window.from_slices(rows, cols)
        with self._files.lend(part) as raster:
            self.num_decoded[part.href] += (rows[1] - rows[0]) * (cols[1] - cols[0])
            pixels: NDArray[Any] = raster.read(1, window=window, out_dtype=part.dtype)
            flags = raster.mask_flag_enums[0]
            if MaskFlags.per_dataset in flags or MaskFlags.alpha in flags:
                pixels[raster.read_masks(1, window=window) == 0] = part.fill
        _fill(pixels, part)
        return pixels


def _overview_part(part: RasterPart, overview: Overview) -> RasterPart:
    height, width = (-(-length // overview.factor) for length in part.shape)
    return dataclasses.replace(part, shape=(height, width), overview=overview.index)


def _fill(pixels: NDArray[Any], part: RasterPart) -> None:
    """Gives the fill value to pixels that hold another value for nothing."""
    for nodata in part.nodata:
        pixels[pixels == pixels.dtype.type(nodata)] = part.fill


def _clipped(
    rows: tuple[int, int], cols: tuple[int, int], shape: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    return (rows[0], min(rows[1], shape[0])), (cols[0], min(cols[1], shape[1]))


def _overlap(wanted: tuple[int, int], held: tuple[int, int]) -> tuple[slice, slice]:
    """Returns where the common part of two ranges lies in either."""
    start, stop = max(wanted[0], held[0]), min(wanted[1], held[1])
    return slice(start - wanted[0], stop - wanted[0]), slice(start - held[0], stop - held[0])
