"""Looks and log-cumulants: simulated speckle next to theory, published numbers, limit cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipelines.physics.sar_statistics import (
    equivalent_looks,
    gamma_log_cumulants,
    local_looks,
    log_cumulants,
    looks_of_log_variance,
    robust_looks,
)

MEAN = 0.05
EULER = 0.5772156649015329
APERY = 1.2020569031595942


def speckle(looks, num=4_000_000, seed=20260101):
    return np.random.default_rng(seed).gamma(looks, MEAN / looks, num)


@pytest.mark.parametrize("looks", [1.0, 4.4, 20.0])
def test_simulated_speckle_is_within_three_percent_of_theory(looks):
    power = speckle(looks)
    found, theory = log_cumulants(power), gamma_log_cumulants(looks, MEAN)
    assert equivalent_looks(power) == pytest.approx(looks, rel=0.03)
    assert found.k1 == pytest.approx(theory.k1, rel=0.03)
    assert found.k2 == pytest.approx(theory.k2, rel=0.03)
    assert found.k3 == pytest.approx(theory.k3, rel=0.03)
    # k1 leans on ln mean; what speckle itself moves must fit as well
    assert found.k1 - math.log(MEAN) == pytest.approx(theory.k1 - math.log(MEAN), rel=0.03)
    assert looks_of_log_variance(found.k2) == pytest.approx(looks, rel=0.03)
    assert (found.num_used, found.num_without_log) == (power.size, 0)


def test_theory_of_one_look_is_in_closed_form():
    one = gamma_log_cumulants(1.0)
    assert one.k1 == pytest.approx(-EULER)
    assert one.k2 == pytest.approx(math.pi**2 / 6)
    assert one.k3 == pytest.approx(-2 * APERY)


def test_theory_equals_the_rounded_numbers_in_print():
    assert gamma_log_cumulants(4.4).k2 == pytest.approx(0.255, abs=5e-4)
    # mean of decibels below the decibel of the mean: -2.51 dB for one look, -0.51 dB for 4.4
    assert gamma_log_cumulants(1.0).k1 * 10 / math.log(10) == pytest.approx(-2.51, abs=0.005)
    assert gamma_log_cumulants(4.4).k1 * 10 / math.log(10) == pytest.approx(-0.51, abs=0.005)


@pytest.mark.parametrize("looks", [0.01, 1.0, 4.4, 300.0])
def test_looks_from_log_variance_invert_theory(looks):
    assert looks_of_log_variance(gamma_log_cumulants(looks).k2) == pytest.approx(looks, rel=1e-9)


def test_texture_adds_to_the_log_variance():
    rng = np.random.default_rng(3)
    texture = rng.gamma(3.0, 1 / 3.0, 1_000_000)
    found = log_cumulants(texture * rng.gamma(4.4, 1 / 4.4, texture.size))
    expected = gamma_log_cumulants(4.4).k2 + gamma_log_cumulants(3.0).k2
    assert found.k2 == pytest.approx(expected, rel=0.01)


def mixed_scene(looks, seed):
    """Fields of many means with edges between them, a town of strong texture, a hole."""
    rng = np.random.default_rng(seed)
    fields = np.kron(rng.uniform(0.01, 0.5, (10, 10)), np.ones((60, 60)))
    power = fields * rng.gamma(looks, 1 / looks, fields.shape)
    power[:180, :200] *= rng.gamma(0.7, 1 / 0.7, (180, 200))
    power[400:430, 100:200] = np.nan
    return power


@pytest.mark.parametrize("looks", [1.0, 4.4, 20.0])
def test_robust_looks_are_those_of_the_uniform_parts(looks):
    power = mixed_scene(looks, seed=int(looks))
    assert robust_looks(power, 15) == pytest.approx(looks, rel=0.1)
    assert equivalent_looks(power) < 0.7 * looks


def test_windows_with_holes_do_not_count():
    power = np.ones((30, 30)) * np.random.default_rng(1).gamma(4.4, 1 / 4.4, (30, 30))
    power[:10, :10] = np.nan
    looks = local_looks(power, 10)
    assert np.isnan(looks[0, 0])
    assert np.isfinite(looks).sum() == 8
    sample = power[10:20, 20:30]
    assert looks[1, 2] == pytest.approx(sample.mean() ** 2 / sample.var(ddof=1))
    with pytest.raises(ValueError, match="fits"):
        local_looks(power, 31)
    with pytest.raises(ValueError, match="fits"):
        local_looks(power, 1)


def test_removed_noise_below_zero_has_no_logarithm_and_is_counted():
    found = log_cumulants(np.array([0.1, 0.2, 0.3, -0.01, 0.0, np.nan]))
    assert (found.num_used, found.num_without_log) == (3, 2)
    assert found.k1 == pytest.approx(np.log([0.1, 0.2, 0.3]).mean())


def test_too_little_says_nothing():
    assert math.isnan(equivalent_looks(np.array([1.0, np.nan, 2.0])))
    assert math.isnan(log_cumulants(np.array([1.0, 2.0])).k2)
    assert math.isnan(robust_looks(np.full((20, 20), np.nan), 5))
    assert math.isnan(looks_of_log_variance(math.nan))
    assert equivalent_looks(np.full(9, 0.5)) == math.inf


def test_what_is_no_power_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        gamma_log_cumulants(0.0)
    with pytest.raises(ValueError, match="ln power"):
        looks_of_log_variance(-1.0)
