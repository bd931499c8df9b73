"""Contrastive losses against loops written out, and what they do with pairs that must not count."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp

from ringmoe_core.losses import info_nce, routing_losses, sigmoid_contrastive


def rows(num, dim=6, seed=0):
    return torch.randn(num, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine(first, second):
    return float(first @ second) / float(first.norm() * second.norm())


def slow_info_nce(first, second, scale, ignore):
    total, num = 0.0, len(first)
    for i in range(num):
        for one, other, skip in ((first, second, ignore), (second, first, ignore.T)):
            scores = [scale * cosine(one[i], other[j]) for j in range(num) if j == i or not skip[i, j]]
            total += logsumexp(scores) - scale * cosine(one[i], other[i])
    return total / (2 * num)


def slow_sigmoid(first, second, scale, bias, ignore):
    total = 0.0
    for i in range(len(first)):
        for j in range(len(first)):
            if i == j or not ignore[i, j]:
                sign = 1 if i == j else -1
                total -= np.log(expit(sign * (scale * cosine(first[i], second[j]) + bias)))
    return total / len(first)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("num", [1, 2, 7])
def test_both_equal_the_loops(num, masked):
    first, second = rows(num), rows(num, seed=1)
    ignore = torch.rand(num, num, generator=torch.Generator().manual_seed(2)) < (0.4 if masked else 0.0)
    scale, bias = torch.tensor(math.log(5.0), dtype=torch.float64), torch.tensor(-1.3, dtype=torch.float64)
    assert float(info_nce(first, second, scale, ignore)) == pytest.approx(
        slow_info_nce(first, second, 5.0, ignore.numpy()), abs=1e-12
    )
    assert float(sigmoid_contrastive(first, second, scale, bias, ignore)) == pytest.approx(
        slow_sigmoid(first, second, 5.0, -1.3, ignore.numpy()), abs=1e-12
    )


def test_rows_without_any_likeness_cost_the_logarithm_of_their_number():
    ones, zero = torch.ones(8, 4), torch.zeros(())
    assert float(info_nce(ones, ones, zero)) == pytest.approx(math.log(8))
    # p = 1/2 for each of 8 pairs of a row
    assert float(sigmoid_contrastive(ones, ones, torch.tensor(-100.0), zero)) == pytest.approx(8 * math.log(2))


def test_an_ignored_false_negative_is_not_pushed_away():
    first, second = rows(3), rows(3, seed=1)
    second[1] = second[0]  # rows 0 and 1 show one place
    ignore = torch.zeros(3, 3, dtype=torch.bool)
    ignore[0, 1] = ignore[1, 0] = True
    scale, bias = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for loss in (
        lambda f, s: info_nce(f, s, scale, ignore),
        lambda f, s: sigmoid_contrastive(f, s, scale, bias, ignore),
    ):
        moved = second.clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss(first, moved), moved)
        # the slope at row 1 comes from its own pair and from row 2 alone: first[0] has no part in it
        other = first.clone()
        other[0] = rows(1, seed=9)[0]
        kept = torch.autograd.grad(loss(other, moved), moved)[0]
        torch.testing.assert_close(slope[1], kept[1])


def test_the_diagonal_always_counts():
    first, second = rows(4), rows(4, seed=1)
    every = torch.ones(4, 4, dtype=torch.bool)
    scale = torch.zeros((), dtype=torch.float64)
    assert float(info_nce(first, second, scale, every)) == pytest.approx(0.0, abs=1e-12)
    own = np.mean([-np.log(expit(cosine(a, b))) for a, b in zip(first, second, strict=True)])
    assert float(sigmoid_contrastive(first, second, scale, scale, every)) == pytest.approx(own)


def test_slopes_by_finite_differences():
    first, second = rows(5).requires_grad_(), rows(5, seed=1).requires_grad_()
    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(-0.5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(info_nce, (first, second, scale))
    assert torch.autograd.gradcheck(sigmoid_contrastive, (first, second, scale, bias))


def test_no_row_costs_nothing_and_keeps_a_gradient():
    empty, scale, bias = torch.zeros(0, 4, requires_grad=True), torch.zeros((), requires_grad=True), torch.zeros(())
    for value in (info_nce(empty, empty, scale), sigmoid_contrastive(empty, empty, scale, bias)):
        assert value.item() == 0
        value.backward()
    assert float(scale.grad) == 0


def test_scores_are_float32_under_autocast():
    first, second = rows(16, 64).bfloat16(), rows(16, 64, seed=1).bfloat16()
    scale = torch.tensor(math.log(100.0))
    with torch.autocast("cpu", torch.bfloat16):
        value = info_nce(first, second, scale)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, info_nce(first.float(), second.float(), scale))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        info_nce(rows(3), rows(2), torch.zeros(()))
    with pytest.raises(ValueError, match="rows"):
        info_nce(rows(3)[:, :, None], rows(3)[:, :, None], torch.zeros(()))
    with pytest.raises(ValueError, match="ignore"):
        sigmoid_contrastive(rows(3), rows(3), torch.zeros(()), torch.zeros(()), torch.zeros(3, 3))


def test_routing_losses_are_the_reports_times_their_weights(small_model, make_series):
    features = small_model.encode({"ms": make_series("ms"), "sar_l2": make_series("sar_l2")})
    losses = routing_losses(features.routing, balance_weight=0.01, z_weight=0.001)
    assert losses.balance.item() == pytest.approx(0.01 * features.routing.balance_loss.item())
    assert losses.z.item() == pytest.approx(0.001 * features.routing.z_loss.item())
    (losses.balance + losses.z).backward()
    routers = [p.grad for name, p in small_model.named_parameters() if "router" in name]
    assert routers
    assert all(slope is not None and float(slope.abs().sum()) > 0 for slope in routers)


def test_routing_losses_without_experts_are_zero():
    losses = routing_losses(None)
    assert losses.balance.item() == 0.0
    assert losses.z.item() == 0.0
