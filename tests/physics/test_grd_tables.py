"""Tables of Sentinel-1 annotations: bilinear as an independent interpolator has it, and holes that stay holes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from pipelines.physics.grd_tables import AzimuthNoise, LineTable, NoiseTable, without_zeros


def table(lines, pixels, values):
    return LineTable(
        lines=np.array(lines),
        pixels=tuple(np.array(pixels) for _ in lines),
        values=tuple(np.asarray(row, float) for row in values),
    )


def box(lines, pixels, nodes, values):
    return AzimuthNoise(
        first_line=lines[0],
        last_line=lines[1],
        first_pixel=pixels[0],
        last_pixel=pixels[1],
        lines=np.array(nodes),
        values=np.array(values),
    )


def test_bilinear_as_scipy_has_it():
    rng = np.random.default_rng(0)
    lines, pixels = np.array([-30, 0, 70, 75, 200]), np.array([0, 40, 80, 300])
    values = rng.uniform(1, 9, (5, 4))
    at = np.arange(0, 190, 7), np.arange(0, 301, 11)
    theirs = RegularGridInterpolator((lines, pixels), values)(np.stack(np.meshgrid(*at, indexing="ij"), axis=-1))
    np.testing.assert_allclose(table(lines, pixels, values).at(*at), theirs, rtol=1e-12)


def test_any_part_of_the_image_is_the_same_to_the_last_bit():
    rng = np.random.default_rng(1)
    made = table([0, 100, 250], [0, 50, 120, 260], rng.uniform(1, 9, (3, 4)))
    whole = made.at(np.arange(251), np.arange(261))
    np.testing.assert_array_equal(made.at(np.arange(93, 204), np.arange(17, 241)), whole[93:204, 17:241])


def test_vectors_may_hold_different_pixels():
    made = LineTable(
        lines=np.array([0, 10]),
        pixels=(np.array([0, 100]), np.array([0, 50, 100])),
        values=(np.array([1.0, 2.0]), np.array([3.0, 9.0, 3.0])),
    )
    assert made.at(np.array([5]), np.array([50]))[0, 0] == pytest.approx((1.5 + 9.0) / 2)


def test_beyond_the_table_its_edge_holds():
    made = table([10, 20], [5, 15], [[1, 2], [3, 4]])
    assert made.at(np.array([0, 99]), np.array([0, 99])).tolist() == [[1, 2], [3, 4]]
    single = table([10], [5], [[7]])
    assert single.at(np.array([0, 99]), np.array([0, 99])).tolist() == [[7, 7], [7, 7]]


def test_zero_is_missing_and_nothing_is_interpolated_across_it():
    values = np.full((3, 4), 2.0)
    values[1, 1] = 0.0
    made = table([0, 10, 20], [0, 10, 20, 30], without_zeros(values.ravel()).reshape(3, 4))
    found = made.at(np.arange(21), np.arange(31))
    missing = np.isnan(found)
    # every place that leans on the missing node, and none that does not
    lines, pixels = np.mgrid[0:21, 0:31]
    np.testing.assert_array_equal(missing, (abs(lines - 10) < 10) & (abs(pixels - 10) < 10))
    assert (found[~missing] == 2.0).all()


def test_noise_is_range_times_azimuth_within_each_box():
    range_ = table([0, 30], [0, 40], [[100, 200], [100, 200]])
    boxes = box((0, 30), (0, 19), [0, 30], [1.0, 3.0]), box((0, 30), (20, 40), [15], [0.5])
    noise = NoiseTable(range_=range_, azimuth=boxes).at(np.array([0, 15, 30]), np.array([0, 19, 20, 40]))
    np.testing.assert_allclose(noise, [[100, 147.5, 75, 100], [200, 295, 75, 100], [300, 442.5, 75, 100]])


def test_noise_outside_every_box_is_missing_and_old_noise_has_none():
    range_ = table([0, 30], [0, 40], [[100, 200], [100, 200]])
    one = box((5, 9), (0, 9), [5], [1.0])
    noise = NoiseTable(range_=range_, azimuth=(one,)).at(np.arange(12), np.arange(12))
    assert np.isfinite(noise).sum() == 5 * 10
    np.testing.assert_array_equal(NoiseTable(range_=range_).at(np.arange(3), np.array([40])), 200.0 * np.ones((3, 1)))


@pytest.mark.parametrize(
    ("lines", "pixels", "values"),
    [([], [0], []), ([5, 5], [0, 1], [[1, 1], [1, 1]]), ([0], [1, 0], [[1, 1]]), ([0], [0, 1], [[1]])],
)
def test_tables_that_are_none_are_refused(lines, pixels, values):
    with pytest.raises(ValueError, match="damaged"):
        table(lines, pixels, values)


@pytest.mark.parametrize("values", [[1.0, -1.0], [1.0, np.inf], [np.nan, 1.0]])
def test_values_that_no_table_holds_are_refused(values):
    with pytest.raises(ValueError, match="not negative"):
        without_zeros(np.array(values))
