"""Tie points: there and back, folded grids, and how far a bilinear cell is from the truth."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.physics.tie_points import TiePoints

POINTS = TiePoints(lines=np.array([0.0, 400.0, 900.0, 1300.0]), pixels=np.array([0.0, 250.0, 700.0]))


def ground(lines, pixels):
    """Rotated, sheared and slightly bent."""
    x = 500_000 + 9.9 * pixels + 2.1 * lines + 2e-5 * pixels * lines + 1e-4 * pixels**2
    y = 5_700_000 - 9.7 * lines + 1.8 * pixels + 1e-4 * lines**2
    return x, y


def test_there_and_back():
    x, y = ground(POINTS.lines[:, None], POINTS.pixels[None, :])
    rng = np.random.default_rng(0)
    lines, pixels = rng.uniform(-20, 1320, 500), rng.uniform(-20, 720, 500)
    found = POINTS.find(x, y, POINTS.at(x, lines, pixels), POINTS.at(y, lines, pixels))
    np.testing.assert_allclose(found[0], lines, atol=1e-6)
    np.testing.assert_allclose(found[1], pixels, atol=1e-6)


def test_tie_points_themselves_are_exact():
    x, y = ground(POINTS.lines[:, None], POINTS.pixels[None, :])
    lines, pixels = np.meshgrid(POINTS.lines, POINTS.pixels, indexing="ij")
    np.testing.assert_array_equal(POINTS.at(x, lines, pixels), x)
    np.testing.assert_allclose(POINTS.find(x, y, x, y)[0], lines, atol=1e-8)


def test_a_point_is_the_same_whoever_is_asked_beside_it():
    x, y = ground(POINTS.lines[:, None], POINTS.pixels[None, :])
    rng = np.random.default_rng(1)
    wanted = rng.uniform(500_000, 508_000, 2000), rng.uniform(5_688_000, 5_700_000, 2000)
    whole = POINTS.find(x, y, *wanted)
    for part in (np.s_[:7], np.s_[100:101], np.s_[1500:]):
        for axis in (0, 1):
            np.testing.assert_array_equal(POINTS.find(x, y, wanted[0][part], wanted[1][part])[axis], whole[axis][part])


def test_nothing_is_found_on_a_folded_grid_or_nowhere():
    x, y = ground(POINTS.lines[:, None], POINTS.pixels[None, :])
    nowhere = POINTS.find(x, y, np.array([np.nan, np.inf]), np.array([5_700_000.0, 0.0]))
    assert np.isnan(nowhere).all()
    flat = np.zeros_like(x)
    assert np.isnan(POINTS.find(flat, flat, np.array([1.0]), np.array([1.0]))).all()


@pytest.mark.parametrize("axis", [[1.0], [0.0, 0.0], [2.0, 1.0]])
def test_axes_ascend(axis):
    with pytest.raises(ValueError, match="ascend"):
        TiePoints(lines=np.array(axis), pixels=np.array([0.0, 1.0]))
