"""Planted shifts are found, and what cannot be told is said to be so."""

import numpy as np
import pytest
from scipy import ndimage

from pipelines.physics.shift import ShiftOptions, measure_shift

SIZE = 320


def landscape(seed, *, rows=0.0, cols=0.0, size=SIZE):
    """Fields of blobs whose places are known exactly: moving them needs no interpolation."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size].astype(np.float64)
    image = np.zeros((size, size))
    for _ in range(500):
        centre, radius = rng.uniform(-20, size + 20, 2), rng.uniform(2, 8)
        squared = (y - centre[0] - rows) ** 2 + (x - centre[1] - cols) ** 2
        image += rng.uniform(-1, 1) * np.exp(-squared / (2 * radius**2))
    return image.astype(np.float32)


@pytest.mark.parametrize(("rows", "cols"), [(0.0, 0.0), (0.5, -0.25), (-1.7, 2.3), (3.1, 0.0)])
def test_a_planted_shift_is_found(rows, cols):
    found = measure_shift(landscape(1), landscape(1, rows=rows, cols=cols))
    assert found.is_measured
    assert found.rows_px == pytest.approx(rows, abs=0.02)
    assert found.cols_px == pytest.approx(cols, abs=0.02)
    assert found.num_windows == 16


def test_noise_gain_and_haze_do_not_move_the_ground():
    noise = np.random.default_rng(5).normal(0, 0.1, (SIZE, SIZE)).astype(np.float32)
    found = measure_shift(landscape(2), 0.7 * landscape(2, rows=0.8, cols=-0.6) + 0.3 + noise)
    assert (found.rows_px, found.cols_px) == pytest.approx((0.8, -0.6), abs=0.05)


def test_clouds_are_left_out():
    reference, image = landscape(3), landscape(3, rows=-0.4, cols=1.2)
    clouds = ndimage.gaussian_filter(np.random.default_rng(8).normal(size=(SIZE, SIZE)), 12)
    image[clouds > np.quantile(clouds, 0.85)] = np.nan
    found = measure_shift(reference, image, ShiftOptions(min_usable=0.5))
    assert (found.rows_px, found.cols_px) == pytest.approx((-0.4, 1.2), abs=0.03)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.full((SIZE, SIZE), np.nan, np.float32), "0 were"),
        (np.full((SIZE, SIZE), 0.3, np.float32), "0 were"),
        (landscape(99), "windows must"),
    ],
    ids=["nothing", "flat", "another place"],
)
def test_what_cannot_be_told_is_said(image, says):
    found = measure_shift(landscape(1), image)
    assert not found.is_measured
    assert np.isnan(found.rows_px)
    assert says in found.problem


@pytest.mark.parametrize("size", [64, 100, 150])
def test_a_small_grid_holds_enough_windows_to_agree(size):
    small = measure_shift(landscape(4, size=size), landscape(4, rows=1.0, cols=-0.5, size=size))
    assert small.num_windows >= 3
    assert (small.rows_px, small.cols_px) == pytest.approx((1.0, -0.5), abs=0.03)


def test_a_grid_without_room_for_several_windows_decides_nothing():
    tiny = measure_shift(landscape(4, size=24), landscape(4, rows=1.0, size=24))
    assert "at least 3 windows must be usable" in tiny.problem


def test_two_grids_are_refused():
    with pytest.raises(ValueError, match=r"one \(y, x\) grid"):
        measure_shift(np.zeros((4, 4), np.float32), np.zeros((4, 5), np.float32))
