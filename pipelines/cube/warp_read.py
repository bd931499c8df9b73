"""Blocks of warped rasters: the bands of one geometry by one map, read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from pipelines.cube.gather import Frame, RasterWindow, frame_of, gather_bilinear, gather_nearest
from pipelines.cube.shrink import Shrink, read_shrunk
from pipelines.cube.warp_map import warp_map
from pipelines.grid import Block

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipelines.cube.raster_geometry import RasterGeometry
    from pipelines.cube.scratch import Scratch
    from pipelines.cube.tile_read import RasterPart, TileReader
    from pipelines.grid import TargetGrid

PART_SIDE: Final = 512
"""Side of the parts in which a block is warped, in pixels: what one needs stays in the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warp:
    """What the planes of one warp share."""

    geometry: RasterGeometry
    method: Literal["nearest", "bilinear"]
    shape: tuple[int, int]
    """(height, width) of the rasters."""

    shrink: int = 1
    """Raster pixels along a side that are averaged before the warp, so that a coarser grid sees all of them."""


def read_warped(
    tiles: TileReader, parts: Sequence[RasterPart], warp: Warp, *, grid: TargetGrid, block: Block, scratch: Scratch
) -> list[NDArray[Any]]:
    """Returns the pixels of a block of several rasters of one geometry.

    Args:
        tiles: Reads.
        parts: The rasters.
        warp: How they come to the grid.
        grid: The target.
        block: Part of the grid.
        scratch: Of this thread.

    Raises:
        RasterUnreadable: With the fault.
    """
    whole = [np.empty((block.height, block.width), dtype=part.dtype) for part in parts]
    the_map = warp_map(warp.geometry, grid, warp.shrink)
    shrink = Shrink(factor=warp.shrink)
    shape = shrink.shape(warp.shape)
    for piece in _pieces(block):
        into = (
            slice(piece.row - block.row, piece.row_stop - block.row),
            slice(piece.col - block.col, piece.col_stop - block.col),
        )
        over = the_map.over(piece)
        frame = frame_of(over, shape)
        outputs = [pixels[into] for pixels in whole]
        if frame is None:
            for output, part in zip(outputs, parts, strict=True):
                output[...] = part.fill
            continue
        windows = [_window(tiles, part, shrink, frame) for part in parts]
        gather = gather_bilinear if warp.method == "bilinear" else gather_nearest
        gather(over, frame, windows, scratch, outputs)
    return whole


def _window(tiles: TileReader, part: RasterPart, shrink: Shrink, frame: Frame) -> RasterWindow:
    rows = (frame.row, frame.row + frame.shape[0])
    cols = (frame.col, frame.col + frame.shape[1])
    pixels = tiles.window(part, rows, cols) if shrink.factor == 1 else read_shrunk(tiles, part, shrink, rows, cols)
    return RasterWindow(pixels=pixels, fill=part.fill)


def _pieces(block: Block) -> Iterator[Block]:
    for row in range(block.row, block.row_stop, PART_SIDE):
        for col in range(block.col, block.col_stop, PART_SIDE):
            height, width = min(PART_SIDE, block.row_stop - row), min(PART_SIDE, block.col_stop - col)
            yield Block(row=row, col=col, height=height, width=width)
