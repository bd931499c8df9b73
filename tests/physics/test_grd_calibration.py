"""Detected images to power: limit cases, borders, versions."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.physics.grd import (
    BorderMargins,
    GrdCalibration,
    calibrate,
    junk_depth,
    leaves_border_junk,
)
from pipelines.schema import Reason


def test_power_is_the_square_over_the_square_of_the_table():
    dn = np.array([[100, 300]], dtype="uint16")
    image = calibrate(dn, np.array([[500.0, 250.0]]))
    np.testing.assert_allclose(image.power, [[100**2 / 500**2, 300**2 / 250**2]], rtol=1e-7)
    assert image.power.dtype == np.float32
    assert not image.reason.any()


def test_the_largest_number_does_not_overflow():
    assert calibrate(np.array([[65535]], "uint16"), np.array([[1.0]])).power[0, 0] == pytest.approx(65535.0**2)


def test_no_signal_is_a_measurement_and_no_data_is_none():
    # the same two numbers that look alike in an image: nothing measured, and nothing there
    dn = np.array([[0, 30, 31, 20]], dtype="uint16")
    image = calibrate(dn, np.full((1, 4), 10.0), noise=np.full((1, 4), 900.0))
    assert np.isnan(image.power[0, 0])
    assert image.reason[0, 0] == int(Reason.NODATA)
    assert image.power[0, 1] == 0.0
    assert image.power[0, 2] == pytest.approx(0.61)
    assert image.power[0, 3] == pytest.approx(-5.0)
    assert not image.reason[0, 1:].any()


def test_noise_taken_out_leaves_the_mean_right():
    rng = np.random.default_rng(3)
    noise, gain, sigma0 = 2500.0, 400.0, 0.004
    dn = np.rint(np.sqrt(rng.gamma(4.4, (sigma0 * gain**2 + noise) / 4.4, (400, 400)))).astype("uint16")
    image = calibrate(dn, np.full(dn.shape, gain), noise=np.full(dn.shape, noise))
    assert (image.power < 0).mean() > 0.2
    assert image.power.mean() == pytest.approx(sigma0, rel=0.02)
    assert np.maximum(image.power, 0).mean() > 1.2 * sigma0  # what clipping would do


def test_missing_tables_are_flagged_and_never_infinite():
    dn = np.array([[100, 100, 100, 0]], dtype="uint16")
    gain = np.array([[np.nan, 500.0, np.nan, np.nan]])
    noise = np.array([[1.0, np.nan, np.nan, np.nan]])
    image = calibrate(dn, gain, noise=noise)
    assert np.isnan(image.power).all()
    assert image.reason.tolist() == [[int(Reason.UNCALIBRATED)] * 3 + [int(Reason.NODATA)]]


def old_border(width=60, depth=23, seed=1):
    """Ground from a column on that moves with the line; low numbers before it, some of them 0, one of them bright."""
    rng = np.random.default_rng(seed)
    starts = depth + rng.integers(0, 9, 80)
    dn = np.rint(np.sqrt(rng.gamma(4.4, 120.0**2 / 4.4, (80, width)))).astype("uint16") + 30
    junk = rng.integers(0, 15, dn.shape)
    columns = np.arange(width)
    dn = np.where(columns < starts[:, None], junk, dn).astype("uint16")
    dn[7, 4] = 40
    return dn, starts


def test_old_borders_are_cut_where_the_ground_begins():
    dn, starts = old_border()
    assert abs(junk_depth(dn, np.full(dn.shape, 150.0)) - starts).max() <= 1


def test_a_line_without_ground_is_cut_whole_and_a_clean_one_not_at_all():
    noise = np.full((2, 40), 100.0)
    dn = np.array([[5] * 40, [200] * 40], dtype="uint16")
    assert junk_depth(dn, noise).tolist() == [40, 0]
    assert junk_depth(dn, np.full((2, 40), np.nan)).tolist() == [0, 0]  # without noise nothing tells


def test_margins_cut_all_four_sides():
    margins = BorderMargins(
        left=np.array([2, 0, 0, 0]),
        right=np.array([0, 1, 0, 0]),
        top=np.array([0, 0, 0, 1, 0]),
        bottom=np.array([1, 0, 0, 0, 0]),
    )
    cut = margins.cut(np.arange(4), np.arange(5))
    assert np.argwhere(cut).tolist() == [[0, 0], [0, 1], [0, 3], [1, 4], [3, 0]]
    np.testing.assert_array_equal(margins.cut(np.array([1, 3]), np.array([0, 4])), cut[np.ix_([1, 3], [0, 4])])
    other = BorderMargins(
        left=np.array([1, 5, 0, 0]), right=np.zeros(4, int), top=np.full(5, 9), bottom=np.array([0, 9, 0, 0, 0])
    )
    least = BorderMargins.least([margins, other])
    assert (least.left.tolist(), least.right.tolist()) == ([1, 0, 0, 0], [0, 0, 0, 0])
    assert (least.top.tolist(), least.bottom.tolist()) == ([0, 0, 0, 1, 0], [0, 0, 0, 0, 0])
    image = calibrate(np.full((4, 5), 9, "uint16"), np.ones((4, 5)), cut=cut)
    np.testing.assert_array_equal(image.reason == int(Reason.BORDER), cut)


@pytest.mark.parametrize(
    ("version", "junk"), [("002.84", True), ("2.60", True), ("002.90", False), ("003.40", False), ("002.91", False)]
)
def test_versions_before_2_90_leave_junk(version, junk):
    assert leaves_border_junk(version) is junk


@pytest.mark.parametrize("version", ["", "3", "IPF 3.40"])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(ValueError, match=r"003\.40"):
        leaves_border_junk(version)


@pytest.mark.parametrize("wrong", [{"coefficient": "sigma"}, {"noise": "some"}])
def test_unknown_calibrations_are_refused(wrong):
    with pytest.raises(ValueError, match="got"):
        GrdCalibration(**wrong)


def test_a_gain_too_small_for_float32_is_no_calibration():
    """2 ** 2 / (1e-30) ** 2 is beyond float32: an infinite power would stand in the cube as a value."""
    found = calibrate(np.array([[2, 2, 0]]), np.array([[1e-30, 0.0, 1e-30]]))
    assert np.isnan(found.power).all()
    assert found.reason.tolist() == [[int(Reason.UNCALIBRATED), int(Reason.UNCALIBRATED), int(Reason.NODATA)]]
