"""Temperatures against scipy, calibration errors against sums by hand, intervals over scenes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from pipelines.training.calibration import brier_score, expected_calibration_error, fit_temperature
from pipelines.training.calibration.measure import change_figures, fit_temperatures, land_cover_figures
from pipelines.training.calibration.reliability import bootstrap_error, equal_mass, equal_width, reliability
from pipelines.training.calibration.scene_logits import SceneLogits
from pipelines.training.calibration.temperature import negative_log_likelihood, probabilities


def planted(temperature, *, seed=0, count=20_000, classes=5):
    """Logits whose labels are drawn from softmax(logits / temperature)."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (count, classes))
    cumulative = softmax(logits / temperature, axis=1).cumsum(axis=1)
    return logits, (random.random((count, 1)) > cumulative).sum(axis=1).clip(0, classes - 1)


@pytest.mark.parametrize("truth", [0.5, 1.0, 2.5])
def test_a_planted_temperature_is_found(truth):
    assert fit_temperature(*planted(truth)) == pytest.approx(truth, rel=0.05)


def test_the_search_agrees_with_scipy():
    logits, labels = planted(1.7, seed=3, count=3000)

    def loss(log_t):
        return -np.take_along_axis(log_softmax(logits / math.exp(log_t), axis=1), labels[:, None], 1).mean()

    peer = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-8})
    assert fit_temperature(logits, labels) == pytest.approx(math.exp(peer.x), rel=1e-3)
    assert negative_log_likelihood(logits, labels, 1.3) == pytest.approx(loss(math.log(1.3)))


def test_the_best_split_is_chosen_as_the_product_chooses_it():
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (50, 6, 4))
    p = softmax(logits / 1.5, axis=-1)
    expected = np.stack([rows[rows[:, 0].argmin()] for rows in p])
    np.testing.assert_allclose(probabilities(logits, 1.5), expected, rtol=1e-9)


def test_a_temperature_moves_no_class():
    logits, _ = planted(1.0, count=500)
    classes = [probabilities(logits, t).argmax(1) for t in (0.3, 1.0, 8.0)]
    assert (classes[0] == classes[1]).all()
    assert (classes[2] == classes[1]).all()


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (np.zeros((0, 3)), np.zeros(0, int)),
        (np.zeros((2, 3)), np.array([0, 3])),
        (np.zeros((2, 3)), np.array([0])),
        (np.zeros((2, 3)), np.array([0, 255])),
    ],
)
def test_no_samples_or_foreign_labels_are_refused(logits, labels):
    with pytest.raises(ValueError, match="label"):
        fit_temperature(logits, labels)


def test_ece_of_equal_width_by_hand():
    # bins of width 0.5: (0.3, 0.4) with 1 of 2 right, (0.8, 0.9) with 2 of 2 right
    confidence, right = np.array([0.3, 0.4, 0.8, 0.9]), np.array([True, False, True, True])
    expected = 0.5 * abs(0.5 - 0.35) + 0.5 * abs(1 - 0.85)
    assert expected_calibration_error(confidence, right, num_bins=2) == pytest.approx(expected)


def test_ece_of_equal_mass_by_hand():
    # halves of two: (0.80, 0.85) with none right, (0.90, 0.95) with both right; one bin of width 0.5 would hide it
    confidence, right = np.array([0.80, 0.85, 0.90, 0.95]), np.array([False, False, True, True])
    expected = 0.5 * 0.825 + 0.5 * (1 - 0.925)
    assert expected_calibration_error(confidence, right, bins="mass", num_bins=2) == pytest.approx(expected)
    assert expected_calibration_error(confidence, right, num_bins=2) == pytest.approx(0.875 - 0.5)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), num_bins=st.integers(1, 20))
def test_ece_against_a_loop_over_bins(seed, num_bins):
    random = np.random.default_rng(seed)
    confidence = random.choice([random.random(200), np.linspace(0, 1, 200)])
    right = random.random(200) < confidence
    slow = 0.0
    for index in range(num_bins):
        low, high = index / num_bins, (index + 1) / num_bins
        inside = (confidence > low) & (confidence <= high) | ((index == 0) & (confidence == 0))
        if inside.any():
            slow += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert expected_calibration_error(confidence, right, num_bins=num_bins) == pytest.approx(slow, abs=1e-9)


def test_equal_mass_bins_hold_equally_many():
    confidence = np.random.default_rng(0).beta(8, 1, 3000)
    counts = reliability(confidence, confidence > 0.5, equal_mass(confidence, 10)).count
    np.testing.assert_allclose(counts, 300, atol=1)


def test_brier_score_against_one_hot_vectors():
    random = np.random.default_rng(2)
    p, labels = softmax(random.normal(size=(40, 3)), axis=1), random.integers(0, 3, 40)
    assert brier_score(p, labels) == pytest.approx(((p - np.eye(3)[labels]) ** 2).sum(1).mean())
    assert brier_score(np.eye(3)[labels], labels) == pytest.approx(0)


def test_confidence_beyond_one_is_refused():
    with pytest.raises(ValueError, match="0 to 1"):
        reliability(np.array([1.2]), np.array([True]), equal_width())


def test_the_interval_is_over_scenes_not_pixels():
    """Two scenes that err in opposite ways: together they look calibrated, drawn again they do not."""
    over = reliability(np.full(10_000, 0.7), np.arange(10_000) < 5000, equal_width())
    under = reliability(np.full(10_000, 0.7), np.arange(10_000) < 9000, equal_width())
    assert (over + under).error == pytest.approx(0, abs=1e-9)
    low, high = bootstrap_error([over, under])
    assert low == pytest.approx(0, abs=1e-9)
    assert high == pytest.approx(0.2, abs=1e-9)
    alike = bootstrap_error([over] * 5)
    assert alike == pytest.approx((0.2, 0.2))


def overconfident(seed, count=4000):
    logits, labels = planted(3.0, seed=seed, count=count, classes=4)
    change, change_labels = planted(2.0, seed=seed + 50, count=count, classes=4)
    calm = change + np.array([9.0, 0, 0, 0])
    splits = np.stack([change, calm], axis=1)  # the second split is calm everywhere
    return SceneLogits(
        land_cover=logits.astype(np.float32), land_cover_label=labels,
        change=splits.astype(np.float32), change_label=change_labels,
    )  # fmt: skip


def test_overconfidence_is_mended_on_scenes_that_were_not_fitted_on():
    fitted = fit_temperatures([overconfident(1), overconfident(2)])
    unseen = [overconfident(seed) for seed in (11, 12, 13)]
    assert fitted.land_cover == pytest.approx(3.0, rel=0.1)
    for figures, temperature in ((land_cover_figures, fitted.land_cover), (change_figures, fitted.change)):
        before, after = figures(unseen, 1.0), figures(unseen, temperature)
        assert before.error > 0.05
        assert after.error < 0.02
        assert after.negative_log_likelihood < before.negative_log_likelihood
        assert after.brier < before.brier
        assert after.interval[0] <= after.error + 0.01
        assert sum(row["count"] for row in after.table) == 12_000
