from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from prune_models import PAPER, SMALL, batch, images, layers, lively
from torch.nn import functional

from ringmoe_core import Series
from ringmoe_core.prune import calibrate

SUMS = ("tokens_M", "chosen_MX", "gate_MX", "output_MX", "unit_MXF")


def watched_tokens(model, series):
    """What each layer is given, and the modality of each image."""
    seen = []
    hooks = [layer.register_forward_hook(lambda _layer, given, _out: seen.append(given[:2])) for layer in layers(model)]
    with torch.no_grad():
        model.encode(series)
    for hook in hooks:
        hook.remove()
    return seen


def obvious_sums(layer, config, tokens_NLD, modality_N):
    """The statistics of one layer, token by token."""
    M, S, C, F = (
        len(config.modalities),
        config.num_specialised,
        config.num_collaborative,
        layer.shared.expand.out_features,
    )
    own = {
        name: torch.zeros(shape, dtype=torch.float64)
        for name, shape in zip(SUMS, ((M,), (M, S), (M, S), (M, S), (M, S, F)), strict=True)
    }
    common = {
        name: torch.zeros(shape, dtype=torch.float64)
        for name, shape in zip(SUMS, ((M,), (M, C), (M, C), (M, C), (M, C, F)), strict=True)
    }
    for image, modality in enumerate(modality_N.tolist()):
        for token in tokens_NLD[image].detach():
            scores = (
                layer.router.specialised_MSD.detach()[modality] @ token,
                layer.router.collaborative_CD.detach() @ token,
            )
            for sums, score, bank, offset, ghosts in (
                (own, scores[0], layer.specialised, modality * S, 0),
                (common, scores[1], layer.collaborative, 0, config.num_pruned),
            ):
                sums["tokens_M"][modality] += 1
                probability = score.softmax(0)[: len(score) - ghosts]
                chosen = probability.topk(config.top_k).indices.tolist()
                for expert in chosen:
                    gate = probability[expert] / (probability[chosen].sum() if config.style == "paper" else 1)
                    x = offset + expert
                    hidden = functional.gelu(bank.expand_weight_XFD[x] @ token + bank.expand_bias_XF[x]).detach()
                    output = (bank.reduce_weight_XDF[x] @ hidden + bank.reduce_bias_XD[x]).detach()
                    sums["chosen_MX"][modality, expert] += 1
                    sums["gate_MX"][modality, expert] += gate
                    sums["output_MX"][modality, expert] += gate * output.norm()
                    sums["unit_MXF"][modality, expert] += (gate * hidden).square()
    return own, common


@pytest.mark.parametrize(
    "config",
    [SMALL, replace(SMALL, top_k=2, num_collaborative=2, num_pruned=2), PAPER],
    ids=["top 1", "top 2", "paper"],
)
def test_sums_equal_a_walk_over_the_tokens(config):
    model = lively(config)
    series = {name: images(config, name, places=1, dates=1) for name in ("sar_l2", "ms")}
    found = calibrate(model, [series])
    assert (found.config, found.num_batches, len(found.layers)) == (config, 1, 3)
    for layer, statistics, (tokens, modality) in zip(
        layers(model), found.layers, watched_tokens(model, series), strict=True
    ):
        own, common = obvious_sums(layer, config, tokens, modality)
        for wanted, given in ((own, statistics.specialised), (common, statistics.collaborative)):
            for name in SUMS:
                torch.testing.assert_close(getattr(given, name), wanted[name], rtol=1e-4, atol=1e-5, msg=name)
            assert given.frequency.sum(1).tolist() == pytest.approx([0, 0, config.top_k, config.top_k])
        torch.testing.assert_close(statistics.shared.chosen_MX[:, 0], own["tokens_M"], rtol=0, atol=0)


def test_sums_add_over_batches_and_watching_leaves_no_trace():
    model = lively(SMALL).train()
    one, two = batch(SMALL, "ms", seed=1), batch(SMALL, "ms", "sar_l1", seed=5)
    both = calibrate(model, iter([one, two]))
    apart = [calibrate(model, [series]) for series in (one, two)]
    for index, whole in enumerate(both.layers):
        for name in SUMS:
            parts = [getattr(found.layers[index].collaborative, name) for found in apart]
            torch.testing.assert_close(getattr(whole.collaborative, name), parts[0] + parts[1], rtol=1e-12, atol=1e-12)
    assert model.training
    assert not any(layer._forward_hooks for layer in layers(model))


