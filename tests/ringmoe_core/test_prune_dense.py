from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from prune_models import PAPER, SMALL, agreement, batch, everyone, layers, lively
from torch.nn import functional

from ringmoe_core.prune import calibrate, dense_config, densify, extract, prune_experts
from ringmoe_core.prune.routes import route_tokens


def alike(config):
    """A model in which all experts of a layer are the shared one with its hidden units in another order."""
    model = lively(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in layers(model):
            own = layer.shared
            for bank in (layer.specialised, layer.collaborative):
                for x in range(bank.num_experts):
                    order = torch.randperm(own.expand.out_features, generator=generator)
                    bank.expand_weight_XFD[x] = own.expand.weight[order]
                    bank.expand_bias_XF[x] = own.expand.bias[order]
                    bank.reduce_weight_XDF[x] = own.reduce.weight[:, order]
                    bank.reduce_bias_XD[x] = own.reduce.bias
    return model


@pytest.mark.parametrize("method", ["KS", "KA"])
@pytest.mark.parametrize("on", ["weights", "activations"])
@pytest.mark.parametrize("config", [SMALL, PAPER], ids=["modern", "paper"])
def test_merging_permuted_copies_is_exact_up_to_the_mean_gate(method, on, config):
    model = alike(config)
    calibration = calibrate(model, [batch(config)])
    dense = densify(model, calibration, method=method, on=on)
    assert dense.config == dense_config(config)
    for full, small, found in zip(layers(model), layers(dense), calibration.layers, strict=True):
        with torch.no_grad():
            gates = sum(route.gate_TK.sum(1) for route in route_tokens(full, config, found.sample).values())
            shared = functional.gelu(full.shared.expand(found.sample.tokens_TD))
            wanted = full.shared.reduce(shared) * (1 + gates.mean())
            torch.testing.assert_close(small.shared(found.sample.tokens_TD), wanted, rtol=1e-3, atol=1e-4)
    if config.style == "paper":  # gates are 1: the dense model is the model
        series = batch(config, seed=20)
        with torch.no_grad():
            torch.testing.assert_close(
                dense(series, everyone(series)), model(series, everyone(series)), rtol=1e-3, atol=1e-3
            )


def test_summation_is_not_too_large_and_unaligned_means_would_fail():
    """The summed bank speaks with the voice of one expert, not of all."""
    model = alike(PAPER)
    calibration = calibrate(model, [batch(PAPER)])
    layer, found = layers(densify(model, calibration, method="KS"))[0], calibration.layers[0]
    full = layers(model)[0]
    with torch.no_grad():
        target = full(found.sample.tokens_TD[:, None], found.sample.modality_T)[0][:, 0]
        assert layer.shared(found.sample.tokens_TD).norm() / target.norm() == pytest.approx(1, abs=1e-3)
        bank = full.collaborative
        hidden = functional.gelu(
            found.sample.tokens_TD @ bank.expand_weight_XFD.mean(0).T + bank.expand_bias_XF.mean(0)
        )
        unaligned = hidden @ bank.reduce_weight_XDF.mean(0).T
    assert agreement(unaligned, target) < 0.9


def test_branches_may_be_merged_side_by_side():
    model = lively(SMALL)
    calibration = calibrate(model, [batch(SMALL)])
    for ratio in (2, 4, 6):
        dense = densify(model, calibration, method="KS", mlp_ratio=ratio)
        for full, small in zip(layers(model), layers(dense), strict=True):
            kept = small.shared.expand.weight[: full.shared.expand.out_features]
            assert torch.allclose(kept, full.shared.expand.weight) == (ratio > 2)
    for ratio in (3, 8):
        with pytest.raises(ValueError, match=r"KS gives \[32, 64, 96\] hidden units here.*or KC or select"):
            densify(model, calibration, method="KS", mlp_ratio=ratio)


def test_traffic_decides_what_counts():
    """A model that only ever saw one modality is merged from its experts alone."""
    model = lively(SMALL)
    series = batch(SMALL, "ms")
    one = extract(model, ("ms",))
    for method in ("KS", "KA", "KC", "select"):
        whole = densify(model, calibrate(model, [series]), method=method)
        alone = densify(one, calibrate(one, [series]), method=method)
        for ours, theirs in zip(layers(whole), layers(alone), strict=True):
            for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
                torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["KS", "KA", "KC", "select", "random-experts"])
