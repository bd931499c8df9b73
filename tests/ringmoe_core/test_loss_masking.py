"""What every loss does with pixels that do not count, and with shapes that do not fit."""

from __future__ import annotations

import math

import pytest
import torch

from ringmoe_core.losses import (
    factor_covariance,
    gamma_nll,
    gaussian_covariance_nll,
    masked_mean,
    plain_power_loss,
    reconstruction_huber,
    reconstruction_l1,
    span_loss,
    spectral_angle,
    wishart_nll,
)
from ringmoe_core.losses.scattering import sample_covariance


def complex_noise(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


LOSSES = {
    "l1": (lambda p, x, w: reconstruction_l1(p, x, _planes(w, x)), 3, lambda: torch.rand(2, 3, 6, 5)),
    "huber": (lambda p, x, w: reconstruction_huber(p, x, _planes(w, x), 0.3), 3, lambda: torch.rand(2, 3, 6, 5)),
    "angle": (spectral_angle, 3, lambda: torch.rand(2, 3, 6, 5)),
    "gamma": (lambda p, x, w: gamma_nll(p, x, _planes(w, x), 4.4), 2, lambda: torch.rand(2, 2, 6, 5)),
    "span": (lambda p, x, w: span_loss(p[:, 0], x[:, 0], w), 1, lambda: torch.rand(2, 1, 6, 5)),
    "plain_power": (lambda p, x, w: plain_power_loss(p[:, 0], x[:, 0], w), 1, lambda: torch.rand(2, 1, 6, 5)),
    "gaussian": (
        lambda p, x, w: gaussian_covariance_nll(factor_covariance(p, 1e-2), x, w), 9, lambda: complex_noise(2, 3, 6, 5)
    ),
    "wishart": (
        lambda p, x, w: wishart_nll(factor_covariance(p, 1e-2), sample_covariance(x), w, 4.0),
        9, lambda: complex_noise(2, 3, 6, 5),
    ),
}  # fmt: skip


def _planes(weight, target):
    return weight[:, None].expand_as(target)


@pytest.mark.parametrize("name", LOSSES)
def test_what_does_not_count_cannot_spoil_loss_or_gradient(name):
    loss, channels, make = LOSSES[name]
    torch.manual_seed(3)
    target = make()
    weight = (torch.rand(2, 6, 5) > 0.5).float()
    start = torch.randn(2, channels, 6, 5)
    values, slopes = [], []
    for bad in (0.0, math.nan, math.inf):
        prediction = start.clone().requires_grad_()
        broken = torch.where(weight[:, None] > 0, target, torch.full_like(target, bad))
        value = loss(prediction, broken, weight)
        value.backward()
        values.append(value.item())
        spoilt = torch.where(weight[:, None] > 0, start, math.nan)
        values.append(loss(spoilt, broken, weight).item())
        slopes.append(prediction.grad)
    assert math.isfinite(values[0])
    assert set(values) == {values[0]}
    assert all(torch.equal(slopes[0], other) for other in slopes[1:])
    assert bool((slopes[0].abs().sum(1)[weight == 0] == 0).all())
    assert float(slopes[0].abs().sum()) > 0


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_to_count_is_zero_with_zero_gradient(name):
    loss, channels, make = LOSSES[name]
    prediction = torch.randn(2, channels, 6, 5, requires_grad=True)
    value = loss(prediction, torch.full_like(make(), math.nan), torch.zeros(2, 6, 5))
    value.backward()
    assert value.item() == 0
    assert bool((prediction.grad == 0).all())


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_over_half_the_pixels_is_that_of_these_alone(name):
    loss, channels, make = LOSSES[name]
    torch.manual_seed(5)
    target, prediction = make(), torch.randn(2, channels, 6, 5)
    weight = torch.zeros(2, 6, 5)
    weight[:, :3] = 1
    whole = loss(prediction, target, weight)
    alone = loss(prediction[:, :, :3], target[:, :, :3], torch.ones(2, 3, 5))
    torch.testing.assert_close(whole, alone)


@pytest.mark.parametrize("name", LOSSES)
def test_weights_count_as_often_as_they_say(name):
    loss, channels, make = LOSSES[name]
    torch.manual_seed(6)
    target, prediction = make(), torch.randn(2, channels, 6, 5)
    weight = torch.randint(0, 3, (2, 6, 5)).float()
    total = 0.0
    for n, y, x in weight.nonzero().tolist():
        pixel = [part[n : n + 1, :, y : y + 1, x : x + 1] for part in (prediction, target)]
        total += float(weight[n, y, x]) * float(loss(*pixel, torch.ones(1, 1, 1)))
    expected = total / float(weight.sum())
    assert float(loss(prediction, target, weight)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_predictions_are_judged_in_float32(name):
    loss, channels, make = LOSSES[name]
    torch.manual_seed(7)
    target, prediction = make(), torch.randn(2, channels, 6, 5).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(prediction, target, torch.ones(2, 6, 5))
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(prediction.float(), target, torch.ones(2, 6, 5)))


@pytest.mark.parametrize("name", LOSSES)
def test_shapes_that_would_broadcast_are_refused(name):
    loss, channels, make = LOSSES[name]
    prediction, target = torch.randn(2, channels, 6, 5), make()
    with pytest.raises(ValueError, match="one shape"):
        loss(prediction[:1], target, torch.ones(2, 6, 5))


def test_masked_mean_takes_bool_and_refuses_other_shapes():
    values = torch.tensor([1.0, 2.0, math.nan])
    assert masked_mean(values, torch.tensor([True, True, False])) == 1.5
    with pytest.raises(ValueError, match=r"one shape.*\(3,\).*\(1,\)"):
        masked_mean(values, torch.ones(1))
