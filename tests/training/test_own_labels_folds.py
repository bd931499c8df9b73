"""What is tested is never learnt: blocks, polygons and buffers are kept apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.training.own_labels.chosen import frequent
from pipelines.training.own_labels.errors import LabelError
from pipelines.training.own_labels.folds import block_of, fold_warnings, grouped_folds, spatial_folds, training_of


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.sampled_from([30.0, 100.0, 250.0]))
def test_no_block_and_no_unit_is_divided(seed, num_folds, side):
    random = np.random.default_rng(seed)
    x, y = random.uniform(0, 1000, (2, 300))
    unit = random.integers(0, 150, 300)
    label = random.integers(0, 3, 300)
    folds = spatial_folds(x, y, label, unit, side=side, num_folds=num_folds, seed=seed)
    for group in (unit, folds.block):
        assert all(np.unique(folds.fold[group == entry]).size == 1 for entry in np.unique(group))
    assert set(folds.fold) == set(range(num_folds))
    assert np.unique(folds.block).tolist() == list(range(folds.num_blocks))


def test_a_unit_lies_in_the_block_of_its_centre():
    x, y = np.array([10.0, 190.0, 130.0, 10.0]), np.array([5.0, 5.0, 5.0, 250.0])
    unit = np.array([0, 0, 0, 1])
    block = block_of(x, y, unit, 100.0)
    assert block[0] == block[1] == block[2] != block[3]
    alone = block_of(np.array([110.0]), np.array([5.0]), np.array([0]), 100.0)
    assert alone.tolist() == [0]


def test_rare_classes_are_spread_over_the_folds():
    group = np.repeat(np.arange(20), 10)
    label = np.zeros(200, dtype=np.int64)
    label[group < 4] = 1
    for seed in range(10):
        folds = grouped_folds(group, label, num_folds=4, seed=seed, kind="blocks")
        assert np.bincount(folds.fold[label == 1], minlength=4).tolist() == [10] * 4
        assert np.bincount(folds.fold).tolist() == [50] * 4


def test_the_buffer_equals_the_slow_distance():
    random = np.random.default_rng(3)
    x, y = random.uniform(0, 1000, (2, 200))
    folds = spatial_folds(x, y, random.integers(0, 2, 200), np.arange(200), side=200.0, num_folds=3, seed=0)
    for tested in range(3):
        held_out = folds.fold == tested
        nearest = np.hypot(x[:, None] - x[held_out], y[:, None] - y[held_out]).min(axis=1)
        kept = training_of(folds, tested, x, y, buffer=60.0)
        assert (kept == (~held_out & (nearest >= 60.0))).all()
        assert (training_of(folds, tested, x, y) == ~held_out).all()


def test_a_side_is_chosen_that_gives_blocks_enough():
    random = np.random.default_rng(0)
    x, y = random.uniform(0, 20_000, (2, 500))
    folds = spatial_folds(x, y, random.integers(0, 2, 500), np.arange(500), side=None, num_folds=5, seed=0)
    assert folds.kind == "blocks of 5000 m"
    assert folds.num_blocks == 16


def test_the_same_seed_gives_the_same_folds():
    random = np.random.default_rng(0)
    x, y = random.uniform(0, 1000, (2, 100))
    made = [spatial_folds(x, y, np.zeros(100, int), np.arange(100), side=100.0, num_folds=5, seed=4) for _ in "ab"]
    assert (made[0].fold == made[1].fold).all()


def test_too_few_blocks_and_bad_numbers_are_told():
    x = np.array([1.0, 2.0, 500.0])
    zeros = np.zeros(3, dtype=np.int64)
    with pytest.raises(LabelError, match="got 2 blocks of 100 m for 5 folds"):
        spatial_folds(x, x, zeros, np.arange(3), side=100.0, num_folds=5, seed=0)
    with pytest.raises(LabelError, match="must be positive, got 0"):
        spatial_folds(x, x, zeros, np.arange(3), side=0.0, num_folds=2, seed=0)
    with pytest.raises(LabelError, match="2 or more, got 1"):
        spatial_folds(x, x, zeros, np.arange(3), side=1.0, num_folds=1, seed=0)


def test_readers_are_warned_of_scarce_and_absent_classes():
    group = np.repeat(np.arange(12), 10)
    label = np.zeros(120, dtype=np.int64)
    label[group == 5] = 1  # one block
    label[[0, 10]] = 2  # two samples in two blocks
    folds = grouped_folds(group, label, num_folds=4, seed=0, kind="blocks of 50 m")
    told = fold_warnings(folds, label, ("many", "one-block", "few"), scarce=30)
    assert any("one-block" in line and "not learnt where it was tested" in line for line in told)
    assert any("few: only 2 samples in 2" in line for line in told)
    assert any("few: no sample in fold" in line for line in told)
    assert not any(line.startswith("many") for line in told)


def test_classes_with_too_few_samples_are_left_out_by_name():
    label = np.repeat([0, 1, 2], [20, 3, 9])
    kept, names, left_out = frequent(label, ["a", "b", "c"], fewest=8)
    assert names == ("a", "c")
    assert left_out == {"b": 3}
    assert kept.tolist() == (label != 1).tolist()
    with pytest.raises(LabelError, match=r"two classes need 10 samples.*'c': 9"):
        frequent(label, ["a", "b", "c"], fewest=10)
