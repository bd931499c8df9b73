from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from prune_models import PAPER, SMALL, batch, everyone, layers, lively

from ringmoe_core.prune import calibrate, concatenate, dense_config, extract
from ringmoe_core.prune.concatenation import LayerRoute
from ringmoe_core.prune.routes import route_tokens


@pytest.mark.parametrize("style", ["modern", "paper"])
def test_concatenation_of_single_experts_is_the_model(style):
    config = replace(
        SMALL if style == "modern" else PAPER,
        num_specialised=1,
        num_collaborative=1,
        modalities=("ms",),
        channels=(10,),
    )
    model = lively(config)
    dense = concatenate(model, calibrate(model, [batch(config)]))
    assert dense.config == dense_config(config, mlp_ratio=6)
    series = batch(config, seed=8)
    with torch.no_grad():
        pair = dense(series, everyone(series)), model(series, everyone(series))
    torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-5)


def test_concatenation_is_exact_on_its_route():
    """In the paper's style gates are 1: every token whose experts are those of the route comes out the same."""
    config = replace(PAPER, modalities=("ms",), channels=(4,))
    model = lively(config)
    calibration = calibrate(model, [batch(config)])
    usual = [
        LayerRoute(
            specialised=(int(found.specialised.chosen_MX.argmax()),),
            collaborative=(int(found.collaborative.chosen_MX.argmax()),),
        )
        for found in calibration.layers
    ]
    dense, unnamed = concatenate(model, calibration, routes=usual), concatenate(model, calibration)
    assert dense.config.mlp_ratio == 6
    assert all(torch.equal(value, unnamed.state_dict()[name]) for name, value in dense.state_dict().items())
    for full, small, found, route in zip(layers(model), layers(dense), calibration.layers, usual, strict=True):
        taken = route_tokens(full, config, found.sample)
        wanted_experts = {"specialised": route.specialised[0], "collaborative": route.collaborative[0]}
        on_route = torch.stack([taken[bank].expert_TK[:, 0] == x for bank, x in wanted_experts.items()]).all(0)
        assert 5 < on_route.sum() < len(on_route)
        x = found.sample.tokens_TD
        with torch.no_grad():
            wanted, given = full(x[:, None], found.sample.modality_T)[0][:, 0], small.shared(x)
        torch.testing.assert_close(given[on_route], wanted[on_route], rtol=1e-4, atol=1e-5)
        assert (given - wanted)[~on_route].abs().amax(1).median() > 1e-2


def test_concatenation_takes_as_many_experts_as_a_token():
    """Two experts a bank, both always taken with gates of a half in the paper's style when they score alike."""
    config = replace(PAPER, modalities=("ms",), channels=(4,), num_specialised=2, num_collaborative=2, top_k=2)
    model = lively(config)
    with torch.no_grad():
        for layer in layers(model):
            layer.router.specialised_MSD[:, 1] = layer.router.specialised_MSD[:, 0]
            layer.router.collaborative_CD[1] = layer.router.collaborative_CD[0]
    dense = concatenate(model, calibrate(model, [batch(config)]))
    assert dense.config.mlp_ratio == 10
    series = batch(config, seed=8)
    with torch.no_grad():
        pair = dense(series, everyone(series)), model(series, everyone(series))
    torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-5)


def test_the_usual_route_is_taken_with_its_mean_gates():
    model = extract(lively(SMALL), ("ms",))
    calibration = calibrate(model, [batch(SMALL, "ms")])
    dense = concatenate(model, calibration)
    F = SMALL.mlp_ratio * SMALL.dim
    found, full, small = calibration.layers[0], layers(model)[0], layers(dense)[0]
    for index, (bank, statistics) in enumerate(
        ((full.specialised, found.specialised), (full.collaborative, found.collaborative)), start=1
    ):
        best = int(statistics.chosen_MX[0].argmax())
        gate = float(statistics.gate_MX[0, best] / statistics.chosen_MX[0, best])
        piece = small.shared.reduce.weight[:, index * F : (index + 1) * F]
        torch.testing.assert_close(piece, bank.reduce_weight_XDF[best] * gate)


def test_wrong_routes_are_refused():
    model = lively(SMALL)
    calibration = calibrate(model, [batch(SMALL)])
    with pytest.raises(ValueError, match=r"belongs to one modality.*extract one first"):
        concatenate(model, calibration)
    one = extract(model, ("ms",))
    with torch.no_grad():
        for layer in layers(one):
            layer.router.collaborative_CD[2] = layer.router.collaborative_CD[1] / 2
            layer.router.collaborative_CD[0] = -layer.router.collaborative_CD[1]
    calibration = calibrate(one, [batch(SMALL, "ms")])
    for routes, message in (
        ([LayerRoute()], "routes name experts for each of 3 layers"),
        ([LayerRoute(specialised=(0,)), LayerRoute(), LayerRoute()], "equally many in all"),
        ([LayerRoute(specialised=(3,))] * 3, "specialised expert 3 of 3; name another"),
        ([LayerRoute(collaborative=(2,))] * 3, "collaborative expert 2 that no calibration token takes"),
    ):
        with pytest.raises(ValueError, match=message):
            concatenate(one, calibration, routes=routes)