@pytest.mark.parametrize("ratio", [None, 6])
def test_refit_brings_every_method_nearer_to_the_layers(method, ratio):
    model = lively(SMALL)
    calibration = calibrate(model, [batch(SMALL, seed=seed) for seed in (0, 7)])
    fresh = calibrate(model, [batch(SMALL, seed=30)]).layers
    plain, fitted = (densify(model, calibration, method=method, mlp_ratio=ratio, refit=way) for way in (False, True))
    control = densify(model, calibration, method="random-experts", mlp_ratio=ratio)
    errors = torch.zeros(3)
    for full, found, *smalls in zip(layers(model), fresh, *(layers(m) for m in (control, plain, fitted)), strict=True):
        with torch.no_grad():
            target = full(found.sample.tokens_TD[:, None], found.sample.modality_T)[0][:, 0]
            errors += torch.stack(
                [(small.shared(found.sample.tokens_TD) - target).norm() / target.norm() for small in smalls]
            )
    assert errors[2] < 0.95 * errors[1]
    assert errors[1] < errors[0] or method == "random-experts"


@pytest.mark.parametrize("config", [SMALL, PAPER], ids=["modern", "paper"])
@pytest.mark.parametrize("method", ["KS", "KA", "KC", "select", "random", "random-experts"])
def test_every_method_runs_as_a_dense_model(config, method):
    model = lively(config).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    dense = densify(model, calibrate(model, [batch(config)]), method=method, mlp_ratio=4)
    assert dense.config == dense_config(config, mlp_ratio=4)
    assert not [name for name, _ in dense.named_parameters() if "router" in name or "collaborative" in name]
    assert dense.training
    series = batch(config, "ms")
    out = dense(series, everyone(series))
    out.square().mean().backward()
    assert torch.isfinite(out).all()
    assert all(torch.isfinite(value.grad).all() for value in dense.parameters() if value.grad is not None)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_controls_are_seeded_and_keep_what_they_say():
    model = lively(SMALL)
    calibration = calibrate(model, [batch(SMALL)])
    first, again, other, rest = (
        densify(model, calibration, method=method, seed=seed).state_dict()
        for method, seed in (("random", 1), ("random", 1), ("random", 2), ("random-experts", 1))
    )
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["encoder.embeds.ms.projection.weight"], other["encoder.embeds.ms.projection.weight"])
    for name, value in rest.items():
        source = first if ".mixture.shared." in name else model.state_dict()
        assert torch.equal(value, source[name])


def test_a_dense_model_is_made_narrower():
    wide = lively(replace(SMALL, num_specialised=0, num_collaborative=0, mlp_ratio=4))
    calibration = calibrate(wide, [batch(SMALL)])
    narrow = densify(wide, calibration, method="select", mlp_ratio=2, refit=True)
    series = batch(SMALL, seed=50)
    with torch.no_grad():
        pair = [model(series, everyone(series)) for model in (wide, narrow)]
    assert agreement(*(value.flatten(1) for value in pair)) > 0.8
    same_again = densify(wide, calibration, method="select")
    for name, value in same_again.state_dict().items():
        assert torch.equal(value, wide.state_dict()[name])


def test_pruned_models_can_be_densified():
    model = lively(SMALL)
    pruned = prune_experts(model, calibrate(model, [batch(SMALL)]), keep=0.25)
    dense = densify(pruned, calibrate(pruned, [batch(SMALL)]), method="KC", refit=True)
    assert dense.config == dense_config(SMALL)


def test_wrong_requests_are_refused():
    model = lively(SMALL)
    calibration = calibrate(model, [batch(SMALL)])
    with pytest.raises(ValueError, match="a method is one of"):
        densify(model, calibration, method="KD")
    with pytest.raises(ValueError, match="compared on one of"):
        densify(model, calibration, method="KS", on="names")
    with pytest.raises(ValueError, match="nothing to fit, got random with a refit"):
        densify(model, calibration, method="random", refit=True)
    for method in ("KC", "select"):
        with pytest.raises(ValueError, match="at most the 544 hidden units of all experts, got 560; ask for fewer"):
            densify(model, calibration, method=method, mlp_ratio=35)
    with pytest.raises(ValueError, match="calibrate this model"):
        densify(extract(model, ("ms",)), calibration, method="KS")
