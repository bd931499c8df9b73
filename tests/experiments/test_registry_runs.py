"""Every runner goes through at a tiny budget; what has rows is not run again; settings are never mixed."""

import dataclasses
import importlib
import itertools
import json

import numpy as np
import pytest

from experiments import supervised
from experiments.claim import Claim, Contrast
from experiments.probe import balanced_accuracy, draw_labels, probe
from experiments.registry import CLAIMS, claim
from experiments.row import read_rows
from experiments.run import check_measures, config_hash, main, run_claim
from experiments.runners import experts, modalities, sparse_flops
from ringmoe_core import RingMoE, RingMoEConfig
from ringmoe_core.flops import count_flops

RUN = [entry.name for entry in CLAIMS if entry.runner]


@pytest.mark.parametrize("name", RUN)
def test_a_runner_goes_through(monkeypatch, name):
    """One seed of the first and the last arm: the rows are whole, numbers between 0 and 1."""
    entry = claim(name)
    module = importlib.import_module(f"experiments.runners.{entry.runner}")
    monkeypatch.setattr("experiments.runners.sparse_time.TIMED_STEPS", 4)
    for arm in (entry.arms[0], entry.arms[-1]):
        module.prepare(0, module.TINY)
        measures = list(module.run(arm, 0, module.TINY))
        check_measures(entry, measures)
        values = np.array([measure.value for measure in measures])
        assert ((values >= 0) & (values <= 1) | np.isnan(values)).all()
        assert np.isfinite(values).any()


class Spy:
    """A runner that counts what it is asked."""

    def __init__(self):
        self.asked = []
        self.TINY = self.SETTING = sparse_flops.TINY

    def prepare(self, _seed, _setting):
        pass

    def run(self, arm, seed, _setting):
        from experiments.row import Measure

        self.asked.append((arm, seed))
        if (arm, seed) == ("dense", 1) and len(self.asked) < 5:
            raise KeyboardInterrupt
        return [Measure(condition="all", scene=scene, value=0.5 + 0.01 * scene) for scene in range(3)]


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, monkeypatch):
    spy = Spy()
    monkeypatch.setattr("importlib.import_module", lambda _name: spy)
    entry = claim("sparse-flops")
    with pytest.raises(KeyboardInterrupt):
        run_claim(entry, tmp_path, seeds=2, tiny=True, say=lambda _line: None)
    assert len(read_rows(tmp_path / "sparse-flops.csv")) == 9
    rows = run_claim(entry, tmp_path, seeds=2, tiny=True, say=lambda _line: None)
    assert spy.asked == [("sparse", 0), ("dense", 0), ("sparse", 1), ("dense", 1), ("dense", 1)]
    assert read_rows(tmp_path / "sparse-flops.csv") == rows
    assert len(rows) == 12
    spy.SETTING = dataclasses.replace(spy.TINY, steps=9)
    with pytest.raises(ValueError, match="setting"):
        run_claim(entry, tmp_path, seeds=2, tiny=False, say=lambda _line: None)


def test_missing_conditions_are_refused():
    from experiments.row import Measure

    entry = claim("modalities")
    whole = [Measure(condition=name, scene=1, value=0.5) for name in entry.conditions]
    check_measures(entry, whole)
    with pytest.raises(ValueError, match="same scenes"):
        check_measures(entry, whole[:-1])
    with pytest.raises(ValueError, match="same scenes"):
        check_measures(entry, [*whole, Measure(condition=entry.conditions[0], scene=2, value=0.5)])


def test_the_hash_knows_every_part():
    entry, setting = claim("experts"), sparse_flops.TINY
    base = config_hash(entry, setting)
    assert config_hash(entry, dataclasses.replace(setting, steps=3)) != base
    assert config_hash(dataclasses.replace(entry, arms=(*entry.arms, "more")), setting) != base
    assert config_hash(dataclasses.replace(entry, minutes=99), setting) == base


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"seeds": 1}, "seeds"),
        ({"wording_null": "nothing"}, "smallest"),
        ({"primary": Contrast(arm="nobody", against="dense")}, "own arms"),
        ({"source": "a.csv"}, "run or imported"),
        ({"arms": ("sparse", "sparse")}, "once"),
    ],
)
def test_claims_that_cannot_be_are_refused(change, match):
    with pytest.raises(ValueError, match=match):
        dataclasses.replace(claim("sparse-flops"), **change)


def test_an_unknown_claim_is_told_the_known_ones():
    with pytest.raises(ValueError, match="modalities"):
        claim("nonsense")


def test_the_registry_prints_as_json(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["run", "--list"])
    main()
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["name"] for entry in told] == [entry.name for entry in CLAIMS]
    assert set(told[0]) == {field.name for field in dataclasses.fields(Claim)}


def flops(config):
    return count_flops(RingMoE(config, seed=None), side=64)


def test_arms_have_equal_flops_but_for_routers():
    setting = sparse_flops.SETTING
    sparse, dense = (flops(sparse_flops.arm_config(arm, setting)) for arm in ("sparse", "dense"))
    assert dense == pytest.approx(sparse, rel=0.02)
    for arm in experts.BANKS:
        assert flops(experts.arm_config(arm, setting)) == pytest.approx(sparse, rel=0.02)
    assert flops(RingMoEConfig(dim=setting.dim, num_specialised=0, num_collaborative=0)) < 0.95 * sparse


def test_clouds_cover_what_they_say_and_grow():
    scene = supervised.test_scenes(modalities.TINY)[0]
    everywhere = dataclasses.replace(
        scene,
        ms=dataclasses.replace(scene.ms, valid=np.ones_like(scene.ms.valid), observed=np.ones_like(scene.ms.valid)),
    )
    clear = [modalities.under_cloud(everywhere, share / 100, seed=1).ms.valid for share in modalities.SHARES]
    for share, valid in zip(modalities.SHARES, clear, strict=True):
        np.testing.assert_allclose(valid.mean(axis=(1, 2)), 1 - share / 100, atol=1e-3)
    for less, more in itertools.pairwise(clear):
        assert (less | ~more).all()


def test_mean_iou_by_hand():
    truth = np.array([[0, 0, 1], [1, 255, 255]])
    said = np.array([[0, 1, 1], [1, 2, 0]])
    assert supervised.mean_iou(said, truth) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert supervised.mean_iou(np.full((2, 3), 2), truth) == 0


def test_labels_are_even_over_classes():
    labels = np.repeat([0, 1, 2], [500, 50, 2])
    chosen = draw_labels(labels, 30, (0, 1, 2), np.random.default_rng(0))
    assert np.bincount(labels[chosen]).tolist() == [10, 10, 2]
    assert len(set(chosen.tolist())) == len(chosen)


def test_a_probe_reads_what_is_linear():
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 4))
    labels = (features[:, 0] > 0).astype(int)
    said = probe(features[:200], labels[:200], [features[200:]], seed=0)[0]
    assert balanced_accuracy(said, labels[200:]) > 0.9
    assert balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])) == 0.75
