from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import typer
from scipy.spatial import distance
from typer.testing import CliRunner

from flows.errors import ConfigError
from flows.routing import BankRow, bank_rows, expert_maps, study_routing
from flows.routing_command import routing
from flows.routing_regions import REGION_SEED, RegionSet, clearest, simulate
from flows.routing_verdict import divergence_bits, verdict
from ringmoe_core import CheckpointMetadata, RingMoE, RingMoEConfig, load_checkpoint, save_checkpoint

SMALL = RegionSet(num_regions=2, size=64, num_dates=2)
CONFIG = RingMoEConfig(dim=16, head_dim=8, depths=(1, 2), num_specialised=3, num_collaborative=4, fusion_dim=16)


def row(bank="collaborative", modality="ms", layer=1, load=(50, 50), entropy=0.5):
    shares = tuple(count / sum(load) for count in load)
    return BankRow(
        layer=layer, stage=1, stride=4, bank=bank, modality=modality, load=load, utilisation=shares,
        entropy_nats=entropy, entropy_share=entropy / np.log(max(2, len(load))),
    )  # fmt: skip


@pytest.fixture(scope="module")
def region():
    return simulate(REGION_SEED, SMALL, ["sar_l2", "ms"])


@pytest.fixture(scope="module")
def model():
    """Routers of large weights, so that every expert is taken."""
    model = RingMoE(CONFIG, seed=3).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".router." in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def dates(series):
    """Each date of a series on its own."""
    for date in range(series.num_dates):
        one = slice(date, date + 1)
        yield replace(
            series,
            **{name: getattr(series, name)[:, one] for name in ("pixels_BTCHW", "valid_BTHW", "present_BTC", "day_BT")},
            age_BT=series.age_BT[:, one],
        )


