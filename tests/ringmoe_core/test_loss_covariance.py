"""Likelihoods of complex samples: against scipy's normal and Wishart densities, numpy's algebra and planted truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from ringmoe_core.losses import factor_covariance, gaussian_covariance_nll, wishart_nll
from ringmoe_core.losses.scattering import sample_covariance, scattering_vector, vector_components


def some_covariance(size, seed=0):
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    return mix @ mix.conj().T + 0.1 * np.eye(size)


def draw(covariance, num, seed=1):
    rng = np.random.default_rng(seed)
    size = len(covariance)
    noise = np.sqrt(0.5) * (rng.normal(size=(num, size)) + 1j * rng.normal(size=(num, size)))
    return noise @ np.linalg.cholesky(covariance).T


def raw_of(covariance, noise=1e-6):
    """The free numbers that `factor_covariance` turns into this covariance, by numpy's factor."""
    lower = np.linalg.cholesky(covariance)
    scaled = lower / np.diag(lower).real[:, None]
    logs = np.log(np.diag(lower).real ** 2 - noise)
    pairs = [part for i in range(len(lower)) for j in range(i) for part in (scaled[i, j].real, scaled[i, j].imag)]
    return torch.tensor([*logs, *pairs], dtype=torch.float64)[None, :, None, None]


def factor_of(covariance, num=1, noise=1e-6):
    return factor_covariance(raw_of(covariance, noise).expand(1, -1, num, 1), noise)


def as_planes(samples):
    return torch.tensor(samples).t()[None, :, :, None]  # (1, P, samples, 1)


def real_form(covariance):
    """Covariance of (Re k, Im k) of a circular k."""
    return 0.5 * np.block([[covariance.real, -covariance.imag], [covariance.imag, covariance.real]])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_factor_gives_back_covariance_and_determinant(size):
    covariance = some_covariance(size)
    factor = factor_of(covariance)
    np.testing.assert_allclose(factor.covariance()[0, :, :, 0, 0], covariance, rtol=1e-10)
    assert float(factor.log_determinant()) == pytest.approx(np.log(np.linalg.det(covariance).real))


