from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from prune_models import PAPER, SMALL, batch, layers, lively

from ringmoe_core import RingMoE
from ringmoe_core.prune import (
    calibrate,
    dense_config,
    densify,
    extract,
    extracted_config,
    prune_experts,
    pruned_config,
    recalibrate,
)
from ringmoe_core.prune.routes import BankRoute, TokenSample, layer_output, route_tokens

BIASED = replace(SMALL, balancing="bias")
STYLES = pytest.mark.parametrize(
    "config", [SMALL, replace(SMALL, top_k=2), BIASED, PAPER], ids=["top 1", "top 2", "balanced by bias", "paper"]
)


def made(config, *, by="frequency", keep=0.5, **options):
    model = lively(config)
    calibration = calibrate(model, [batch(config), batch(config, seed=9)])
    return model, calibration, prune_experts(model, calibration, keep=keep, by=by, **options)


def kept_experts(full, pruned):
    """Index in the full bank of each expert that stayed."""
    return [
        (full.collaborative.expand_weight_XFD == one).flatten(1).all(1).nonzero().item()
        for one in pruned.collaborative.expand_weight_XFD
    ]


@STYLES
def test_tokens_whose_experts_stay_are_transformed_as_before(config):
    model, calibration, pruned = made(config)
    assert (pruned.config.num_collaborative, pruned.config.num_pruned) == (2, 2)
    for full, small, found in zip(layers(model), layers(pruned), calibration.layers, strict=True):
        kept = kept_experts(full, small)
        assert kept == sorted(kept)
        with torch.no_grad():
            route = route_tokens(full, config, found.sample)["collaborative"]
            stays = torch.isin(route.expert_TK, torch.tensor(kept)).all(1)
            assert 0 < stays.sum() < len(stays)
            before, after = (
                layer(found.sample.tokens_TD[:, None], found.sample.modality_T)[0][:, 0] for layer in (full, small)
            )
            torch.testing.assert_close(layer_output(full, config, found.sample), before, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(after[stays], before[stays], rtol=1e-5, atol=1e-6)
        assert (after[~stays] - before[~stays]).abs().amax(1).median() > 1e-2


def test_ghosts_keep_the_denominator():
    model, calibration, pruned = made(SMALL)
    for full, small, found in zip(layers(model), layers(pruned), calibration.layers, strict=True):
        kept = torch.tensor(kept_experts(full, small))
        tokens = found.sample.tokens_TD
        with torch.no_grad():
            wanted = (tokens @ full.router.collaborative_CD.T).softmax(1)[:, kept]
            route = route_tokens(small, pruned.config, found.sample)["collaborative"]
        torch.testing.assert_close(route.gate_TK[:, 0], wanted.max(1).values, rtol=1e-5, atol=1e-6)
        assert route.gate_TK.max() < 1


def test_pruning_twice_equals_pruning_once():
    model, calibration, twice = made(SMALL, keep=0.75)
    twice = prune_experts(twice, calibrate(twice, [batch(SMALL), batch(SMALL, seed=9)]), keep=1 / 3, by="frequency")
    assert (twice.config.num_collaborative, twice.config.num_pruned) == (1, 3)
    for full, small, found in zip(layers(model), layers(twice), calibration.layers, strict=True):
        rows = small.router.collaborative_CD
        order = [(full.router.collaborative_CD == row).all(1).nonzero().item() for row in rows]
        assert sorted(order) == [0, 1, 2, 3]
        assert order[:1] == kept_experts(full, small)
        assert found.collaborative.chosen_MX.sum(0)[order[3]] == found.collaborative.chosen_MX.sum(0).min()


@pytest.mark.parametrize("by", ["frequency", "output_norm"])
def test_dead_experts_are_found(by):
    """Experts 1 and 3 of every layer are never chosen: without them nothing changes, ghosts or not."""
    model = lively(SMALL)
    with torch.no_grad():
        for layer in layers(model):
            best = layer.router.collaborative_CD[0].clone()  # scores s, s/2, -s, s/3: only the first and third can lead
            layer.router.collaborative_CD.copy_(torch.stack([best, best / 2, -best, best / 3]))
    calibration = calibrate(model, [batch(SMALL)])
    pruned = prune_experts(model, calibration, keep=0.5, by=by)
    assert [kept_experts(*pair) for pair in zip(layers(model), layers(pruned), strict=True)] == [[0, 2]] * 3
    series = batch(SMALL, seed=40)
    with torch.no_grad():
        for ours, theirs in zip(pruned.encode(series).levels, model.encode(series).levels, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_output_norm_finds_what_frequency_misses():
    """The expert taken most often says nothing."""
    model = lively(SMALL)
    popular = calibrate(model, [batch(SMALL)]).layers[0].collaborative.chosen_MX.sum(0).argmax().item()
    with torch.no_grad():
        layers(model)[0].collaborative.reduce_weight_XDF[popular] = 0
        layers(model)[0].collaborative.reduce_bias_XD[popular] = 0
    calibration = calibrate(model, [batch(SMALL)])
    by_count, by_norm = (prune_experts(model, calibration, keep=0.75, by=by) for by in ("frequency", "output_norm"))
    assert popular in kept_experts(layers(model)[0], layers(by_count)[0])
    assert popular not in kept_experts(layers(model)[0], layers(by_norm)[0])


def branch(layer, config, sample: TokenSample, bank):
    """A bank's own output, by the layer's forward less the other branches."""
    with torch.no_grad():
        route: BankRoute = route_tokens(layer, config, sample)[bank]
        stack = getattr(layer, bank)
        total = torch.zeros_like(sample.tokens_TD)
        for k in range(route.expert_TK.shape[1]):
            for t, (x, gate) in enumerate(zip(route.expert_TK[:, k].tolist(), route.gate_TK[:, k], strict=True)):
                hidden = torch.nn.functional.gelu(
                    stack.expand_weight_XFD[x] @ sample.tokens_TD[t] + stack.expand_bias_XF[x]
                )
                total[t] += gate * (stack.reduce_weight_XDF[x] @ hidden + stack.reduce_bias_XD[x])
        return total


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, top_k=2), PAPER], ids=["top 1", "top 2", "paper"])
def test_recalibrated_gains_are_the_least_squares_ones(config):
    """No other gain of any one expert makes the branch match the source's better."""
    model = lively(config)
    calibration = calibrate(model, [batch(config)], num_tokens=150)
    plain = prune_experts(model, calibration, keep=0.5, by="frequency")
    fitted = prune_experts(model, calibration, keep=0.5, by="frequency", gate="recalibrated")
    assert fitted.config.num_pruned == 0
    assert plain.config.num_pruned == 2
    for full, small, found in zip(layers(model), layers(fitted), calibration.layers, strict=True):
        target = branch(full, config, found.sample, "collaborative")
        best = (branch(small, fitted.config, found.sample, "collaborative") - target).square().sum()
        assert best < target.square().sum()
        for expert in range(2):
            for factor in (0.98, 1.02):
                with torch.no_grad():
                    small.collaborative.reduce_weight_XDF[expert] *= factor
                    small.collaborative.reduce_bias_XD[expert] *= factor
                other = (branch(small, fitted.config, found.sample, "collaborative") - target).square().sum()
                with torch.no_grad():
                    small.collaborative.reduce_weight_XDF[expert] /= factor
                    small.collaborative.reduce_bias_XD[expert] /= factor
                assert other > best


