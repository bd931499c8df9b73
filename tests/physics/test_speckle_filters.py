"""Speckle filters beside a slow version written pixel by pixel, and what any of them must leave alone."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import xarray as xr

from pipelines.physics.speckle import Speckle, despeckle, filter_speckle
from pipelines.physics.window import Window, local_moments, window_sum

FILTERS = ("lee", "refined-lee", "frost", "gamma-map")


MEAN_KEPT = {"lee": 0.002, "frost": 0.002}
"""Share of the mean that a filter may move; the others are biased by what they estimate."""


def speckled(shape, looks, seed, mean=0.05):
    return np.random.default_rng(seed).gamma(looks, mean / looks, shape)


def with_holes(power, seed, share=0.08):
    holes = np.random.default_rng(seed).random(power.shape) < share
    power = np.where(holes, np.nan, power)
    power[4:9, 5:14] = np.nan
    return power


# ---- the slow versions: one pixel at a time, plain Python, from the papers


def neighbours(image, y, x, half):
    """(dy, dx, value) of what is present around a pixel."""
    for dy, dx in itertools.product(range(-half, half + 1), repeat=2):
        yy, xx = y + dy, x + dx
        if 0 <= yy < image.shape[0] and 0 <= xx < image.shape[1] and not math.isnan(image[yy, xx]):
            yield dy, dx, float(image[yy, xx])


def statistics(values):
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((v - mean) ** 2 for v in values) / len(values)


def slow_lee(image, y, x, speckle):
    mean, variance = statistics([v for *_, v in neighbours(image, y, x, speckle.window // 2)])
    if mean <= 0 or variance == 0:
        return mean
    weight = max(0.0, 1 - (1 / speckle.looks) / (variance / mean**2))
    return mean + weight * (image[y, x] - mean)


def slow_frost(image, y, x, speckle):
    around = list(neighbours(image, y, x, speckle.window // 2))
    mean, variance = statistics([v for *_, v in around])
    if mean <= 0:
        return mean
    weights = [math.exp(-speckle.damping * variance / mean**2 * math.hypot(dy, dx)) for dy, dx, _ in around]
    return math.fsum(w * v for w, (*_, v) in zip(weights, around, strict=True)) / math.fsum(weights)


def slow_gamma_map(image, y, x, speckle):
    looks, value = speckle.looks, float(image[y, x])
    mean, variance = statistics([v for *_, v in neighbours(image, y, x, speckle.window // 2)])
    if mean <= 0:
        return mean
    spread, noise = variance / mean**2, 1 / looks
    if spread <= noise:
        return mean
    if spread >= 2 * noise:
        return value
    a = (1 + noise) / (spread - noise)
    b = a - looks - 1
    # the root of A R^2 / mean + (L + 1 - A) R - L z = 0
    return (b * mean + math.sqrt(mean**2 * b**2 + 4 * a * looks * mean * max(value, 0))) / (2 * a)


def in_half(half, dy, dx):
    return (dx <= 0, dx >= 0, dy <= 0, dy >= 0, dx >= dy, dx <= dy, dx <= -dy, dx >= -dy)[half]


def slow_refined_lee(image, y, x, speckle):
    step = (speckle.window - 3) // 2
    own = statistics([v for *_, v in neighbours(image, y, x, 1)])[0]
    grid = [[own] * 3 for _ in range(3)]
    for j, i in itertools.product(range(3), repeat=2):
        found = [v for *_, v in neighbours(image, y + (j - 1) * step, x + (i - 1) * step, 1)]
        if found:
            grid[j][i] = statistics(found)[0]
    (a, b, c), (d, e, f), (g, h, i) = grid
    gradients = [c + f + i - a - d - g, a + b + c - g - h - i, b + c + f - d - g - h, a + b + d - f - h - i]
    strongest = max(range(4), key=lambda k: (abs(gradients[k]), -k))
    first, second = ((d, f), (b, h), (c, g), (a, i))[strongest]
    half = 2 * strongest + (abs(second - e) < abs(first - e))
    mean, variance = statistics(
        [v for dy, dx, v in neighbours(image, y, x, speckle.window // 2) if in_half(half, dy, dx)]
    )
    if mean <= 0 or variance == 0:
        return mean
    noise = 1 / speckle.looks
    weight = max(0.0, (variance - mean**2 * noise) / (variance * (1 + noise)))
    return mean + weight * (image[y, x] - mean)


SLOW = {"lee": slow_lee, "refined-lee": slow_refined_lee, "frost": slow_frost, "gamma-map": slow_gamma_map}


def slowly(image, speckle):
    result = np.full(image.shape, np.nan)
    for y, x in itertools.product(range(image.shape[0]), range(image.shape[1])):
        if not math.isnan(image[y, x]):
            result[y, x] = SLOW[speckle.filter](image, y, x, speckle)
    return result


def scene(seed):
    """Edges in every direction, a bright target, noise taken out below zero, holes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:30, :34]
    ground = np.where(x > 17, 0.2, 0.02) + np.where(y > x + 3, 0.3, 0) + np.where(y + x < 18, 0.1, 0)
    power = ground * rng.gamma(4.4, 1 / 4.4, ground.shape)
    power[20, 25] = 30.0
    power[22:29, 2:9] = rng.normal(-1e-4, 2e-3, (7, 7))
    return with_holes(power, seed)


