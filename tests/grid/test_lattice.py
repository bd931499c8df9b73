"""Blocks and windows: cover, no gap, one partition whatever the chunk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.grid import Block, GridError, Lattice, blocks

extents = st.integers(1, 90)


@st.composite
def lattices(draw):
    window = draw(st.integers(1, 40))
    return Lattice(height=draw(extents), width=draw(extents), window=window, stride=draw(st.integers(1, window)))


def test_rows_of_a_known_lattice():
    lattice = Lattice(height=200, width=96, window=128, stride=96)
    assert lattice.rows == (-16, 80, 176)
    assert lattice.cols == (-16,)


def test_stride_of_a_whole_window_makes_plain_tiles():
    assert Lattice(height=100, width=64, window=64, stride=64).rows == (0, 64)


@given(shape=st.tuples(extents, extents), size=st.integers(1, 100))
def test_blocks_cover_each_pixel_once(shape, size):
    count = np.zeros(shape, dtype=int)
    for block in blocks(shape, size):
        assert block.height <= size
        assert block.width <= size
        count[block.slices] += 1
    assert (count == 1).all()


@given(lattice=lattices())
@settings(max_examples=60, deadline=None)
def test_windows_cover_each_pixel_and_all_touch_the_grid(lattice):
    shape = (lattice.height, lattice.width)
    count = np.zeros(shape, dtype=int)
    for window in lattice.windows():
        count[window.inside(shape).slices] += 1
    assert (count >= 1).all()


@given(lattice=lattices())
@settings(max_examples=60, deadline=None)
def test_cores_tile_the_grid(lattice):
    margin = (lattice.window - lattice.stride) // 2
    owner = np.zeros((lattice.height, lattice.width), dtype=int)
    for window in lattice.windows():
        top, left = window.top + margin, window.left + margin
        owner[top : top + lattice.stride, left : left + lattice.stride] += 1
    assert (owner == 1).all()


@given(lattice=lattices(), other=extents)
def test_windows_hang_on_the_origin_not_on_the_extent(lattice, other):
    larger = Lattice(height=lattice.height + other, width=lattice.width, window=lattice.window, stride=lattice.stride)
    assert larger.rows[: len(lattice.rows)] == lattice.rows


@given(lattice=lattices(), size=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_groups_partition_the_windows(lattice, size):
    groups = lattice.groups(size)
    windows = [window for group in groups for window in group.windows]
    assert len(windows) == len(set(windows))
    assert set(windows) == set(lattice.windows())
    for group in groups:
        assert {(window.row // size, window.col // size) for window in group.windows} == {(group.row, group.col)}


@given(lattice=lattices(), chunk=st.integers(7, 50))
@settings(max_examples=40, deadline=None)
def test_any_chunking_meets_the_same_windows(lattice, chunk):
    met = {window for block in blocks((lattice.height, lattice.width), chunk) for window in lattice.overlapping(block)}
    assert met == set(lattice.windows())


@given(lattice=lattices(), data=st.data())
def test_overlap_agrees_with_painted_pixels(lattice, data):
    row, col = data.draw(st.integers(0, lattice.height - 1)), data.draw(st.integers(0, lattice.width - 1))
    block = Block(
        row=row,
        col=col,
        height=data.draw(st.integers(1, lattice.height - row)),
        width=data.draw(st.integers(1, lattice.width - col)),
    )
    shape = (lattice.height, lattice.width)
    painted = np.zeros(shape, dtype=bool)
    painted[block.slices] = True
    expected = [window for window in lattice.windows() if painted[window.inside(shape).slices].any()]
    assert list(lattice.overlapping(block)) == expected


@given(lattice=lattices())
@settings(max_examples=60, deadline=None)
def test_rows_said_to_be_complete_get_nothing_more(lattice):
    shape = (lattice.height, lattice.width)
    first_rows = sorted({(window.row, window.inside(shape).row) for window in lattice.windows()})
    for done in range(-1, len(lattice.rows)):
        complete = lattice.rows_complete_after(done)
        later = [top for row, top in first_rows if row > done]
        assert complete == min(later, default=lattice.height)


@pytest.mark.parametrize(
    "change",
    [{"stride": 0}, {"stride": 65}, {"height": 0}, {"width": 0}, {"window": 0}],
)
def test_impossible_lattices_are_refused(change):
    with pytest.raises(GridError):
        Lattice(**({"height": 100, "width": 100, "window": 64, "stride": 48} | change))


def test_impossible_plans_are_refused():
    lattice = Lattice(height=100, width=100, window=64, stride=48)
    with pytest.raises(GridError, match="group"):
        lattice.groups(0)
    with pytest.raises(GridError, match="window_row"):
        lattice.rows_complete_after(3)
    with pytest.raises(GridError, match="positive"):
        blocks((10, 10), 0)
    with pytest.raises(GridError, match="block"):
        Block(row=-1, col=0, height=1, width=1)
