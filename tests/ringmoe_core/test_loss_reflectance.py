"""Reconstruction of reflectance against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import huber

from ringmoe_core.losses import reconstruction_huber, reconstruction_l1, spectral_angle


def test_absolute_error_is_numpys():
    rng = np.random.default_rng(0)
    prediction, target, weight = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 4, 5)), rng.random((2, 3, 4, 5))
    expected = np.average(np.abs(prediction - target), weights=weight)
    assert float(reconstruction_l1(*map(torch.tensor, (prediction, target, weight)))) == pytest.approx(expected)


@pytest.mark.parametrize("delta", [0.2, 1.0, 5.0])
def test_huber_is_scipys(delta):
    rng = np.random.default_rng(1)
    prediction, target = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 4, 5))
    value = reconstruction_huber(torch.tensor(prediction), torch.tensor(target), torch.ones(2, 3, 4, 5), delta)
    assert float(value) == pytest.approx(huber(delta, prediction - target).mean())


@pytest.mark.parametrize("delta", [0.0, -1.0, math.nan])
def test_huber_refuses_a_delta_that_is_none(delta):
    with pytest.raises(ValueError, match="delta"):
        reconstruction_huber(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1), delta)


def spectra(*rows):
    return torch.tensor(np.array(rows), dtype=torch.float64).t()[None, :, :, None]  # (1, C, pixels, 1)


@pytest.mark.parametrize(
    ("first", "second", "degrees"),
    [
        ([1, 0, 0], [0, 1, 0], 90),
        ([1, 1, 0], [1, 0, 0], 45),
        ([0.1, 0.1, 0.1], [0.3, 0.3, 0.3], 0),
        ([1, 2, 3], [-1, -2, -3], 180),
        ([1, 0, 0], [math.cos(1e-3), math.sin(1e-3), 0], math.degrees(1e-3)),
    ],
)
def test_angle_of_known_spectra(first, second, degrees):
    angle = spectral_angle(spectra(first), spectra(second), torch.ones(1, 1, 1))
    assert math.degrees(float(angle)) == pytest.approx(degrees, abs=2e-4)


def test_angle_is_arccos_of_the_cosine_and_blind_to_brightness():
    rng = np.random.default_rng(2)
    first, second = rng.random((50, 10)), rng.random((50, 10))
    cosine = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    angle = spectral_angle(spectra(*first), spectra(*second), torch.ones(1, 50, 1))
    assert float(angle) == pytest.approx(np.arccos(cosine).mean(), rel=1e-6)
    brighter = spectral_angle(spectra(*(7 * first)), spectra(*second), torch.ones(1, 50, 1))
    assert float(brighter) == pytest.approx(float(angle), rel=1e-6)


@pytest.mark.parametrize("row", [[0.3, 0.2, 0.1], [0.0, 0.0, 0.0]])
def test_angle_of_equal_or_black_spectra_has_a_finite_slope(row):
    prediction = spectra(row).requires_grad_()
    spectral_angle(prediction, spectra([0.3, 0.2, 0.1]), torch.ones(1, 1, 1)).backward()
    assert bool(torch.isfinite(prediction.grad).all())


def test_angle_slope_by_finite_differences():
    generator = torch.Generator().manual_seed(0)
    prediction = torch.rand(2, 4, 3, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    target = torch.rand(2, 4, 3, 2, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(lambda p: spectral_angle(p, target, torch.ones(2, 3, 2)), prediction)