@pytest.mark.parametrize("window", [5, 7, 9])
@pytest.mark.parametrize("name", FILTERS)
def test_equals_the_slow_version(name, window):
    speckle, power = Speckle(filter=name, window=window), scene(window)
    np.testing.assert_allclose(despeckle(power, speckle), slowly(power, speckle), rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["lee", "frost", "gamma-map"])
def test_a_window_of_three_equals_the_slow_version(name):
    speckle, power = Speckle(filter=name, window=3, looks=1.0), scene(3)
    np.testing.assert_allclose(despeckle(power, speckle), slowly(power, speckle), rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("looks", [1.0, 4.4, 20.0])
@pytest.mark.parametrize("name", FILTERS)
def test_uniform_ground_keeps_its_mean_and_gains_looks(name, looks):
    power = speckled((700, 700), looks, seed=11)
    filtered = despeckle(power, Speckle(filter=name, looks=looks)).astype(np.float64)
    assert filtered.mean() / power.mean() == pytest.approx(1.0, abs=MEAN_KEPT.get(name, 0.05 if looks < 2 else 0.02))
    before, after = power.mean() ** 2 / power.var(), filtered.mean() ** 2 / filtered.var()
    assert before == pytest.approx(looks, rel=0.02)
    assert after > (3 if name == "frost" else 4) * before  # Frost decays with distance even where nothing is to be seen


@pytest.mark.parametrize("name", FILTERS)
def test_no_speckle_nothing_changes(name):
    flat = np.full((20, 20), 0.07)
    np.testing.assert_allclose(despeckle(flat, Speckle(filter=name)), 0.07, rtol=1e-6)


def test_refined_lee_does_not_blur_an_edge_as_lee_does():
    truth = np.where(np.arange(200) < 100, 0.02, 0.4) * np.ones((200, 1))
    power = truth * np.random.default_rng(5).gamma(4.4, 1 / 4.4, truth.shape)
    near = np.s_[10:-10, 97:100]  # the dark side of the edge
    error = {name: abs(despeckle(power, Speckle(filter=name))[near].mean() - 0.02) for name in ("lee", "refined-lee")}
    assert error["refined-lee"] < error["lee"] / 4


@pytest.mark.parametrize("name", FILTERS)
def test_what_is_missing_stays_missing_and_touches_nobody(name):
    power = with_holes(speckled((60, 60), 4.4, seed=2), seed=3)
    filtered = despeckle(power, Speckle(filter=name))
    np.testing.assert_array_equal(np.isnan(filtered), np.isnan(power))
    # a hole filled with another value than before is still a hole: no number behind NaN can leak
    assert np.nanmax(filtered) <= np.nanmax(power) * (1 + 1e-6)
    assert np.nanmin(filtered) >= np.nanmin(power) * (1 - 1e-6)
    assert np.isnan(despeckle(np.full((9, 9), np.nan), Speckle(filter=name))).all()


@pytest.mark.parametrize("block", [(16, 16), (31, 17), (64, 50)])
@pytest.mark.parametrize("name", FILTERS)
def test_no_block_boundary_shows(name, block):
    power = with_holes(speckled((100, 90), 4.4, seed=8).astype(np.float32), seed=9)
    speckle = Speckle(filter=name, window=7)
    whole, halo = despeckle(power, speckle), speckle.halo_px
    pieces = np.full_like(whole, -1)
    for row, col in itertools.product(range(0, 100, block[0]), range(0, 90, block[1])):
        top, left = max(row - halo, 0), max(col - halo, 0)
        part = despeckle(power[top : row + block[0] + halo, left : col + block[1] + halo], speckle)
        target = pieces[row : row + block[0], col : col + block[1]]
        target[...] = part[row - top : row - top + target.shape[0], col - left : col - left + target.shape[1]]
    np.testing.assert_array_equal(pieces, whole)


def test_mean_of_removed_noise_stays_near_zero():
    calm = np.random.default_rng(1).normal(0, 1e-3, (200, 200))
    for name in FILTERS:
        assert abs(despeckle(calm, Speckle(filter=name)).mean()) < 2e-4


def test_decibels_are_refused():
    decibels = xr.DataArray(np.full((9, 9), -12.0), dims=("y", "x"), attrs={"units": "dB"})
    with pytest.raises(ValueError, match="linear power"):
        filter_speckle(decibels, Speckle(filter="lee"))
    with pytest.raises(ValueError, match="linear power"):
        filter_speckle(decibels.assign_attrs(units=None), Speckle(filter="lee"))


def test_a_cube_is_filtered_plane_by_plane():
    power = speckled((2, 2, 40, 30), 4.4, seed=4).astype("float32")
    cube = xr.DataArray(
        power,
        dims=("time", "band", "y", "x"),
        coords={"band": ["VV", "VH"], "y": np.arange(40)[::-1]},
        attrs={"units": "1"},
    )
    speckle = Speckle(filter="refined-lee")
    filtered = filter_speckle(cube, speckle)
    np.testing.assert_array_equal(filtered[1, 0], despeckle(power[1, 0], speckle))
    assert filtered.coords.equals(cube.coords)
    assert json.loads(filtered.attrs["speckle_filter"]) == {"filter": "refined-lee", "window_px": 7, "looks": 4.4}
    assert "speckle_filter" not in cube.attrs
    with pytest.raises(ValueError, match="dims end in"):
        filter_speckle(cube.transpose("y", "x", "time", "band"), speckle)


@pytest.mark.parametrize(
    "wrong",
    [
        {"filter": "median"},
        {"filter": "lee", "window": 6},
        {"filter": "lee", "window": 1},
        {"filter": "refined-lee", "window": 3},
        {"filter": "lee", "window": 35},
        {"filter": "lee", "looks": 0.0},
        {"filter": "lee", "looks": float("nan")},
        {"filter": "frost", "damping": -1.0},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="got"):
        Speckle(**wrong)


def test_one_band_at_a_time():
    with pytest.raises(ValueError, match="one band"):
        despeckle(np.zeros((2, 8, 8)), Speckle(filter="lee"))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (5, 15), (7, 7), (33, 3)])
def test_window_sums_equal_slices(size):
    values = np.random.default_rng(0).normal(size=(40, 37))
    got = window_sum(values, Window(height=size[0], width=size[1]))
    h, w = size[0] // 2, size[1] // 2
    for y, x in [(0, 0), (20, 20), (39, 36), (5, 30)]:
        want = values[max(y - h, 0) : y + h + 1, max(x - w, 0) : x + w + 1].sum()
        assert got[y, x] == pytest.approx(want, abs=1e-12)


def test_moments_where_nothing_is_present_are_missing():
    values = np.full((12, 12), np.nan)
    values[0, 0] = 2.0
    moments = local_moments(values, Window(height=3, width=3))
    assert moments.count[1, 1] == 1
    assert (moments.mean[1, 1], moments.variance[1, 1]) == (2.0, 0.0)
    assert np.isnan(moments.mean[8, 8])
    with pytest.raises(ValueError, match="odd"):
        Window(height=4, width=3)