@pytest.mark.parametrize("keep", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_marginal_is_the_part_of_the_covariance(keep):
    covariance = some_covariance(3, seed=2)
    part = factor_of(covariance).marginal(keep)
    wanted = covariance[np.ix_(keep, keep)]
    np.testing.assert_allclose(part.covariance()[0, :, :, 0, 0], wanted, rtol=1e-10)
    assert float(part.log_determinant()) == pytest.approx(np.linalg.slogdet(wanted)[1])


@pytest.mark.parametrize("keep", [(), (1, 0), (0, 0), (0, 3), (-1, 0)])
def test_marginal_refuses_other_components(keep):
    with pytest.raises(ValueError, match="components to keep"):
        factor_of(some_covariance(3)).marginal(keep)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_gaussian_is_scipys_normal_density_of_both_parts(size):
    covariance = some_covariance(size)
    samples = draw(covariance, 20)
    ours = gaussian_covariance_nll(factor_of(covariance, 20), as_planes(samples), torch.ones(1, 20, 1))
    normal = stats.multivariate_normal(np.zeros(2 * size), real_form(covariance))
    assert float(ours) == pytest.approx(-normal.logpdf(np.hstack([samples.real, samples.imag])).mean(), rel=1e-9)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("num_looks", [8, 16])
def test_wishart_ratio_of_two_covariances_is_scipys(size, num_looks):
    # L complex looks are L real ones of twice the length, whose sum of squares scipy knows as real Wishart
    samples = draw(some_covariance(size), num_looks)
    both = np.hstack([samples.real, samples.imag])
    sample = torch.tensor(samples.T @ samples.conj() / num_looks)[None, :, :, None, None]
    ours, scipys = [], []
    for seed in (0, 5):
        covariance = some_covariance(size, seed)
        ours.append(float(wishart_nll(factor_of(covariance), sample, torch.ones(1, 1, 1), float(num_looks))))
        scipys.append(-stats.wishart(num_looks, real_form(covariance)).logpdf(both.T @ both))
    assert ours[0] - ours[1] == pytest.approx(scipys[0] - scipys[1], rel=1e-9)


@pytest.mark.parametrize("looks", [1, 2, 9])
def test_wishart_is_the_single_looks_together(looks):
    factor = factor_of(some_covariance(3, seed=4), looks)
    vectors = as_planes(draw(some_covariance(3), looks))
    single = gaussian_covariance_nll(factor, vectors, torch.ones(1, looks, 1)) - 3 * math.log(math.pi)
    mean = sample_covariance(vectors).mean(3, keepdim=True)
    one = factor_of(some_covariance(3, seed=4))
    together = wishart_nll(one, mean, torch.ones(1, 1, 1), float(looks))
    torch.testing.assert_close(together, looks * single)


def test_wishart_of_one_polarisation_is_gammas_likelihood_ratio():
    power = torch.tensor([0.3], dtype=torch.float64).reshape(1, 1, 1, 1, 1) + 0j
    values = [
        float(wishart_nll(factor_of(np.array([[mean + 0j]])), power, torch.ones(1, 1, 1), 5.0)) for mean in (0.2, 0.9)
    ]
    scipys = [-stats.gamma(5, scale=mean / 5).logpdf(0.3) for mean in (0.2, 0.9)]
    assert values[0] - values[1] == pytest.approx(scipys[0] - scipys[1])


@pytest.mark.parametrize("phase", [0.3, math.pi / 2, 2.0, math.pi])
def test_a_common_phase_changes_neither_likelihood(phase):
    factor = factor_of(some_covariance(3, seed=3), 50)
    vectors = as_planes(draw(some_covariance(3), 50))
    turned = vectors * complex(math.cos(phase), math.sin(phase))
    ones = torch.ones(1, 50, 1)
    single = [gaussian_covariance_nll(factor, part, ones) for part in (vectors, turned)]
    multi = [wishart_nll(factor, sample_covariance(part), ones, 1.0) for part in (vectors, turned)]
    for before, after in (single, multi):
        assert float(after) == pytest.approx(float(before), rel=1e-13)


def test_a_quarter_turn_changes_no_bit():
    factor = factor_of(some_covariance(3, seed=3), 50)
    vectors = as_planes(draw(some_covariance(3), 50))
    ones = torch.ones(1, 50, 1)
    turned = torch.complex(-vectors.imag, vectors.real)
    assert gaussian_covariance_nll(factor, vectors, ones) == gaussian_covariance_nll(factor, turned, ones)


def test_phase_between_polarisations_does_count():
    factor = factor_of(some_covariance(3, seed=3), 50)
    vectors = as_planes(draw(some_covariance(3), 50))
    other = vectors * torch.tensor([1, 1j, -1]).reshape(1, 3, 1, 1)
    ones = torch.ones(1, 50, 1)
    before, after = (float(gaussian_covariance_nll(factor, part, ones)) for part in (vectors, other))
    assert abs(before - after) > 0.1


@pytest.mark.parametrize("size", [2, 3])
def test_slopes_by_finite_differences(size):
    raw = raw_of(some_covariance(size, seed=6)).expand(1, -1, 4, 1).clone().requires_grad_()
    vectors = as_planes(draw(some_covariance(size), 4))
    ones = torch.ones(1, 4, 1)
    assert torch.autograd.gradcheck(lambda r: gaussian_covariance_nll(factor_covariance(r, 1e-2), vectors, ones), raw)
    sample = sample_covariance(vectors)
    assert torch.autograd.gradcheck(lambda r: wishart_nll(factor_covariance(r, 1e-2), sample, ones, 3.0), raw)
    if size == 3:
        assert torch.autograd.gradcheck(
            lambda r: gaussian_covariance_nll(factor_covariance(r, 1e-2).marginal((1, 2)), vectors[:, 1:], ones), raw
        )


def test_covariance_fitted_to_samples_is_their_sample_covariance():
    vectors = as_planes(draw(some_covariance(3), 1000))
    raw = torch.zeros(1, 9, 1, 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([raw], max_iter=300, tolerance_grad=1e-10, line_search_fn="strong_wolfe")
    ones = torch.ones(1, 1000, 1)

    def closure():
        optimiser.zero_grad()
        value = gaussian_covariance_nll(factor_covariance(raw.expand(-1, -1, 1000, -1), 1e-4), vectors, ones)
        value.backward()
        return value

    optimiser.step(closure)
    fitted = factor_covariance(raw.detach(), 1e-4).covariance()[0, :, :, 0, 0]
    np.testing.assert_allclose(fitted, sample_covariance(vectors).mean(3)[0, :, :, 0], atol=2e-3)


def test_noise_floor_bounds_the_loss_where_a_singular_covariance_would_not():
    raw = torch.full((1, 9, 1, 1), -1e4)
    dark = torch.zeros(1, 3, 1, 1, dtype=torch.complex64)
    value = gaussian_covariance_nll(factor_covariance(raw, 1e-3), dark, torch.ones(1, 1, 1))
    assert float(value) == pytest.approx(3 * math.log(1e-3) + 3 * math.log(math.pi), rel=1e-6)


def test_floor_is_the_variance_left_when_all_before_is_known():
    generator = torch.Generator().manual_seed(0)
    covariance = factor_covariance(
        torch.randn(1, 9, 40, 40, generator=generator, dtype=torch.float64) * 3, 0.05
    ).covariance()
    matrices = covariance[0].permute(2, 3, 0, 1).numpy()
    left = 1 / np.linalg.inv(matrices)[..., 2, 2].real
    assert left.min() >= 0.05


def test_extreme_numbers_stay_finite():
    raw = torch.full((1, 9, 2, 2), 500.0)
    raw[..., 0, 0] = -500.0
    raw.requires_grad_()
    vectors = torch.full((1, 3, 2, 2), 1e3 + 1e3j)
    value = gaussian_covariance_nll(factor_covariance(raw, 1e-3), vectors, torch.ones(1, 2, 2))
    value.backward()
    assert math.isfinite(value.item())
    assert bool(torch.isfinite(raw.grad).all())


def test_channels_that_are_no_square_and_floors_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"P\^2 channels, got 5"):
        factor_covariance(torch.zeros(1, 5, 1, 1), 0.1)
    with pytest.raises(ValueError, match="noise floor"):
        factor_covariance(torch.zeros(1, 9, 1, 1), 0.0)
    with pytest.raises(ValueError, match="looks"):
        wishart_nll(factor_of(some_covariance(2)), torch.zeros(1, 2, 2, 1, 1) + 0j, torch.ones(1, 1, 1), 0.0)


def test_reciprocal_vector_keeps_the_span_and_halves_no_noise():
    rng = np.random.default_rng(8)
    four = torch.tensor(rng.normal(size=(1, 4, 5, 5)) + 1j * rng.normal(size=(1, 4, 5, 5)))
    reciprocal = four.clone()
    reciprocal[:, 2] = reciprocal[:, 1]
    vector = scattering_vector(reciprocal)
    torch.testing.assert_close(vector.abs().square().sum(1), reciprocal.abs().square().sum(1))
    noise = torch.tensor(rng.normal(size=(1, 4, 150, 150)) + 1j * rng.normal(size=(1, 4, 150, 150)))
    power = scattering_vector(noise).abs().square().mean((0, 2, 3))
    np.testing.assert_allclose(power, 2.0, rtol=0.03)


def test_one_of_the_cross_polarisations_stands_for_both():
    four = torch.tensor([1 + 1j, 2 - 1j, 3 + 0j, 4j]).reshape(1, 4, 1, 1)
    for missing, stays in ((1, 2), (2, 1)):
        part = four.clone()
        part[:, missing] = complex(math.nan, math.nan)
        np.testing.assert_allclose(scattering_vector(part)[0, 1, 0, 0], math.sqrt(2) * four[0, stays, 0, 0], rtol=1e-6)
    four[:, 1:3] = complex(math.nan, math.nan)
    assert bool(torch.isnan(scattering_vector(four)[0, 1].real).all())


@pytest.mark.parametrize(
    ("present", "components"),
    [
        ((True, True, True, True), (0, 1, 2)),
        ((False, False, True, True), (1, 2)),
        ((True, True, False, False), (0, 1)),
        ((True, False, False, True), (0, 2)),
        ((False, False, False, True), (2,)),
        ((False, False, False, False), ()),
    ],
)
def test_components_of_an_images_polarisations(present, components):
    assert vector_components(present) == components
