"""The joint step: which terms it has, what they train, and that it learns."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from pretrain_batches import make_batch

from ringmoe_core import RingMoE
from ringmoe_core.hidden_tokens import HiddenTokens
from ringmoe_core.pretraining import PretrainConfig, Pretrainer
from ringmoe_core.pretraining.hide import hidden_cells, without
from ringmoe_core.pretraining.target import Truth

pytestmark = pytest.mark.usefixtures("one_thread")

MASKED = {"optical", "sar_l1", "sar_l2", "ms", "ms.angle"}
ROUTING = {"balance", "z"}


def make(small_config, *, seed=0, **config):
    return Pretrainer(RingMoE(small_config, seed=1), PretrainConfig(**config), seed=seed)


@pytest.mark.parametrize(
    ("config", "terms"),
    [
        ({}, MASKED | ROUTING),
        ({"contrastive": "sigmoid"}, MASKED | ROUTING | {"contrastive"}),
        ({"contrastive": "info_nce", "masked_weight": 0.0}, ROUTING | {"contrastive"}),
    ],
)
def test_masked_contrast_or_both_by_configuration(small_config, config, terms):
    trained = make(small_config, **config)
    losses = trained(make_batch())
    assert set(losses.terms) == terms
    assert losses.total.requires_grad
    assert losses.routing.collaborative_load_YMX.sum() > 0
    assert bool(trained.decoders) == ("ms" in terms)
    assert (trained.contrast is not None) == ("contrastive" in terms)


def test_total_is_the_weighted_sum_of_the_terms(small_config):
    weights = {
        "optical": 0.3,
        "sar_l1": 0.5,
        "sar_l2": 2.0,
        "ms": 0.7,
        "contrastive": 0.11,
        "balance": 0.02,
        "z": 0.003,
    }
    named = {f"{name}_weight": value for name, value in weights.items()}
    trained = make(
        small_config, masked_weight=1.5, spectral_angle_weight=0.4, contrastive="info_nce", cross_modal=True, **named
    )
    losses = trained(make_batch())
    expected = sum(1.5 * weights[name] * losses.terms[name] for name in ("optical", "sar_l1", "sar_l2", "ms"))
    expected += 1.5 * 0.7 * 0.4 * losses.terms["ms.angle"]
    expected += sum(weights[name] * losses.terms[name] for name in ("contrastive", "balance", "z"))
    assert losses.total.item() == pytest.approx(expected, rel=1e-5)
    assert losses.terms["balance"] == pytest.approx(losses.routing.balance_loss.item())


@pytest.mark.parametrize("names", [("ms",), ("sar_l1",), ("sar_l2", "optical"), ("ms", "sar_l1", "sar_l2")])
def test_any_modalities_in_any_order(small_config, names):
    losses = make(small_config, cross_modal=True, contrastive="sigmoid")(make_batch(names, dates=2))
    contrast = {"contrastive"} if len(names) > 1 else set()
    assert {term.split(".")[0] for term in losses.terms} == set(names) | ROUTING | contrast
    assert all(math.isfinite(value) for value in losses.terms.values())


def test_a_term_of_a_mixed_batch_is_that_of_the_modality_alone(small_config):
    trained = make(small_config, mask_together=()).eval()
    batch = make_batch(dates=2)
    whole = trained(batch).terms
    for name in batch.series:
        alone = trained(replace(batch, series={name: batch.series[name]}, physical={name: batch.physical[name]})).terms
        assert alone[name] == pytest.approx(whole[name], rel=1e-4)


def test_padding_images_and_rows_without_a_modality_change_nothing(small_config):
    trained = make(small_config, mask_together=()).eval()
    batch = make_batch(("ms", "sar_l2"), dates=2)
    series = batch.series["sar_l2"]
    valid = series.valid_BTHW.clone()
    valid[1] = False
    valid[0, 1] = False
    masked = replace(batch, series=dict(batch.series) | {"sar_l2": replace(series, valid_BTHW=valid)})
    hidden = trained.hidden_pixels(batch)["sar_l2"]
    terms = trained(masked).terms
    numbers = trained.reconstruct(masked)["sar_l2"]
    assert bool(torch.isnan(numbers[1]).all())
    assert bool(torch.isfinite(numbers[0, 0]).all())
    target = trained.targets["sar_l2"]
    known = masked.known("sar_l2")[0, :1]
    truth = Truth(
        values_NCHW=batch.physical["sar_l2"][0, :1],
        known_NCHW=known,
        present_NC=torch.ones(1, 2, dtype=torch.bool),
        judged_NHW=hidden[0, :1],
    )
    scale = torch.tensor(target.scale.std).reshape(1, 2, 1, 1), torch.tensor(target.scale.mean).reshape(1, 2, 1, 1)
    power = (numbers[0, :1] - target.noise_power).clamp_min(1e-12)  # the floor that was added
    back = (10 * power.log10() - scale[1]) / scale[0]
    assert terms["sar_l2"] == pytest.approx(float(target.losses(back, truth)[""]), rel=1e-3)


@pytest.mark.parametrize("hide", ["token", "missing"])
def test_a_batch_of_nothing_costs_nothing_and_can_be_stepped(small_config, hide):
    trained = make(small_config, hide=hide, contrastive="info_nce", cross_modal=True)
    batch = make_batch(invalid=1.1)
    losses = trained(batch)
    losses.total.backward()
    assert losses.routing is None
    assert losses.total.item() == 0
    assert set(losses.terms.values()) == {0.0}


@pytest.mark.parametrize("cross_modal", [False, True])
@pytest.mark.parametrize("names", [("ms",), ("optical", "sar_l1", "sar_l2", "ms")])
def test_processes_that_share_gradients_run_every_layer(small_config, names, cross_modal):
    trained = make(small_config, contrastive="sigmoid", cross_modal=cross_modal)
    trained.model.encoder.runs_every_modality = True
    trained(make_batch(names)).total.backward()
    own = [name for name, value in trained.named_parameters() if value.grad is None and not name.startswith("model.")]
    assert own == []
    trained.zero_grad()
    trained(make_batch(names, invalid=1.1)).total.backward()
    assert [n for n, v in trained.named_parameters() if v.grad is None and not n.startswith("model.")] == []


def test_running_every_layer_changes_no_loss(small_config):
    trained = make(small_config, contrastive="sigmoid", cross_modal=True)
    batch = make_batch(("ms", "sar_l2"))
    before = trained(batch)
    trained.model.encoder.runs_every_modality = True
    after = trained(batch)
    assert after.terms == pytest.approx(before.terms, rel=1e-5)
    assert after.total.item() == pytest.approx(before.total.item(), rel=1e-5)


def test_equal_seeds_give_equal_steps(small_config):
    first, second = (make(small_config, contrastive="info_nce") for _ in range(2))
    assert first(make_batch()).total.item() == second(make_batch()).total.item()
    assert make(small_config, seed=1)(make_batch()).total.item() != first(make_batch()).total.item()
    assert first(make_batch(mask_seed=4)).terms["ms"] != first(make_batch(mask_seed=3)).terms["ms"]


def test_wrapping_leaves_the_model_and_the_random_state_as_they_were(small_config):
    model = RingMoE(small_config, seed=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    trained = Pretrainer(model, PretrainConfig(contrastive="sigmoid"))
    trained(make_batch())
    assert torch.equal(torch.get_rng_state(), state)
    assert trained.model is model
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("sar_l1", ["covariance", "span", "plain_power", "raw", "log_l1"])
def test_bfloat16_autocast_stays_finite_and_near_float32(small_config, sar_l1):
    trained = make(small_config, sar_l1=sar_l1, contrastive="info_nce", cross_modal=True)
    batch = make_batch()
    exact = trained(batch).terms
    with torch.autocast("cpu", torch.bfloat16):
        losses = trained(batch)
    assert losses.total.dtype == torch.float32
    losses.total.backward()
    slopes = [value.grad for value in trained.parameters() if value.grad is not None]
    assert all(bool(torch.isfinite(slope).all()) for slope in slopes)
    for name, value in losses.terms.items():
        assert value == pytest.approx(exact[name], rel=0.05, abs=0.05), name


@pytest.mark.parametrize("hide", ["token", "missing"])
def test_the_token_is_trained_where_it_stands(small_config, hide):
    trained = make(small_config, hide=hide)
    trained(make_batch()).total.backward()
    if hide == "missing":
        assert trained.token_D is None
    else:
        assert float(trained.token_D.grad.abs().sum()) > 0


def test_no_hidden_cell_is_the_encoder_as_it_was(small_model, make_series):
    series = {"ms": make_series("ms"), "sar_l2": make_series("sar_l2", dates=2)}
    none = {name: torch.zeros(2, one.num_dates, 8, 8, dtype=torch.bool) for name, one in series.items()}
    plain = small_model.encode(series)
    told = small_model.encode(series, HiddenTokens(token_D=torch.ones(16), cells=none))
    assert all(torch.equal(a, b) for a, b in zip(plain.levels, told.levels, strict=True))


def test_a_token_stands_for_its_patch_whatever_that_holds(small_model, make_series):
    series = make_series("ms", invalid=0.0)
    cells = torch.zeros(2, 3, 8, 8, dtype=torch.bool)
    cells[0, 1, 2, 3] = True
    pixels = series.pixels_BTCHW.clone()
    pixels[0, 1, :, 8:12, 12:16] += 3
    hidden = HiddenTokens(token_D=torch.linspace(-1, 1, 16), cells={"ms": cells})
    first, second = (
        small_model.encode({"ms": replace(series, pixels_BTCHW=values)}, hidden)
        for values in (series.pixels_BTCHW, pixels)
    )
    for stride, level in first.pyramid().items():
        assert torch.equal(level, second.pyramid()[stride])
    other = small_model.encode({"ms": series}, replace(hidden, token_D=torch.zeros(16)))
    assert not torch.equal(first.pyramid()[4][0, 1], other.pyramid()[4][0, 1])
    assert torch.equal(first.pyramid()[4][0, 0], other.pyramid()[4][0, 0])


def test_tokens_count_as_live_where_attention_is_masked(small_config, enliven, make_series):
    model = enliven(RingMoE(replace(small_config, masks_attention=True), seed=1))
    series = make_series("ms", invalid=0.0)
    valid = series.valid_BTHW.clone()
    valid[..., :16, :] = False  # hidden pixels are invalid
    cells = torch.zeros(2, 3, 8, 8, dtype=torch.bool)
    cells[..., :4, :] = True
    shown = {"ms": replace(series, valid_BTHW=valid)}
    dead = model.encode(shown)
    live = model.encode(shown, HiddenTokens(token_D=torch.linspace(-1, 1, 16), cells={"ms": cells}))
    tokens = [report.collaborative_load_YMX.sum((1, 2)).tolist() for report in (dead.routing, live.routing)]
    assert tokens[0] == [6 * 32, 6 * 8, 6 * 8, 6 * 2]  # of each layer: 1, 2 and 1 of the stages
    assert tokens[1] == [6 * 64, 6 * 16, 6 * 16, 6 * 4]
    assert not torch.allclose(dead.pyramid()[4][..., 4:, :], live.pyramid()[4][..., 4:, :])  # seen by visible ones


def test_a_modality_is_helped_by_all_others_and_not_by_itself(small_config, monkeypatch):
    trained = make(small_config, cross_modal=True)
    batch = make_batch(("optical", "sar_l2", "ms"), dates=2)
    given = {}
    for name, decoder in trained.decoders.items():
        plain = decoder.forward
        monkeypatch.setattr(
            decoder,
            "forward",
            lambda own, others, size, f=plain, n=name: (given.update({n: others}), f(own, others, size))[1],
        )
    trained(batch)
    hidden = trained.hidden_pixels(batch)
    shown = {name: without(one, hidden[name]) for name, one in batch.series.items()}
    cells = {name: hidden_cells(one, hidden[name], 4) for name, one in batch.series.items()}
    for name in batch.series:
        rest = {other: one for other, one in shown.items() if other != name}
        features = trained.model.encode(rest, HiddenTokens(token_D=trained.token_D, cells=cells))
        fused = trained.model.fuse(features, torch.ones(2, 1, 4, dtype=torch.bool))
        for mine, expected in zip(given[name], fused.levels, strict=True):
            wanted = expected.permute(0, 2, 3, 1).repeat_interleave(2, dim=0)  # for both dates of a place
            torch.testing.assert_close(mine, wanted, rtol=1e-4, atol=1e-5)


def best_constant(trained, batch):
    """Least loss of each modality when one set of numbers is predicted everywhere."""
    hidden = trained.hidden_pixels(batch)
    best = {}
    for name, target in trained.targets.items():
        N = batch.series[name].num_places
        truth = Truth(
            values_NCHW=batch.physical[name][:, 0],
            known_NCHW=batch.known(name)[:, 0],
            present_NC=batch.present(name)[:, 0],
            judged_NHW=hidden[name][:, 0],
        )
        numbers = torch.zeros(1, target.num_numbers, 1, 1, requires_grad=True)
        optimiser = torch.optim.Adam([numbers], lr=0.08)
        for _ in range(80):
            optimiser.zero_grad()
            value = target.losses(numbers.expand(N, -1, 32, 32), truth)[""]
            value.backward()
            optimiser.step()
        best[name] = value.item()
    return best


@pytest.mark.parametrize("config", [{"hide": "token"}, {"hide": "missing", "cross_modal": True}])
def test_a_small_model_learns_a_batch_beyond_its_mean(small_config, config):
    trained = make(small_config, **config)
    batch = make_batch(places=2, invalid=0.05, block=16)
    optimiser = torch.optim.AdamW(trained.parameters(), lr=6e-3)
    start = trained(batch).terms
    mean = best_constant(trained, batch)
    for _ in range(45):
        optimiser.zero_grad()
        trained(batch).total.backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 5.0)
        optimiser.step()
    end = trained(batch).terms
    for name in ("optical", "ms"):
        assert end[name] < 0.4 * mean[name] < 0.4 * start[name], name
    for name in ("sar_l1", "sar_l2"):  # nats, which may be negative
        assert end[name] < mean[name] - 0.5, name
        assert end[name] < start[name] - 1.0, name
    assert end["ms.angle"] < 0.3 * start["ms.angle"]
