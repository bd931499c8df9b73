"""Likelihoods of power: against scipy's densities, closed forms and what a constant fitted to speckle comes to."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from ringmoe_core.losses import gamma_nll, plain_power_loss, plain_power_target, reconstruction_l1, span_loss
from ringmoe_core.losses.gamma import floor_log_mean
from ringmoe_core.losses.span import effective_shape

MEAN = 0.07


def planes(values):
    return torch.tensor(np.asarray(values, dtype=np.float64)).reshape(1, 1, 1, -1)


@pytest.mark.parametrize("looks", [1.0, 4.4, 0.7, 20.0])
def test_gamma_differs_from_scipys_density_by_the_datas_own_terms_alone(looks):
    rng = np.random.default_rng(0)
    power = rng.gamma(looks, MEAN / looks, size=40)
    ones = torch.ones(1, 1, 1, 40)
    for log_mean in (-4.0, math.log(MEAN), 1.0):
        ours = float(gamma_nll(planes(np.full(40, log_mean)), planes(power), ones, looks))
        own = (looks - 1) * np.log(power) + looks * math.log(looks) - special.gammaln(looks)
        scipys = -stats.gamma(looks, scale=math.exp(log_mean) / looks).logpdf(power)
        assert ours == pytest.approx((scipys + own).mean(), rel=1e-9)


def test_gamma_slope_by_finite_differences():
    generator = torch.Generator().manual_seed(0)
    log_mean = torch.randn(2, 2, 3, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    power = torch.rand(2, 2, 3, 2, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(lambda m: gamma_nll(m, power, torch.ones_like(power), 4.4), log_mean)


def fitted_db(loss, start=-2.0):
    """The constant at which a loss is least, in dB above the true mean, by the slopes of autograd."""
    constant = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([constant], max_iter=40, tolerance_grad=1e-8, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        value = loss(constant)
        value.backward()
        return value

    optimiser.step(closure)
    return 10 / math.log(10) * (constant.item() - math.log(MEAN))


@pytest.mark.parametrize(("looks", "bias_db"), [(1.0, -2.51), (4.4, -0.51)])
def test_a_constant_fitted_to_speckle_is_the_mean_by_gamma_and_too_low_by_squared_logs(looks, bias_db):
    rng = np.random.default_rng(3)
    power = planes(rng.gamma(looks, MEAN / looks, size=40_000))
    ones = torch.ones_like(power)
    by_gamma = fitted_db(lambda m: gamma_nll(m.expand_as(power), power, ones, looks))
    by_span = fitted_db(lambda m: span_loss(m.expand_as(power)[0], power[0], ones[0]))
    by_squares = fitted_db(lambda m: (m - power.log()).square().mean())
    assert by_gamma == pytest.approx(0.0, abs=0.06)
    assert by_span == pytest.approx(by_gamma, abs=1e-3)
    assert by_squares == pytest.approx(bias_db, abs=0.06)
    closed_form = 10 / math.log(10) * (special.digamma(looks) - math.log(looks))
    assert by_squares == pytest.approx(closed_form, abs=0.06)


def test_a_constant_fitted_by_absolute_logs_is_the_median():
    power = planes(np.random.default_rng(4).exponential(MEAN, size=20_001))
    levels_db = np.linspace(-3, 0, 61)
    ones = torch.ones_like(power)
    losses = [
        float(reconstruction_l1(torch.full_like(power, math.log(MEAN) + level * math.log(10) / 10), power.log(), ones))
        for level in levels_db
    ]
    assert levels_db[int(np.argmin(losses))] == pytest.approx(10 * math.log10(math.log(2)), abs=0.11)  # -1.59 dB


def test_noise_that_was_taken_off_too_far_keeps_the_mean_right():
    rng = np.random.default_rng(5)
    power = planes(rng.exponential(0.02, size=40_000) + rng.normal(0, 0.02, size=40_000))
    assert float((power < 0).double().mean()) > 0.2
    ones = torch.ones_like(power)
    db = fitted_db(lambda m: gamma_nll(floor_log_mean(m, 1e-3).expand_as(power), power, ones, 1.0), start=-3.0)
    mean = 0.02 * 1.0
    fitted = MEAN * 10 ** (db / 10) + 1e-3
    assert fitted == pytest.approx(mean, rel=0.02)


def test_floor_keeps_a_mean_above_the_noise_and_finite():
    logs = torch.tensor([-200.0, math.log(1e-3), 5.0], dtype=torch.float64)
    np.testing.assert_allclose(floor_log_mean(logs, 1e-3).exp(), np.exp(logs.numpy()) + 1e-3, rtol=1e-12)


@pytest.mark.parametrize("looks", [0.0, -1.0, math.nan, math.inf])
def test_gamma_refuses_looks_that_are_none(looks):
    with pytest.raises(ValueError, match="looks"):
        gamma_nll(torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1), looks)


def test_gamma_and_floor_refuse_a_floor_that_is_none():
    with pytest.raises(ValueError, match="floor"):
        floor_log_mean(torch.zeros(1), 0.0)


def test_span_weighs_pixels_by_their_shape():
    log_mean = torch.tensor([[[0.0, 1.0]]], dtype=torch.float64)
    span = torch.tensor([[[2.0, 3.0]]], dtype=torch.float64)
    shape = torch.tensor([[[1.0, 2.5]]], dtype=torch.float64)
    expected = (1.0 * (2.0 + 0.0) + 2.5 * (3.0 / math.e + 1.0)) / 2
    assert float(span_loss(log_mean, span, torch.ones(1, 1, 2), shape)) == pytest.approx(expected)
    with pytest.raises(ValueError, match="shape"):
        span_loss(log_mean, span, torch.ones(1, 1, 2), 0.0)


def test_effective_shape_is_the_spans_mean_squared_over_its_variance():
    rng = np.random.default_rng(6)
    mix = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    covariance = mix @ mix.conj().T
    samples = np.sqrt(0.5) * (rng.normal(size=(100_000, 3)) + 1j * rng.normal(size=(100_000, 3))) @ mix.T
    span = (np.abs(samples) ** 2).sum(1)
    shape = effective_shape(torch.tensor(covariance)[None, :, :, None, None], 2.0)
    assert shape.shape == (1, 1, 1)
    assert float(shape) == pytest.approx(2 * span.mean() ** 2 / span.var(), rel=0.02)
    assert float(effective_shape(torch.eye(3)[None, :, :, None, None] + 0j)) == pytest.approx(3)


def test_plain_power_is_clipped_and_stretched_over_the_image():
    scattering = torch.zeros(1, 4, 1, 4, dtype=torch.complex64)
    scattering[0, 0, 0] = torch.tensor([0.1j, 0.5, 3.0, 100.0])
    scattering[0, 3, 0] = torch.tensor([0.0, 0.5j, 0.0, 0.0])
    valid = torch.tensor([[[True, True, True, False]]])
    target = plain_power_target(scattering, valid)
    np.testing.assert_allclose(target[0, 0], [0, (0.5 - 0.01) / 0.99, 1, 0], rtol=1e-6, atol=1e-7)
    prediction = torch.full((1, 1, 4), 0.25)
    weight = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    expected = (0.25**2 + ((0.5 - 0.01) / 0.99 - 0.25) ** 2) / 2
    assert float(plain_power_loss(prediction, target, weight)) == pytest.approx(expected, rel=1e-5)


def test_plain_power_makes_equal_ground_unlike_which_the_likelihoods_do_not():
    dim = torch.zeros(2, 4, 1, 3, dtype=torch.complex64)
    dim[:, 0, 0, :2] = torch.tensor([0.1, 0.2])
    dim[0, 0, 0, 2], dim[1, 0, 0, 2] = 0.3, 0.9  # one bright target apart
    target = plain_power_target(dim, torch.ones(2, 1, 3, dtype=torch.bool))
    assert float(target[0, 0, 1]) > 9 * float(target[1, 0, 1])


def test_plain_power_of_nothing_or_of_one_power_is_zero():
    scattering = torch.full((2, 4, 2, 2), 0.3 + 0j)
    valid = torch.ones(2, 2, 2, dtype=torch.bool)
    valid[1] = False
    scattering[1] = math.nan
    assert bool((plain_power_target(scattering, valid) == 0).all())