def test_derived_figures_follow_their_definitions():
    found = calibrate(lively(SMALL), [batch(SMALL)]).layers[1].collaborative
    torch.testing.assert_close(found.share.sum(0), found.gate_MX.sum(0) / found.tokens_M.sum())
    torch.testing.assert_close(found.traffic.sum(), torch.ones((), dtype=torch.float64))
    torch.testing.assert_close(found.pooled().chosen_MX[0], found.chosen_MX.sum(0))
    taken = found.chosen_MX > 0
    torch.testing.assert_close(found.output_norm[taken], (found.output_MX / found.chosen_MX)[taken])


def test_sample_is_bounded_repeatable_and_part_of_the_stream():
    model, series = lively(SMALL), batch(SMALL, "optical", "ms")
    first, again = (calibrate(model, [series, series], num_tokens=50, seed=3) for _ in range(2))
    whole = calibrate(model, [series, series], num_tokens=10**6)
    for small, same, large in zip(first.layers, again.layers, whole.layers, strict=True):
        assert small.sample.tokens_TD.shape[0] == 50
        assert torch.equal(small.sample.tokens_TD, same.sample.tokens_TD)
        assert large.sample.tokens_TD.shape[0] == int(large.shared.tokens_M.sum())
        apart = torch.cdist(small.sample.tokens_TD, large.sample.tokens_TD, p=1).min(1)
        assert apart.values.max() == 0
        assert torch.equal(small.sample.modality_T, large.sample.modality_T[apart.indices])


def test_every_token_is_as_likely_to_be_sampled():
    from ringmoe_core.prune.reservoir import Reservoir
    from ringmoe_core.prune.routes import TokenSample

    drawn = torch.zeros(60)
    for seed in range(300):
        reservoir = Reservoir(12, seed=seed)
        for piece in torch.arange(60).split(7):
            reservoir.add(TokenSample(tokens_TD=piece[:, None].float(), modality_T=torch.zeros_like(piece)))
        kept = reservoir.sample().tokens_TD[:, 0].long()
        assert kept.unique().tolist() == kept.tolist()  # in order, none twice
        drawn[kept] += 1
    # 300 draws of one in five: 60 expected, deviation 7; chi-squared of 59 degrees stays below 98.3 with p = 0.999
    assert ((drawn - 60).square() / (60 * 0.8)).sum() < 98.3


def test_dead_tokens_do_not_count():
    config = replace(SMALL, masks_attention=True)
    series = images(config, "ms", places=1, dates=1)
    half = series.valid_BTHW.clone()
    half[..., 16:, :] = False
    found = calibrate(lively(config), [{"ms": replace(series, valid_BTHW=half)}])
    assert [float(layer.shared.tokens_M[3]) for layer in found.layers] == [4 * 6, 2 * 3, 2 * 3]


@pytest.mark.parametrize("empty", [[], "padding"])
def test_no_data_is_refused(empty):
    if empty:
        series = images(SMALL, "ms")
        empty = [
            {
                "ms": Series(
                    **{f.name: getattr(series, f.name) for f in fields(Series)}
                    | {"valid_BTHW": torch.zeros_like(series.valid_BTHW)}
                )
            }
        ]
    model = lively(SMALL)
    with pytest.raises(ValueError, match=r"calibration needs data, got \d batches with 0 tokens.*give batches"):
        calibrate(model, empty)
    assert not any(layer._forward_hooks for layer in layers(model))


def test_broken_weights_and_empty_samples_are_refused():
    model = lively(SMALL)
    with pytest.raises(ValueError, match="at least 1 token, got 0"):
        calibrate(model, [batch(SMALL)], num_tokens=0)
    with torch.no_grad():
        layers(model)[1].collaborative.reduce_bias_XD.fill_(float("nan"))
    with pytest.raises(ValueError, match="finite on calibration data, got NaN or infinity in layer 1"):
        calibrate(model, [batch(SMALL)])
