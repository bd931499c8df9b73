from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from ringmoe_core.heads.height import HeightHead
from ringmoe_core.heads.height_loss import height_loss, mixture_crps
from ringmoe_core.heads.height_prediction import HeightPrediction

CENTRES, SPREADS = np.array([-1.0, 2.0, 9.0]), np.array([0.5, 0.1, 3.0])


def mixture(weights, value):
    return float((weights * norm.cdf((value - CENTRES) / SPREADS)).sum())


@pytest.mark.parametrize("truth", [-4.0, 2.05, 30.0])
@pytest.mark.parametrize("weights", [[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
def test_score_is_the_integral_that_defines_it(truth, weights):
    weights = np.array(weights)
    wanted = (
        quad(lambda h: mixture(weights, h) ** 2, -30, truth, limit=400, points=[1.8, 2.0, 2.2])[0]
        + quad(lambda h: (1 - mixture(weights, h)) ** 2, truth, 60, limit=400, points=[truth + 0.1, 20])[0]
    )
    found = mixture_crps(
        torch.tensor(weights[None]), torch.tensor(CENTRES), torch.tensor(SPREADS), torch.tensor([truth])
    )
    assert found.item() == pytest.approx(wanted, abs=1e-6)


def test_score_of_a_sure_value_is_the_absolute_error():
    found = mixture_crps(
        torch.ones(2, 1).double(), torch.tensor([3.0]).double(), torch.tensor([1e-7]).double(), torch.tensor([5.5, 1.0])
    )
    assert found.tolist() == pytest.approx([2.5, 2.0], abs=1e-6)


def test_score_is_proper():
    """Of all weights the true ones have the least expected score."""
    generator = np.random.default_rng(0)
    true = np.array([0.2, 0.5, 0.3])
    component = generator.choice(3, 20_000, p=true)
    truth = torch.tensor(generator.normal(CENTRES[component], SPREADS[component]))

    def expected(weights):
        rows = torch.tensor(weights, dtype=torch.float64).expand(len(truth), 3)
        return mixture_crps(rows, torch.tensor(CENTRES), torch.tensor(SPREADS), truth).mean().item()

    best = expected(true)
    for other in ([0.3, 0.4, 0.3], [0.1, 0.6, 0.3], [0.2, 0.4, 0.4], [0.2, 0.6, 0.2], [1 / 3, 1 / 3, 1 / 3]):
        assert expected(other) > best + 1e-3


def test_mean_and_deviation_are_those_of_samples():
    weights = torch.tensor([0.2, 0.5, 0.3]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    found = HeightPrediction(
        weights_NZHW=weights,
        centres_NZ=torch.tensor(CENTRES).float()[None],
        spreads_NZ=torch.tensor(SPREADS).float()[None],
    )
    generator = np.random.default_rng(1)
    component = generator.choice(3, 400_000, p=[0.2, 0.5, 0.3])
    samples = generator.normal(CENTRES[component], SPREADS[component])
    assert found.mean_m_NHW[0, 1, 1].item() == pytest.approx(samples.mean(), abs=0.02)
    assert found.sd_m_NHW[0, 0, 1].item() == pytest.approx(samples.std(), abs=0.02)


def test_bins_fill_the_range_and_are_finest_at_the_ground():
    head = HeightHead([4, 4], num_bins=20, range_m=(-5.0, 95.0), channels=16)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        found = head(
            [torch.randn(3, 4, 8, 8, generator=generator), torch.randn(3, 4, 4, 4, generator=generator)], (32, 30)
        )
    assert found.weights_NZHW.shape == (3, 20, 32, 30)
    torch.testing.assert_close(found.weights_NZHW.sum(1), torch.ones(3, 32, 30))
    width = found.spreads_NZ * 12**0.5
    torch.testing.assert_close(width.sum(1), torch.full((3,), 100.0))
    torch.testing.assert_close(found.centres_NZ - width / 2, width.cumsum(1) - width - 5.0, atol=1e-3, rtol=1e-4)
    nearest = found.centres_NZ.abs().argmin(1)
    assert (width[torch.arange(3), nearest] < 0.3 * width.mean()).all()
    assert (found.mean_m_NHW > -5).all()
    assert (found.mean_m_NHW < 95).all()


def test_metres_are_not_rounded_in_half_precision():
    generator = torch.Generator().manual_seed(0)
    found = HeightPrediction(
        weights_NZHW=torch.softmax(3 * torch.randn(1, 9, 8, 8, generator=generator), 1),
        centres_NZ=torch.linspace(0, 120, 9)[None] + 0.123,
        spreads_NZ=torch.ones(1, 9),
    )
    truth = found.mean_m_NHW + 1.0
    with torch.autocast("cpu", torch.bfloat16):
        half = found.mean_m_NHW, found.sd_m_NHW, height_loss(found, truth)
    for one, other in zip(half, (found.mean_m_NHW, found.sd_m_NHW, height_loss(found, truth)), strict=True):
        torch.testing.assert_close(one, other)


def test_impossible_ranges_and_truth_of_other_size_are_refused():
    with pytest.raises(ValueError, match="two bins"):
        HeightHead([4], num_bins=1)
    with pytest.raises(ValueError, match="range"):
        HeightHead([4], range_m=(3.0, 3.0))
    found = HeightPrediction(
        weights_NZHW=torch.ones(1, 1, 2, 2), centres_NZ=torch.zeros(1, 1), spreads_NZ=torch.ones(1, 1)
    )
    with pytest.raises(ValueError, match="cut them alike"):
        height_loss(found, torch.zeros(1, 2, 3))
