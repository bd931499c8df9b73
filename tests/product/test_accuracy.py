from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics

from pipelines.legend import CHANGE_CODES, LAND_COVER_CODES
from pipelines.product import ProductError, block_confusions, confusion, coverage, f1, overall_accuracy


@pytest.fixture
def maps():
    rng = np.random.default_rng(11)
    truth = rng.choice(LAND_COVER_CODES, size=(90, 70))
    predicted = np.where(rng.random(truth.shape) < 0.8, truth, rng.choice(LAND_COVER_CODES, size=truth.shape))
    return truth.astype("uint8"), predicted.astype("uint8")


@pytest.fixture
def changes():
    rng = np.random.default_rng(12)
    truth = np.where(rng.random((64, 64)) < 0.2, rng.integers(1, 4, (64, 64)), 0)
    predicted = np.where(rng.random((64, 64)) < 0.1, rng.integers(0, 4, (64, 64)), truth)
    return truth.astype("uint8"), predicted.astype("uint8")


def tables(truth, predicted, codes=LAND_COVER_CODES, truth_nodata=0, nodata=0, **kwargs):
    return block_confusions(truth, predicted, codes, truth_nodata=truth_nodata, nodata=nodata, **kwargs)


def test_confusion_equals_sklearn(maps):
    truth, predicted = maps
    table = confusion(truth, predicted, LAND_COVER_CODES, truth_nodata=0, nodata=0)
    expected = metrics.confusion_matrix(truth.ravel(), predicted.ravel(), labels=list(LAND_COVER_CODES))
    np.testing.assert_array_equal(table[:, :-1], expected)
    assert table[:, -1].sum() == 0


def test_blocks_equal_the_slow_way(maps):
    truth, predicted = maps
    got = tables(truth, predicted, block_px=32)
    slow = [
        confusion(
            truth[r : r + 32, c : c + 32], predicted[r : r + 32, c : c + 32], LAND_COVER_CODES, truth_nodata=0, nodata=0
        )
        for r in range(0, 90, 32)
        for c in range(0, 70, 32)
    ]
    np.testing.assert_array_equal(got, np.stack(slow))


def test_overall_accuracy_equals_sklearn_and_its_interval_holds_it(maps):
    truth, predicted = maps
    score = overall_accuracy(tables(truth, predicted, block_px=16))
    assert score.value == pytest.approx(metrics.accuracy_score(truth.ravel(), predicted.ravel()))
    assert score.n == truth.size
    assert score.ci95[0] < score.value < score.ci95[1]
    assert json.loads(json.dumps(score.to_dict())) == {"value": score.value, "n": 6300, "ci95": list(score.ci95)}


def test_f1_equals_sklearn_on_any_change(changes):
    truth, predicted = changes
    score = f1(tables(truth, predicted, CHANGE_CODES, truth_nodata=255, nodata=255))
    assert score.value == pytest.approx(metrics.f1_score(truth.ravel() > 0, predicted.ravel() > 0))


def test_interval_equals_a_slow_bootstrap(changes):
    truth, predicted = changes
    counts = tables(truth, predicted, CHANGE_CODES, truth_nodata=255, nodata=255, block_px=16)
    rng = np.random.default_rng(5)
    draws = []
    for _ in range(3000):
        total = counts[rng.integers(0, len(counts), len(counts))].sum(axis=0)
        hits, false, missed = total[1:, 1:-1].sum(), total[0, 1:-1].sum(), total[1:, 0].sum() + total[1:, -1].sum()
        draws.append(2 * hits / (2 * hits + false + missed))
    np.testing.assert_allclose(f1(counts, seed=1).ci95, np.percentile(draws, [2.5, 97.5]), atol=0.004)


def test_independent_blocks_give_the_binomial_interval():
    """Blocks of one pixel: the percentile interval must be near p +- 1.96 sqrt(p (1 - p) / n)."""
    rng = np.random.default_rng(3)
    right = rng.random((50, 50)) < 0.85
    truth = np.full((50, 50), 10)
    low, high = overall_accuracy(tables(truth, np.where(right, 10, 30), block_px=1)).ci95
    half = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / right.size)
    assert low == pytest.approx(right.mean() - half, abs=0.003)
    assert high == pytest.approx(right.mean() + half, abs=0.003)


def test_same_seed_same_interval(maps):
    counts = tables(*maps)
    assert overall_accuracy(counts, seed=4) == overall_accuracy(counts, seed=4)
    assert overall_accuracy(counts, seed=4).ci95 != overall_accuracy(counts, seed=5).ci95


def test_silence_is_an_error_unless_it_is_left_out(maps):
    truth, predicted = maps
    predicted[:45] = 0
    counts = tables(truth, predicted)
    right = (truth == predicted).sum()
    assert overall_accuracy(counts).value == pytest.approx(right / truth.size)
    assert overall_accuracy(counts, missing="ignore").value == pytest.approx(right / truth[45:].size)
    assert overall_accuracy(counts, missing="ignore").n == truth[45:].size
    assert coverage(counts).value == pytest.approx(0.5)


def test_a_changed_pixel_without_an_answer_is_a_miss(changes):
    truth, predicted = changes
    predicted[:32] = 255
    counts = tables(truth, predicted, CHANGE_CODES, truth_nodata=255, nodata=255)
    filled = np.where(predicted == 255, 0, predicted)
    assert f1(counts).value == pytest.approx(metrics.f1_score(truth.ravel() > 0, filled.ravel() > 0))


def test_pixels_without_reference_are_left_out(maps):
    truth, predicted = maps
    truth[:, :35] = 0
    counts = tables(truth, predicted, block_px=35)
    assert counts.sum() == truth[:, 35:].size
    assert len(counts) == 3


def test_bad_input_is_refused(maps):
    truth, predicted = maps
    with pytest.raises(ProductError, match="two blocks"):
        overall_accuracy(tables(truth, predicted, block_px=200))
    with pytest.raises(ProductError, match="share one grid"):
        tables(truth, predicted[1:])
    with pytest.raises(ProductError, match=r"reference .*\[20\]"):
        tables(np.full_like(truth, 20), predicted)
    zero = np.zeros((64, 64), dtype="uint8")
    unchanged = tables(zero, zero, CHANGE_CODES, truth_nodata=255, nodata=255)
    with pytest.raises(ProductError, match="undefined"):
        f1(unchanged)