@torch.inference_mode()
def test_loads_count_what_the_maps_show(model, region):
    rows = bank_rows(CONFIG, [model.encode(region.series).routing])
    assert len(rows) == 3 * 2 * 2
    for name, series in region.series.items():
        counts = {}
        for image in dates(series):
            for one in expert_maps(model, name, image):
                assert one.expert.shape == (64 // one.stride, 64 // one.stride)
                experts = 3 if one.bank == "specialised" else 4
                seen = np.bincount(one.expert.ravel(), minlength=experts)
                counts[one.layer, one.bank] = counts.get((one.layer, one.bank), 0) + seen
        for one in rows:
            if one.modality == name:
                np.testing.assert_array_equal(one.load, counts[one.layer, one.bank])
                assert sum(one.load) == 2 * (64 // one.stride) ** 2
                assert sum(one.utilisation) == pytest.approx(1)
    assert sum(max(one.load) < sum(one.load) for one in rows) > 6  # the maps are of several colours


@torch.inference_mode()
def test_several_passes_add_up(model, region):
    """Two passes of other lengths: the rows equal those of one pass over both."""
    series = region.series["ms"]
    first, second = dates(series)
    whole = bank_rows(CONFIG, [model.encode({"ms": series}).routing])
    parts = bank_rows(CONFIG, [model.encode({"ms": one}).routing for one in (first, second)])
    for one, other in zip(whole, parts, strict=True):
        assert one.load == other.load
        assert one.entropy_nats == pytest.approx(other.entropy_nats, abs=1e-5)


@torch.inference_mode()
def test_entropy_is_that_of_the_softmax(model, region):
    heard = []
    router = model.encoder.stages[0][0].mixture.router
    hook = router.register_forward_hook(lambda _m, inputs, _out: heard.append(inputs[0]))
    routing_report = model.encode({"ms": region.series["ms"]}).routing
    hook.remove()
    odds = (heard[0].double() @ router.collaborative_CD.double().T).softmax(-1).numpy()
    expected = -(odds * np.log(odds)).sum(-1).mean()
    one = next(r for r in bank_rows(CONFIG, [routing_report]) if (r.layer, r.bank) == (1, "collaborative"))
    assert one.entropy_nats == pytest.approx(expected, rel=1e-4)
    assert one.entropy_share == pytest.approx(expected / np.log(4), rel=1e-4)


def test_hooks_are_gone_after_listening(model, region):
    expert_maps(model, "ms", clearest(region.series["ms"]))
    assert not any(module._forward_hooks for module in model.modules())


def test_the_clearest_date_is_shown(region):
    series = region.series["ms"]
    shares = series.valid_BTHW[0].float().mean((1, 2))
    assert clearest(series).valid_BTHW.float().mean() == shares.max()
    red = region.chips[1].bands[0]
    assert red.shape == (64, 64)
    assert 0 < np.nanmean(red) < 0.6  # reflectance, not the model's normalised input
    assert [len(chip.bands) for chip in region.chips] == [2, 3]


@pytest.mark.parametrize(
    ("first", "second"), [((50, 50), (50, 50)), ((100, 0), (0, 100)), ((70, 20, 10), (20, 20, 60)), ((1, 0), (1, 1))]
)
def test_divergence_equals_scipy_s(first, second):
    rows = [row(modality="sar_l2", load=first), row(modality="ms", load=second)]
    (bits,) = divergence_bits(rows)
    p, q = (np.array(load) / sum(load) for load in (first, second))
    assert bits == pytest.approx(distance.jensenshannon(p, q, base=2) ** 2, abs=1e-9)


def test_divergence_is_the_mean_over_pairs_and_needs_two():
    three = [row(modality=name, load=load) for name, load in (("a", (1, 0)), ("b", (1, 0)), ("c", (0, 1)))]
    assert divergence_bits(three) == pytest.approx((2 / 3,))
    assert divergence_bits(three[:1]) == ()
    assert divergence_bits([row(modality=name, load=(9,)) for name in "ab"]) == ()
    assert divergence_bits([row(bank="specialised", modality=name) for name in "ab"]) == ()


def test_verdict_names_dead_experts_and_collapsed_banks():
    rows = [
        row(modality="sar_l2", load=(9999, 1, 0)),
        row(modality="ms", load=(5000, 5000, 0)),
        row(bank="specialised", modality="ms", load=(10000, 0)),
        row(bank="specialised", modality="sar_l2", load=(400, 600)),
    ]
    dead, collapse, sharing = verdict(rows, divergence_bits(rows))
    assert (dead.about, dead.state) == ("dead", "bad")
    # collaborative expert 2 is dead for Sentinel-1 only: it lives; expert 3 is nobody's
    assert dead.cases == ("layer 1, collaborative, expert 3", "layer 1, specialised, Sentinel-2, expert 2")
    assert dead.text.startswith("2 of 7 experts dead")
    assert collapse.state == "bad"
    assert collapse.cases == (
        "layer 1, collaborative, Sentinel-1: 100.0%",
        "layer 1, specialised, Sentinel-2: 100.0%",
    )
    assert "Sentinel-1 and Sentinel-2 use the collaborative experts in part differently" in sharing.text


@pytest.mark.parametrize(
    ("load", "words"), [((50, 50), "experts alike: "), ((1, 99), "in part differently"), ((99, 1), "alike")]
)
def test_verdict_says_how_much_is_shared(load, words):
    rows = [row(modality="sar_l2", load=(95, 5) if load == (99, 1) else (50, 50)), row(modality="ms", load=load)]
    assert words in verdict(rows, divergence_bits(rows))[2].text
    apart = [row(modality="sar_l2", load=(1, 0)), row(modality="ms", load=(0, 1))]
    assert "and hardly share them: Jensen-Shannon divergence 1.00 bit" in verdict(apart, divergence_bits(apart))[2].text


def test_verdict_of_a_healthy_model_is_good():
    dead, collapse = verdict([row(load=(60, 40)), row(layer=2, load=(94, 6))], ())
    assert (dead.state, collapse.state) == ("good", "good")
    assert "94% (layer 2, collaborative, Sentinel-2)" in collapse.text
    assert verdict([row(load=(7,))], ())[1].state == "note"


def saved(path, model, **changes):
    fields = {
        "trained_modalities": ("sar_l2", "ms"), "normalisation": "physical-v1", "class_names": tuple("abcdefg"),
        "change_names": tuple("wxyz"), "provenance": "random",
    }  # fmt: skip
    save_checkpoint(model, path, metadata=CheckpointMetadata(**{**fields, **changes}), dtype=torch.float32)
    return path


def test_a_study_finds_a_collapse_that_was_planted(tmp_path, model):
    collapsed = RingMoE(CONFIG, seed=3)
    with torch.no_grad():
        for name, parameter in collapsed.named_parameters():
            if name.endswith("router.collaborative_CD"):
                parameter.zero_()  # even odds, one winner
    study = study_routing(saved(tmp_path / "collapsed.safetensors", collapsed), SMALL)
    shared = [one for one in study.rows if one.bank == "collaborative"]
    assert all(max(one.utilisation) == 1 and one.entropy_share == pytest.approx(1) for one in shared)
    dead, collapse, sharing = study.findings
    assert len([case for case in dead.cases if "collaborative" in case]) == 3 * 3
    assert len([case for case in collapse.cases if "collaborative" in case]) == 3 * 2
    assert study.divergence_bits == (0, 0, 0)
    assert "alike" in sharing.text
    assert study.sha256 == load_checkpoint(tmp_path / "collapsed.safetensors").sha256
    assert study.modalities == ("sar_l2", "ms")
    assert json.loads(json.dumps(study.to_dict()))["banks"][0]["load"] == list(study.rows[0].load)


def test_one_bank_and_one_modality_are_enough(tmp_path):
    config = replace(
        CONFIG, num_specialised=0, num_collaborative=2, num_pruned=2, top_k=2, modalities=("ms",), channels=(10,)
    )
    path = saved(tmp_path / "ms.safetensors", RingMoE(config), trained_modalities=("ms",))
    study = study_routing(path, replace(SMALL, num_regions=1))
    assert {(one.bank, one.modality) for one in study.rows} == {("collaborative", "ms")}
    assert all(one.utilisation == (0.5, 0.5) for one in study.rows)  # both are taken by every token
    # an untrained router gives all four, the two that were pruned too, nearly even odds
    assert all(one.entropy_nats == pytest.approx(np.log(4), rel=0.02) and one.entropy_share <= 1 for one in study.rows)
    assert len(study.findings) == 2


@pytest.mark.parametrize(
    ("config", "changes", "message"),
    [
        (replace(CONFIG, num_specialised=0, num_collaborative=0), {}, "needs a model with experts, got a dense one"),
        (CONFIG, {"normalisation": "other-2"}, "must be trained on input normalised as 'physical-v1', got 'other-2'"),
        (CONFIG, {"trained_modalities": ("sar_l1",)}, r"must be trained on one of .* got \['sar_l1'\]"),
    ],
)
def test_weights_that_cannot_be_studied_are_refused(tmp_path, config, changes, message):
    path = saved(tmp_path / "model.safetensors", RingMoE(config), **changes)
    with pytest.raises(ConfigError, match=message):
        study_routing(path, SMALL)


# the command


@pytest.fixture
def call(monkeypatch):
    monkeypatch.setattr("flows.routing_regions.RegionSet", lambda: SMALL)
    app = typer.Typer()
    app.command()(routing)
    return lambda *options: CliRunner().invoke(app, [str(option) for option in options])


def test_command_writes_the_page_and_says_what_is_wrong(call, tmp_path, model):
    path = saved(tmp_path / "mine.safetensors", model)
    told = call("--weights", path, "--out", tmp_path / "deep" / "page.html")
    assert told.exit_code == 0
    assert told.stdout.splitlines()[-1] == str(tmp_path / "deep" / "page.html")
    assert "Jensen-Shannon" in told.stdout
    assert "Routing of mine" in (tmp_path / "deep" / "page.html").read_text()


def test_command_prints_one_object(call, tmp_path, model):
    path = saved(tmp_path / "mine.safetensors", model)
    told = call("--weights", path, "--out", tmp_path / "page.html", "--json")
    (line,) = told.stdout.splitlines()
    values = json.loads(line)
    assert values["regions"] == {"num_regions": 2, "size": 64, "num_dates": 2}
    assert len(values["banks"]) == 12
    assert len(values["divergence_bits"]) == 3
    assert [finding["about"] for finding in values["findings"]] == ["dead", "collapse", "sharing"]
    assert values["page"] == str(tmp_path / "page.html")


def test_command_takes_wrong_weights_with_grace(call, tmp_path):
    missing = call("--weights", tmp_path / "none.safetensors", "--out", tmp_path / "page.html")
    assert missing.exit_code == 2
    assert "must be one of" in missing.stderr
    (tmp_path / "torn.safetensors").write_bytes(b"not a checkpoint")
    torn = call("--weights", tmp_path / "torn.safetensors", "--out", tmp_path / "page.html")
    assert torn.exit_code == 1
    assert "must be a whole safetensors file" in torn.stderr
    assert not (tmp_path / "page.html").exists()
