"""Swin Transformer V2's attention (arXiv 2111.09883, equations 2 and 4), by values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from attention_pairs import make_layer

from ringmoe_core.attention import point
from ringmoe_core.position_bias import LogSpacedBias, place_bias
from ringmoe_core.windows import plan_windows


def plain_layer(scale):
    """Queries, keys and values are the tokens; no bias but 16 sigmoid(0) = 8 everywhere."""
    layer = make_layer("cosine", dim=16, head_dim=16, window=2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.qkv.weight.copy_(torch.eye(16).repeat(3, 1))
        layer.projection.weight.copy_(torch.eye(16))
        layer.log_scale_A.fill_(math.log(scale / 10))
    return layer


@pytest.mark.parametrize(("scale", "effective"), [(1.0, 1.0), (10.0, 10.0), (99.0, 99.0), (1e6, 100.0)])
def test_scale_times_cosine_and_never_more_than_a_hundred(scale, effective):
    tokens = torch.zeros(1, 1, 2, 16)
    tokens[0, 0, 0, 0] = 3.0  # lengths must not matter to the scores
    tokens[0, 0, 1, :2] = torch.tensor([0.5 * math.cos(0.1), 0.5 * math.sin(0.1)])  # 0.1 rad from the first
    with torch.no_grad():
        got = plain_layer(scale)(tokens)[0, 0, 0]
    share = 1 / (1 + math.exp(-effective * (1 - math.cos(0.1))))  # of itself: cosine 1 against cos 0.1
    wanted = share * tokens[0, 0, 0] + (1 - share) * tokens[0, 0, 1]
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_a_scale_above_the_limit_gets_no_gradient_and_one_below_does():
    for scale, moves in ((1e6, False), (20.0, True)):
        layer = plain_layer(scale)
        tokens = torch.randn(1, 2, 2, 16, generator=torch.Generator().manual_seed(0))
        layer(tokens).square().sum().backward()
        assert bool(layer.log_scale_A.grad.abs().sum() > 0) is moves


def test_bias_is_a_function_of_the_logarithm_of_the_offset():
    bias = LogSpacedBias(1)
    with torch.no_grad():
        for parameter in bias.parameters():
            parameter.zero_()
        bias.hidden.weight[0, 0] = 1.0  # hidden 0 is max(0, rows), hidden 1 is max(0, -columns)
        bias.hidden.weight[1, 1] = -1.0
        bias.output.weight[0, :2] = torch.tensor([1.0, 2.0])
        placed = place_bias(bias(8), plan_windows((8, 8), 8, shifted=False), 8)[0].reshape(8, 8, 8, 8)
    assert placed[7, 0, 0, 0].item() == pytest.approx(16 / (1 + math.exp(-1.0)), rel=1e-5)  # log 8 / log 8
    assert placed[1, 0, 0, 0].item() == pytest.approx(16 / (1 + math.exp(-1 / 3)), rel=1e-5)  # log 2 / log 8
    assert placed[0, 0, 0, 3].item() == pytest.approx(16 / (1 + math.exp(-2 * 2 / 3)), rel=1e-5)  # -log 4 / log 8
    assert placed[0, 3, 0, 0].item() == pytest.approx(8.0)


def test_bias_of_an_offset_is_the_same_in_windows_of_every_size():
    bias = make_layer("cosine").position
    with torch.no_grad():
        small = place_bias(bias(4), plan_windows((4, 4), 4, shifted=False), 4).reshape(2, 4, 4, 4, 4)
        large = place_bias(bias(12), plan_windows((12, 12), 12, shifted=False), 12).reshape(2, *[12] * 4)
    torch.testing.assert_close(large[:, :4, :4, :4, :4], small)


def test_parameters_of_one_window_serve_another_with_the_same_result():
    layer, wider = make_layer("cosine", window=4), make_layer("cosine", window=16, seed=9)
    wider.load_state_dict(layer.state_dict())
    tokens = torch.randn(1, 4, 3, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(wider(tokens), layer(tokens))


def test_keys_have_no_bias():
    names = {name for name, _ in make_layer("cosine").named_parameters()}
    assert {"query_bias_D", "value_bias_D"} <= names
    assert not names & {"qkv.bias", "key_bias_D", "bias_table_RA"}


def test_a_vector_of_zeros_has_a_direction_and_a_moderate_gradient():
    zero = torch.zeros(2, 16, requires_grad=True)
    point(zero).sum().backward()
    assert torch.equal(point(zero.detach()), torch.zeros(2, 16))
    assert zero.grad.abs().max() <= 1e3 + 1