def test_recalibration_changes_nothing_that_was_not_pruned():
    model = lively(SMALL)
    calibration = calibrate(model, [batch(SMALL)])
    same = prune_experts(model, calibration, keep=1, gate="recalibrated")
    for name, value in same.state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=1e-5, atol=1e-7)


def test_a_single_expert_gets_the_branchs_mean_size_back():
    """Its gate is 1 without the others, so the gain is what the gates were worth."""
    model = lively(SMALL)
    with torch.no_grad():
        for layer in layers(model):
            for value in layer.collaborative.parameters():
                value.copy_(value[:1].expand_as(value).clone())  # all experts alike: only the gates differ
    calibration = calibrate(model, [batch(SMALL)])
    fitted = prune_experts(model, calibration, keep=0.25, gate="recalibrated")
    for full, small, found in zip(layers(model), layers(fitted), calibration.layers, strict=True):
        gain = (small.collaborative.reduce_weight_XDF[0] / full.collaborative.reduce_weight_XDF[0]).median()
        gates = route_tokens(full, SMALL, found.sample)["collaborative"].gate_TK
        assert gates.min() < gain < gates.max()


def test_specialised_experts_are_ranked_by_modality():
    model = lively(SMALL)
    calibration = calibrate(model, [batch(SMALL)])
    pruned = prune_experts(model, calibration, keep=1, by="frequency", gate="recalibrated", keep_specialised=2 / 3)
    assert pruned.config.num_specialised == 2
    for full, small, found in zip(layers(model), layers(pruned), calibration.layers, strict=True):
        for modality, chosen in enumerate(found.specialised.chosen_MX):
            worst = chosen.argmin().item()
            wanted = [3 * modality + expert for expert in range(3) if expert != worst]
            mine = small.specialised.expand_weight_XFD[2 * modality : 2 * modality + 2]
            assert torch.equal(mine, full.specialised.expand_weight_XFD[wanted])
            rows = [expert for expert in range(3) if expert != worst]
            assert torch.equal(small.router.specialised_MSD[modality], full.router.specialised_MSD[modality, rows])


def test_selection_biases_follow_their_experts():
    model, _, pruned = made(BIASED)
    for full, small in zip(layers(model), layers(pruned), strict=True):
        kept = kept_experts(full, small)
        assert torch.equal(small.router.collaborative_bias_C, full.router.collaborative_bias_C[kept])


def test_wrong_requests_are_refused():
    model = lively(SMALL)
    calibration = calibrate(model, [batch(SMALL)])
    with pytest.raises(ValueError, match=r"keep must lie in \(0, 1\], got 0"):
        prune_experts(model, calibration, keep=0)
    with pytest.raises(ValueError, match="importance is one of"):
        prune_experts(model, calibration, keep=0.5, by="size")
    one = extract(model, ("ms",))
    with pytest.raises(ValueError, match=r"models of its own configuration.*calibrate this model"):
        prune_experts(one, calibration, keep=0.5)
    with pytest.raises(ValueError, match="one modalities"):
        recalibrate(one, model, calibration)
    dense = densify(model, calibration, method="select")
    with pytest.raises(ValueError, match="no bank that its source lacks"):
        recalibrate(model, dense, calibrate(dense, [batch(SMALL)]))


GIANT = replace(
    PAPER, maps=False, dim=448, depths=(2, 2, 18, 2), head_dim=32, window=12, mlp_ratio=4, num_specialised=4
)
ONE = extracted_config(GIANT, ("sar_l2",))
SIZES = {
    "full": (GIANT, 14.746e9),
    "one modality": (ONE, 6.535e9),
    "after EP": (pruned_config(ONE, keep=0.25), 4.482e9),
    "dense": (dense_config(ONE), 1.061e9),
}


@pytest.mark.parametrize("name", SIZES)
def test_the_papers_sizes(name):
    """Counts of the specification, part 1.6, on modules without storage."""
    config, wanted = SIZES[name]
    model = RingMoE(config, seed=None)
    assert sum(value.numel() for value in model.parameters()) == pytest.approx(wanted, rel=1e-3)
