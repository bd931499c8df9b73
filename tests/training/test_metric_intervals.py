"""Intervals: drawn per unit, repeatable, and of the coverage that they claim."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.training.benchmarks.info import TASKS
from pipelines.training.benchmarks.sample import ClassTarget
from pipelines.training.metrics import metric_for
from pipelines.training.metrics.classification import ClassMetric
from pipelines.training.metrics.prediction import ClassScores
from pipelines.training.metrics.resampling import Resampling, interval

RIGHT = ClassScores(scores=np.array([1, 0], dtype=np.float32))
WRONG = ClassScores(scores=np.array([0, 1], dtype=np.float32))


def accuracy_of(right, *, seed=0, units=None):
    metric = ClassMetric(2, Resampling(seed=seed, num_replicates=200))
    for index, good in enumerate(right):
        unit = "" if units is None else units[index]
        metric.update(RIGHT if good else WRONG, ClassTarget(label=0), image=str(index), unit=unit)
    return metric


def test_an_interval_covers_the_truth_as_often_as_it_says():
    """200 experiments of 100 images with a true accuracy of 0.8: 95 % cover, give or take 3.1 % (two sigma)."""
    rng = np.random.default_rng(0)
    covered = 0
    for experiment in range(200):
        low, high = accuracy_of(rng.random(100) < 0.8, seed=experiment).intervals()["overall_accuracy"]
        covered += low <= 0.8 <= high
    assert 0.90 <= covered / 200 <= 0.985


def test_its_width_is_that_of_the_binomial():
    found = accuracy_of([True] * 160 + [False] * 40).intervals()["overall_accuracy"]
    expected = 1.96 * np.sqrt(0.8 * 0.2 / 200)
    assert (found[1] - found[0]) / 2 == pytest.approx(expected, rel=0.2)


def test_images_of_one_scene_count_together():
    """20 scenes of 10 images, all right or all wrong: as wide as 20 images, not as 200."""
    right = np.repeat(np.arange(20) < 16, 10)
    units = [f"scene {index // 10}" for index in range(200)]
    wide = accuracy_of(right, units=units).intervals()["overall_accuracy"]
    narrow = accuracy_of(right).intervals()["overall_accuracy"]
    assert wide[1] - wide[0] > 2.3 * (narrow[1] - narrow[0])  # sqrt 10 = 3.2, drawn


def test_draws_follow_from_seed_and_unit_alone():
    one = Resampling(seed=3)
    np.testing.assert_array_equal(one.weights("a"), Resampling(seed=3).weights("a"))
    assert not np.array_equal(one.weights("a"), one.weights("b"))
    assert not np.array_equal(one.weights("a"), Resampling(seed=4).weights("a"))


def test_draws_are_poisson_of_mean_one():
    drawn = np.array([Resampling(num_replicates=500).weights(str(unit)) for unit in range(100)])
    assert drawn.mean() == pytest.approx(1, abs=0.015)
    assert drawn.var() == pytest.approx(1, abs=0.03)
    assert abs(np.corrcoef(drawn[0], drawn[1])[0, 1]) < 0.15


def test_where_replicates_have_no_value_there_is_no_interval():
    assert interval(np.full(100, np.nan)) is None
    half = np.where(np.arange(100) < 50, np.nan, 1.0)
    assert interval(half) is None
    assert interval(np.where(np.arange(100) < 5, np.nan, 1.0)) == (1.0, 1.0)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_metric_whose_numbers_and_intervals_bear_the_same_names(task):
    metric = metric_for(task, 0 if task == "height" else 3, Resampling(num_replicates=5))
    numbers = metric.compute()
    assert all(np.isnan(value) for value in numbers.values())
    assert set(metric.intervals()) == set(numbers)
    assert metric.held_bytes() >= 0
