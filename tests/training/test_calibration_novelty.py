"""Statistics of novelty from regions: what is like them is flagged at the rate asked for, what is not is flagged."""

import dataclasses
import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch
from labelled_scene import scene

from pipelines.inference.novelty import observed_cells
from pipelines.inference.novelty_file import load_novelty, novelty_path
from pipelines.training.calibration.novelty_fit import (
    NoveltyConfig,
    Shown,
    fit_novelty,
    nearest_means,
    show,
    with_bands,
)
from pipelines.training.calibration.scene_logits import scene_logits
from pipelines.training.evaluate import answer
from ringmoe_core import CheckpointMetadata, RingMoE, RingMoEConfig, load_checkpoint, save_checkpoint

CONFIG = NoveltyConfig(draws=7)


@pytest.fixture(scope="module")
def model():
    config = RingMoEConfig(dim=16, depths=(1, 1), skip_dim=8, skip_fused_dim=8, fusion_dim=16, map_dim=8, window=4)
    return RingMoE(config, seed=3).eval()


@pytest.fixture(scope="module")
def novelty(model):
    return fit_novelty(
        model, "random 3", [scene(s, size=64) for s in range(8)], [scene(s, size=64) for s in range(50, 60)], CONFIG
    )


def cells(model, novelty, entries):
    return np.concatenate([novelty.cells(e.fused, e.series)[observed_cells(e.fused, novelty.level)] for e in entries])


def remade(model, entry, change):
    series = {name: change(name, part) for name, part in entry.series.items()}
    groups = torch.ones(1, 1, sum(part.num_dates for part in series.values()), dtype=torch.bool)
    with torch.inference_mode():
        return Shown(series=series, fused=model.fuse(model.encode(series), groups))


def test_held_out_regions_are_flagged_at_about_the_rate_asked_for(model, novelty):
    unseen = cells(model, novelty, show(model, [scene(s, size=64) for s in range(90, 100)], CONFIG, seed=5))
    assert 0.05 < (unseen > 90).mean() < 0.2
    assert (unseen > 99).mean() < 0.05


@pytest.mark.parametrize("gain", [2.0, 3.0])
def test_a_radar_of_another_scale_is_flagged(model, novelty, gain):
    """A wrong unit multiplies decibels; these are noise about 0, so only their spread tells."""
    entries = [e for e in show(model, [scene(90, size=64), scene(91, size=64)], CONFIG, seed=5) if "sar_l2" in e.series]

    def scaled(name, part):
        pixels = part.pixels_BTCHW * gain if name == "sar_l2" else part.pixels_BTCHW
        return dataclasses.replace(part, pixels_BTCHW=pixels)

    flagged = cells(model, novelty, [remade(model, entry, scaled) for entry in entries]) > 99
    assert flagged.mean() > 0.8


def test_snow_is_flagged(model, novelty):
    entries = [e for e in show(model, [scene(90, size=64), scene(91, size=64)], CONFIG, seed=5) if "ms" in e.series]
    bright = torch.tensor([15.0] * 8 + [-1.0, -0.5])[:, None, None]

    def snowy(name, part):
        kept = part.present_BTC[..., None, None] & part.valid_BTHW[:, :, None]
        return part if name != "ms" else dataclasses.replace(part, pixels_BTCHW=torch.where(kept, bright, 0.0))

    assert (cells(model, novelty, [remade(model, entry, snowy) for entry in entries]) > 99).mean() > 0.95


def test_only_sets_of_bands_that_training_draws_are_known(model, novelty):
    entry = next(e for e in show(model, [scene(90)], CONFIG, seed=5) if set(e.series) == {"ms", "sar_l2"})
    yes = {name: np.ones(part.num_dates, bool) for name, part in entry.series.items()}
    landsat = np.isin(np.arange(10), [0, 1, 2, 7, 8, 9])
    series = {"ms": with_bands(entry.series["ms"], landsat)}
    foreign = novelty.rule_share(series, {"ms": yes["ms"]})
    observed = series["ms"].valid_BTHW.any(1).numpy()
    assert (foreign[observed] == 100).all()
    assert (novelty.rule_share(entry.series, yes) == 0).all()


def test_means_and_whitening_of_two_planted_clouds():
    random = np.random.default_rng(0)
    spread = np.array([[2.0, 0.0], [1.5, 0.5]])
    cloud, apart = random.normal(size=(4000, 2)) @ spread.T, np.array([40, 0])
    features = np.concatenate([cloud[:2000] + apart, cloud[2000:] - apart]).astype(np.float32)
    means, whitening = nearest_means(features, seed=0, num_means=2)
    np.testing.assert_allclose(sorted(means[:, 0].tolist()), [-40, 40], atol=0.3)
    np.testing.assert_allclose(np.linalg.inv(whitening.T @ whitening), spread @ spread.T, rtol=0.12, atol=0.1)


def test_regions_of_both_kinds_are_needed(model):
    with pytest.raises(ValueError, match="both kinds"):
        fit_novelty(model, "x", [], [scene(1)], CONFIG)


def test_logits_are_those_behind_the_answers(model):
    region = scene(3)
    got, wanted = scene_logits(model, region, pixels=96 * 96), answer(model, region)
    order = np.argsort(got.land_cover[:, 0])
    probability = torch.from_numpy(got.land_cover).softmax(1).numpy()
    known = region.land_cover != 255
    expected = wanted.land_cover[:, known].T
    np.testing.assert_allclose(np.sort(probability, axis=0), np.sort(expected, axis=0), atol=1e-5)
    assert len(order) == known.sum()
    np.testing.assert_array_equal(
        np.bincount(got.land_cover_label, minlength=2), np.bincount(region.land_cover[known], minlength=2)
    )


def test_a_calibration_writes_weights_statistics_and_report(model, tmp_path, monkeypatch):
    from flows import calibrate as flow
    from pipelines.legend import CHANGE, LAND_COVER

    metadata = CheckpointMetadata(
        trained_modalities=("sar_l2", "ms"), normalisation="physical-v1", provenance="none",
        class_names=tuple(c.name for c in LAND_COVER), change_names=tuple(c.name for c in CHANGE),
    )  # fmt: skip
    path = tmp_path / "small.safetensors"
    before = save_checkpoint(model, path, metadata=metadata)
    monkeypatch.setattr("flows.train.render", lambda seeds, **_options: [scene(seed) for seed in seeds])
    run = flow.CalibrateRun(weights=str(path), regions=2, unseen_regions=2, statistics_regions=2, workers=1)
    path = tmp_path / "new" / "calibrated.safetensors"
    report = flow.calibrate(run, path, say=lambda _line: None)
    loaded = load_checkpoint(path)
    assert loaded.sha256 == before, "the tensors are the same, only what is said of them changed"
    assert loaded.metadata.land_cover_temperature == report.land_cover_temperature != 1.0
    assert loaded.metadata.change_threshold == report.change_threshold
    assert load_novelty(novelty_path(path), model_sha256=before)[0].level == 2
    assert report.land_cover["after"].negative_log_likelihood < report.land_cover["before"].negative_log_likelihood
    written = json.loads(path.with_suffix(".calibration.json").read_text())
    drawn = ET.fromstring(path.with_suffix(".calibration.svg").read_text())
    dots = [one for one in drawn.iter("{http://www.w3.org/2000/svg}circle") if one.get("fill-opacity")]
    figures = (*report.land_cover.values(), *report.change.values())
    assert len(dots) == sum(len(found.table) for found in figures)
    assert written["seeds"]["unseen"] == [95_000, 95_001]
    assert written["land_cover"]["after"]["error"] == report.land_cover["after"].error
