from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from ringmoe_core import RingMoE, RingMoEConfig
from ringmoe_core.acquisition import AcquisitionEncoding

NAN = float("nan")


@pytest.fixture
def encoding():
    """A trained one, of large parameters."""
    module = AcquisitionEncoding(24)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return module


def of(encoding, day=0.3, gsd=10.0):
    return encoding(torch.tensor([day]), torch.tensor([gsd]))[0]


def test_follows_its_formula(encoding):
    day, gsd = 0.37, 27.0
    turns = [day, 2 * day, 3 * day]
    octaves = [math.log2(gsd / 10) / period for period in (32, 16, 8, 4)]
    inputs = [wave(2 * math.pi * turn) for part in (turns, octaves) for wave in (math.sin, math.cos) for turn in part]
    expected = encoding.projection.weight @ torch.tensor(inputs) + encoding.projection.bias
    torch.testing.assert_close(of(encoding, day, gsd), expected)


def test_an_unknown_gsd_is_its_own_vector_and_keeps_the_season(encoding):
    spring, autumn = of(encoding, 0.3, NAN), of(encoding, 0.8, NAN)
    assert spring.isfinite().all()
    torch.testing.assert_close(spring - autumn, of(encoding, 0.3, 10.0) - of(encoding, 0.8, 10.0), rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        encoding.unknown_gsd_D.add_(1)
    torch.testing.assert_close(of(encoding, 0.3, NAN), spring + 1)
    assert torch.equal(of(encoding, 0.3, 10.0), of(encoding, 0.3, 10.0))


def test_a_known_gsd_never_meets_the_unknown_vector(encoding):
    before = of(encoding, 0.3, 2.5)
    with torch.no_grad():
        encoding.unknown_gsd_D.fill_(NAN)
    assert torch.equal(of(encoding, 0.3, 2.5), before)


def test_new_year_is_no_step(encoding):
    assert (of(encoding, 0.9999) - of(encoding, 0.0)).norm() < 0.02
    assert (of(encoding, 0.5) - of(encoding, 0.0)).norm() > 1


def test_near_distances_are_near_and_none_repeats(encoding):
    ladder = torch.tensor([0.1 * 2**step for step in range(14)])  # 0.1 to 819 m
    answers = encoding(torch.zeros(14), ladder)
    distance = torch.cdist(answers, answers) + 100 * torch.eye(14)
    assert distance.min() > 1
    assert (of(encoding, 0.3, 10.0) - of(encoding, 0.3, 10.5)).norm() < 0.2 * (
        of(encoding, 0.3, 10.0) - of(encoding, 0.3, 30.0)
    ).norm()


def test_gradients_are_finite_with_known_and_unknown_together(encoding):
    encoding(torch.tensor([0.1, 0.6, 0.9]), torch.tensor([10.0, NAN, 0.3])).square().sum().backward()
    for name, parameter in encoding.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).any(), name


def test_a_fresh_model_is_unchanged_by_it_and_can_learn_it(make_series):
    """The encoding is zero at first, whatever it is told, but not without gradient."""
    plain = RingMoEConfig(dim=16, head_dim=8, depths=(1, 1), fusion_dim=16)
    told = replace(plain, encodes_acquisition=True)
    model, other = RingMoE(plain, seed=5), RingMoE(told, seed=6)
    other.load_state_dict(model.state_dict(), strict=False)
    series = make_series("ms", dates=2)
    known = replace(series, gsd_m_BT=torch.tensor([[10.0, NAN], [0.5, 300.0]]))
    for mine, its in zip(model.encode({"ms": series}).levels, other.encode({"ms": known}).levels, strict=True):
        assert torch.equal(mine, its)
    other.encode({"ms": known}).levels[1].square().mean().backward()
    for name, parameter in other.encoder.acquisition.named_parameters():
        assert (parameter == 0).all(), name
        assert (parameter.grad != 0).any(), name


def test_a_model_listens_to_gsd_and_date(make_series):
    config = RingMoEConfig(dim=16, head_dim=8, depths=(1, 1), maps=False, encodes_acquisition=True)
    model = RingMoE(config, seed=5)
    with torch.no_grad():
        model.encoder.acquisition.projection.weight.normal_(generator=torch.Generator().manual_seed(0))
    series = make_series("ms", dates=1)

    def tokens(**changes):
        return model.encode({"ms": replace(series, **changes)}).levels[0]

    metre = torch.ones_like(series.day_BT)
    assert not torch.allclose(tokens(gsd_m_BT=metre), tokens(gsd_m_BT=10 * metre), atol=1e-3)
    assert not torch.allclose(tokens(), tokens(day_BT=(series.day_BT + 0.5) % 1), atol=1e-3)
    assert torch.equal(tokens(), tokens(gsd_m_BT=NAN * metre))
