"""Units cover a grid exactly once, in whole chunks, along the tiles of the rasters."""

import itertools
import random

import numpy as np
import pytest

from pipelines.cube.resampling import RasterHeader
from pipelines.cube.tiling import tiling_of
from pipelines.cube.unit import RasterTiling, Unit, plan_units, smallest_blocks
from pipelines.grid import Block, TargetGrid

CASES = [
    (shape, chunk, side, tiling)
    for shape, chunk, side in itertools.product(
        [(1, 1), (7, 300), (512, 512), (513, 1025), (2000, 2000), (300, 4097)], [1, 16, 100, 512], [1, 512, 1000, 2048]
    )
    if max(shape) / chunk < 200
    for tiling in (None, RasterTiling(height=1024, width=512, row=-37, col=0), RasterTiling(height=0.5, width=33.3))
]


def random_cases(number):
    draw = random.Random(7)
    for _ in range(number):
        tiling = RasterTiling(
            height=draw.choice([16, 100, 256, 512.0, 341.3]),
            width=draw.choice([16, 256, 1024]),
            row=draw.randint(-900, 900),
            col=draw.choice([0, -512, 13.7]),
        )
        shape = draw.randint(1, 3000), draw.randint(1, 3000)
        yield shape, draw.choice([16, 64, 256, 512]), draw.randint(1, 3000), draw.choice([None, tiling])


@pytest.mark.parametrize(("shape", "chunk", "side", "tiling"), [*CASES, *random_cases(60)])
def test_units_cover_the_grid_exactly_once_in_whole_chunks(shape, chunk, side, tiling):
    units = plan_units("s2", 3, shape=shape, chunk=chunk, side=side, tiling=tiling)

    seen = np.zeros(shape, dtype=np.uint8)
    for unit in units:
        block = unit.block
        seen[block.slices] += 1
        assert block.row % chunk == block.col % chunk == 0
        assert block.row_stop % chunk == 0 or block.row_stop == shape[0]
        assert block.col_stop % chunk == 0 or block.col_stop == shape[1]
        assert max(block.height, block.width) <= max(side, chunk)
        parts = smallest_blocks(block, chunk)
        assert sum(part.height * part.width for part in parts) == block.height * block.width
        assert all(part.height <= chunk >= part.width for part in parts)
    assert (seen == 1).all()
    assert units == plan_units("s2", 3, shape=shape, chunk=chunk, side=side, tiling=tiling)
    assert sorted(units, key=lambda unit: (unit.block.row, unit.block.col)) == list(units)


def num_decoded(units, tiling):
    """Tiles decoded by all units together, each unit decoding every tile that it touches."""
    total = 0
    for unit in units:
        block = unit.block
        rows = {int((row - tiling.row) // tiling.height) for row in range(block.row, block.row_stop)}
        cols = {int((col - tiling.col) // tiling.width) for col in range(block.col, block.col_stop)}
        total += len(rows) * len(cols)
    return total


@pytest.mark.parametrize("phase", [0, 512, -512, 1024])
def test_no_tile_is_decoded_twice_where_tiles_and_chunks_agree(phase):
    tiling = RasterTiling(height=1024, width=1024, row=phase, col=phase)
    shape = (5000, 4100)

    units = plan_units("s2", 0, shape=shape, chunk=512, side=1024, tiling=tiling)

    whole = plan_units("s2", 0, shape=shape, chunk=8192, side=8192)
    assert num_decoded(units, tiling) == num_decoded(whole, tiling)
    blind = plan_units("s2", 0, shape=shape, chunk=512, side=1024)
    assert num_decoded(blind, tiling) >= num_decoded(units, tiling)


def test_cuts_are_laid_on_the_edges_of_tiles():
    tiling = RasterTiling(height=1024, width=1024, row=512, col=0)
    units = plan_units("s2", 0, shape=(3000, 2048), chunk=512, side=1024, tiling=tiling)
    assert sorted({unit.block.row for unit in units}) == [0, 512, 1536, 2560]
    assert sorted({unit.block.col for unit in units}) == [0, 1024]


@pytest.mark.parametrize("wrong", [{"shape": (0, 5)}, {"chunk": 0}, {"side": -1}])
def test_a_plan_without_pixels_is_refused(wrong):
    with pytest.raises(ValueError, match="positive"):
        plan_units("s2", 0, **{"shape": (5, 5), "chunk": 2, "side": 2, **wrong})


def test_a_unit_that_cannot_be_is_refused():
    block = Block(row=0, col=0, height=1, width=1)
    for group, date in (("", 0), ("s2", -1)):
        with pytest.raises(ValueError, match="a unit lies in a group"):
            Unit(group=group, date=date, block=block)
    with pytest.raises(ValueError, match="holds a pixel"):
        RasterTiling(height=0, width=5)


def header(epsg=32631, corner=(600000.0, 5700000.0), size=10.0, tile=(1024, 1024)):
    return RasterHeader(
        epsg=epsg,
        crs=f"EPSG:{epsg}",
        transform=(size, 0.0, corner[0], 0.0, -size, corner[1]),
        shape=(10980, 10980),
        dtype="uint16",
        nodata=0,
        tile=tile,
    )


def test_the_largest_tiles_on_the_grid_count():
    grid = TargetGrid(epsg=32631, resolution=10.0, x_min=605120.0, y_max=5689760.0, width=100, height=100)
    mask = header(size=20.0, tile=(512, 512))
    other_zone = header(epsg=32632, tile=(4096, 4096))
    found = tiling_of([header(tile=(256, 256)), mask, other_zone, header(tile=None)], grid)
    assert found == RasterTiling(height=1024, width=1024, row=-1024, col=-512)
    assert tiling_of([other_zone], grid) is None
