"""Figures of accuracy equal those of scikit-learn; intervals equal a slow bootstrap over blocks."""

import numpy as np
import pytest
from sklearn import metrics

from pipelines.training.own_labels.accuracy import accuracy, difference, macro_f1_of, overall_of
from pipelines.training.own_labels.errors import LabelError


def drawn(seed, num=400, classes=4, right=0.7):
    random = np.random.default_rng(seed)
    label = random.integers(0, classes, num)
    answer = np.where(random.random(num) < right, label, random.integers(0, classes, num))
    return label, answer, random.integers(0, 25, num)


def test_figures_equal_those_of_sklearn():
    label, answer, block = drawn(1)
    found = accuracy(label, answer, block, 4)
    assert (found.confusion == metrics.confusion_matrix(label, answer)).all()
    assert found.overall.value == pytest.approx(metrics.accuracy_score(label, answer))
    assert found.macro_f1.value == pytest.approx(metrics.f1_score(label, answer, average="macro"))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(label, answer)
    assert [entry.value for entry in found.users] == pytest.approx(precision.tolist())
    assert [entry.value for entry in found.producers] == pytest.approx(recall.tolist())
    assert [entry.value for entry in found.f1] == pytest.approx(f1.tolist())
    assert found.num_blocks == 25


def test_intervals_redraw_whole_blocks():
    label, answer, block = drawn(2, num=200)
    found = accuracy(label, answer, block, 4, seed=5, num_resamples=300)
    draws = np.random.default_rng(5).multinomial(25, np.full(25, 1 / 25), size=300)
    slow = []
    for times in draws:
        rows = np.concatenate([np.repeat(np.flatnonzero(block == b), n) for b, n in enumerate(times)])
        slow.append(
            (metrics.accuracy_score(label[rows], answer[rows]), (label[rows] == answer[rows])[label[rows] == 2].mean())
        )
    for interval, values in ((found.overall, [v[0] for v in slow]), (found.producers[2], [v[1] for v in slow])):
        assert (interval.low, interval.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))


def test_clusters_widen_the_interval():
    random = np.random.default_rng(0)
    block = np.repeat(np.arange(20), 50)
    label = np.zeros(1000, dtype=np.int64)
    answer = (np.repeat(random.random(20) < 0.3, 50)).astype(np.int64)  # a block is right or wrong as a whole
    whole = accuracy(label, answer, block, 2).overall
    each = accuracy(label, answer, np.arange(1000), 2).overall
    assert whole.high - whole.low > 4 * (each.high - each.low)


def test_a_class_that_is_never_answered_has_no_users_accuracy():
    label, answer = np.array([0, 0, 1, 1]), np.zeros(4, dtype=np.int64)
    found = accuracy(label, answer, np.arange(4), 2)
    assert np.isnan(found.users[1].value)
    assert found.users[1].to_dict() == {"value": None, "low": None, "high": None}
    assert found.producers[1].value == 0.0


def test_a_difference_is_paired():
    label, answer, block = drawn(3)
    same = difference(label, (answer, answer), block, 4, overall_of)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    better = difference(label, (label, answer), block, 4, macro_f1_of)
    assert better.value == pytest.approx(1 - metrics.f1_score(label, answer, average="macro"))
    assert better.low > 0


def test_wrong_input_is_told():
    with pytest.raises(LabelError, match="each sample has label, answer and block"):
        accuracy(np.zeros(3, int), np.zeros(2, int), np.zeros(3, int), 2)
    with pytest.raises(LabelError, match="classes count from 0 to 1, got 0 to 2"):
        accuracy(np.array([0, 2]), np.zeros(2, int), np.zeros(2, int), 2)
