"""The comparison from few labels: what is drawn, that the arms learn, that rows and words come out."""

import argparse
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import few_labels
from benchmarks.few_labels import ARMS, FOREST, OURS, UNET, main, scores
from benchmarks.few_labels_arms import (
    Region,
    Scale,
    draw_labels,
    fit_forest,
    fit_frozen,
    fit_ours,
    fit_unet,
    region,
    unet_chip,
)
from experiments.row import Row, read_rows
from pipelines.training.scene_arrays import IGNORE
from ringmoe_core import CheckpointMetadata, RingMoE, RingMoEConfig, save_checkpoint

NDVI_MEDIAN = 11 + 10
"""Second quantile, after ten bands."""

SHAPE = RingMoEConfig(
    dim=16, head_dim=8, depths=(1, 1), fusion_dim=8, fusion_heads=2, skip_dim=4, skip_fused_dim=4, map_dim=8
)  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.pretrain.safetensors"
    model = RingMoE(SHAPE, seed=1)
    metadata = CheckpointMetadata(
        trained_modalities=SHAPE.modalities, normalisation="physical-v1", class_names=("a",) * len(SHAPE.class_codes),
        change_names=("b",) * len(SHAPE.change_codes), change_threshold=0.5, provenance="{}",
    )  # fmt: skip
    save_checkpoint(model, path, metadata=metadata)
    return path


@pytest.fixture(scope="module")
def regions():
    options = argparse.Namespace(size=64, dates=4)
    return [region(seed, options) for seed in (1, 2)]


def test_labels_are_a_share_of_what_is_known_and_say_the_truth():
    random = np.random.default_rng(0)
    truth = random.integers(0, 5, (64, 64)).astype(np.uint8)
    truth[:32] = IGNORE
    few = draw_labels(truth, 0.01, np.random.default_rng(3))
    assert (few != IGNORE).sum() == round(0.01 * 32 * 64)
    assert (few[few != IGNORE] == truth[few != IGNORE]).all()
    assert (few[:32] == IGNORE).all()
    np.testing.assert_array_equal(few, draw_labels(truth, 0.01, np.random.default_rng(3)))
    assert (few != draw_labels(truth, 0.01, np.random.default_rng(4))).any()


def test_missing_planes_become_the_mean():
    rows = np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]], np.float32)
    scaled = Scale.of(rows).rows(rows)
    assert scaled[1, 1] == 0
    np.testing.assert_allclose(scaled[:, 0], [-1.224745, 0, 1.224745], rtol=1e-5)
    np.testing.assert_array_equal(Scale.of(rows).planes(rows.T[..., None])[..., 0], scaled.T)


def test_chips_turn_image_and_labels_alike():
    label = np.arange(64, dtype=np.uint8).reshape(8, 8)
    random = np.random.default_rng(0)
    for _ in range(12):
        image, cut = unet_chip([label[None].astype(np.float32)], [label], 4, random)
        np.testing.assert_array_equal(image[0], cut)


@pytest.fixture(scope="module")
def easy(regions):
    """Scenes whose class stands in one plane, up to noise; and a scene to be judged on."""
    random, made = np.random.default_rng(0), []
    for one in regions:
        known = np.where(one.scene.land_cover == IGNORE, 0, one.scene.land_cover)
        planes = np.stack([np.eye(16, dtype=np.float32)[known][..., index] for index in range(10)])
        noisy = planes + 0.1 * random.standard_normal(planes.shape).astype(np.float32)
        made.append(Region(seed=one.seed, scene=one.scene, planes=noisy.astype(np.float32)))
    return made


@pytest.mark.parametrize("fit", [fit_forest, fit_unet, fit_frozen])
def test_an_arm_reads_what_is_plain_to_see(easy, weights, fit):
    options = argparse.Namespace(unet_steps=200, unet_batch=4, chip=32, width=8, weights=weights)
    labels = [draw_labels(easy[0].scene.land_cover, 0.5, np.random.default_rng(1))]
    said = fit(easy[:1], labels, options, 0)(easy[0])
    assert scores(said, easy[0].scene.land_cover)["overall accuracy"] > 0.87


def test_fine_tuning_learns_from_the_labels_alone(regions, weights):
    """Two classes, greener or not; the other pixels' truth is turned over and changes nothing."""
    scene, green = regions[0].scene, regions[0].planes[NDVI_MEDIAN]
    two = (green > np.nanmedian(green)).astype(np.uint8)
    label = [draw_labels(two, 0.2, np.random.default_rng(1))]

    def fitted(truth, steps):
        options = argparse.Namespace(
            steps=steps, rate=5e-3, layer_decay=1.0, chip=32, batch=2, dates=4, weights=weights
        )  # fmt: skip
        one = replace(regions[0], scene=replace(scene, land_cover=truth))
        return fit_ours([one], label, options, 0)(one)

    assert (fitted(two, 80) == two).mean() > 0.65
    np.testing.assert_array_equal(fitted(two, 3), fitted(1 - two, 3))


def test_scores_by_hand():
    truth = np.array([[0, 0], [1, IGNORE]], np.uint8)
    said = np.array([[0, 1], [1, 2]])
    assert scores(said, truth) == {"mean IoU": pytest.approx(0.5), "overall accuracy": pytest.approx(2 / 3)}


def test_the_command_runs_every_arm_and_goes_on(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    path = tmp_path / "rows.csv"
    arguments = ["--tiny", "--json", "--share", "0.2", "--weights", str(weights), "--csv", str(path), "--seeds"]
    main([*arguments, "1"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["name"] for line in lines[: len(ARMS)]] == list(ARMS)
    against = {line["name"]: line for line in lines[len(ARMS) :] if "wording" in line}
    assert set(against) == {f"{OURS} against {UNET}", f"{OURS} against {FOREST}"}
    assert all(line["wording"] == "Too few seeds (1) to say anything." for line in against.values())
    rows = read_rows(path)
    assert {(row.arm, row.seed) for row in rows} == {(arm, 0) for arm in ARMS}
    both = [np.mean([r.value for r in rows if (r.arm, r.condition) == (arm, "mean IoU")]) for arm in (OURS, UNET)]
    assert against[f"{OURS} against {UNET}"]["difference"] == pytest.approx(both[0] - both[1], abs=1e-4)
    monkeypatch.setattr(few_labels, "region", lambda *_: pytest.fail("nothing is missing"))
    main([*arguments, "1"])
    with pytest.raises(SystemExit, match="rows of setting"):
        main([*arguments[:2], "--share", "0.3", *arguments[4:], "1"])


def test_a_lead_in_every_seed_is_told_as_one_after_holm():
    means = {OURS: 0.6, UNET: 0.5, FOREST: 0.4}
    rows = [
        Row(
            claim="few-labels", arm=arm, seed=seed, condition=metric, scene=scene,
            value=mean + 0.01 * np.sin(7 * seed + scene) * (arm == OURS), cpu_minutes=1.0, commit="", config="",
        )
        for arm, mean in means.items() for seed in range(3) for scene in range(4) for metric in few_labels.METRICS
    ]  # fmt: skip
    words = {line["name"]: line["wording"] for line in few_labels.told(rows) if "wording" in line}
    assert words[f"{OURS} against {UNET}"].startswith(f"{OURS} is better than {UNET} by 0.1")
    assert words[f"{OURS} against {FOREST}"].startswith(f"{OURS} is better than {FOREST} by 0.2")
