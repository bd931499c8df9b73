"""The arithmetic behind the comparison on flood chips, against brute force."""

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from benchmarks.real_sets_floods import BLOCK, Chip, best_cut, confusion, fit_linear, fit_threshold, iou, read_chips


def made_chip(seed, *, shift=0.0, size=2 * BLOCK):
    random = np.random.default_rng(seed)
    water = np.zeros((size, size), bool)
    water[: size // 2, : size // 3] = True
    level = np.where(water, 0.003, 0.03) * np.exp(shift)
    power = np.stack([level * 4, level]) * random.gamma(4, 0.25, (2, size, size))
    counts = random.random((size, size)) > 0.1
    return Chip(
        name=f"chip {seed}", power=power.astype(np.float32), water=water, counts=counts, day=np.datetime64("2018-01-01")
    )


def test_the_best_cut_against_all_cuts():
    random = np.random.default_rng(0)
    truth = random.random(200) > 0.7
    score = np.where(truth, 1.0, 0.0) + random.normal(0, 0.8, 200)
    scores = [jaccard_score(truth, score >= cut) for cut in score]
    assert jaccard_score(truth, score >= best_cut(score, truth)) == pytest.approx(max(scores))


def test_blocks_sum_to_the_confusion_of_the_chip():
    chip = made_chip(1)
    said = np.random.default_rng(2).random(chip.water.shape) > 0.5
    blocks = confusion(said, chip)
    assert blocks.shape == (4, 4)
    expected = jaccard_score(chip.water[chip.counts], said[chip.counts])
    assert iou(blocks.sum(0)) == pytest.approx(expected)
    assert blocks.sum() == chip.counts.sum()


def test_a_threshold_is_fitted_on_the_training_chips_alone():
    """Chips brighter by 3 dB: a cut fitted on the others misses by as much, and moves with them."""
    train = [made_chip(1), made_chip(2)]
    said = fit_threshold(train, None, 0)
    assert iou(confusion(said(made_chip(3)), made_chip(3)).sum(0)) > 0.8
    brighter = made_chip(3, shift=2.0)
    assert iou(confusion(said(brighter), brighter).sum(0)) < 0.3
    moved = fit_threshold([made_chip(1, shift=2.0)], None, 0)
    assert iou(confusion(moved(brighter), brighter).sum(0)) > 0.8


def test_a_linear_head_reads_a_plane():
    chips = [made_chip(seed) for seed in (1, 2, 3)]
    values = {chip.name: np.log(chip.power) for chip in chips}
    said = fit_linear(chips[:2], values, 0)(chips[2])
    assert iou(confusion(said, chips[2]).sum(0)) > 0.85


def test_chips_without_labels_or_radar_are_named(shared_data):
    chips, left_out = read_chips(shared_data / "catalog" / "sen1floods11")
    assert left_out == {"Ghana_83483": "no label", "Paraguay_34417": "no valid radar"}
    water = {chip.name: int((chip.water & chip.counts).sum()) for chip in chips}
    assert water["Ghana_53713"] == 0
    assert water["Mekong_333434"] == 3284
