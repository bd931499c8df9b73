"""Epoch plans: properties that hold for any dates, and cases worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.inference.epochs import (
    Dates,
    Epoch,
    after_epochs,
    before_epochs,
    membership,
    plan_epochs,
    plan_fusions,
)


def dates_of(days, counts=None):
    start = np.datetime64("2021-01-01T10:30", "us")
    times = np.array([start + np.timedelta64(round(day * 86400), "s") for day in days], dtype="datetime64[us]")
    counts = [5] * len(days) if counts is None else counts
    return Dates(times=times, valid_counts=np.array(counts, dtype=np.int64))


series = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 4)), max_size=30, unique_by=lambda row: row[0]).map(
    sorted
)


@settings(max_examples=80, deadline=None)
@given(s2=series, s1=series, most=st.integers(1, 12))
def test_every_date_is_used_or_counted_and_epochs_are_apart(s2, s1, most):
    groups = {
        "s2": dates_of([row[0] for row in s2], [row[1] for row in s2]),
        "s1": dates_of([row[0] + 0.3 for row in s1], [row[1] for row in s1]),
    }
    plan = plan_epochs(groups, max_epochs=most)
    assert len(plan) <= most
    for group, unused in (("s2", plan.unused_s2), ("s1", plan.unused_s1)):
        assert sorted((*plan.dates(group), *unused)) == list(range(len(groups[group].times)))
        assert list(plan.dates(group)) == sorted(plan.dates(group))
        assert all(groups[group].valid_counts[index] > 0 for index in plan.dates(group))
        assert len(plan.dates(group)) == len(plan.holders(group))
    for earlier, later in zip(plan.epochs, plan.epochs[1:], strict=False):
        assert earlier.end < later.start
    for epoch in plan.epochs:
        chosen = [groups[group].times[epoch.date(group)] for group in ("s2", "s1") if epoch.date(group) is not None]
        assert (min(chosen), max(chosen)) == (epoch.start, epoch.end)


@settings(max_examples=40, deadline=None)
@given(s2=series, s1=series)
def test_unbinned_epochs_span_three_days_and_the_next_begins_beyond(s2, s1):
    groups = {"s2": dates_of([row[0] for row in s2]), "s1": dates_of([row[0] + 0.3 for row in s1])}
    plan = plan_epochs(groups, max_epochs=1000)
    assert all(epoch.end - epoch.start <= np.timedelta64(3, "D") for epoch in plan.epochs)
    times = np.sort(np.concatenate([groups["s2"].times, groups["s1"].times]))
    gaps = int((np.diff(times) > np.timedelta64(3, "D")).sum())
    assert len(plan) >= (gaps + 1 if len(times) else 0)


@given(num=st.integers(0, 13))
def test_fusions_ask_every_split_of_its_two_sides(num):
    fusions = plan_fusions(num, land_cover=True, change=True)
    assert len(set(fusions.members[1:])) == max(0, len(fusions.members) - 1)
    if num:
        assert fusions.members[0] == tuple(range(num))
    for split in range(max(0, num - 1)):
        assert fusions.members[fusions.before[split]] == before_epochs(split)
        assert fusions.members[fusions.after[split]] == after_epochs(split, num)
        assert max(before_epochs(split)) == split
        assert min(after_epochs(split, num)) == split + 1
    used = {0} | set(fusions.before) | set(fusions.after) if num else set()
    assert used == set(range(len(fusions.members)))


def test_pairs_within_three_days_are_one_epoch():
    plan = plan_epochs({"s2": dates_of([0, 10]), "s1": dates_of([2, 14])})
    assert [(epoch.s2, epoch.s1) for epoch in plan.epochs] == [(0, 0), (1, None), (None, 1)]


def test_dense_acquisitions_do_not_chain_into_one_epoch():
    plan = plan_epochs({"s2": dates_of(range(0, 30, 2))})
    assert len(plan) == 8
    assert len(plan.unused_s2) == 7


def test_the_clearest_date_is_kept_the_earliest_of_equals():
    plan = plan_epochs({"s2": dates_of([0, 1, 2, 3, 40], [1, 7, 7, 2, 0])})
    assert plan.epochs[0].s2 == 1
    assert plan.unused_s2 == (0, 2, 3, 4)
    assert len(plan) == 1


def test_of_equally_clear_dates_those_of_one_day_are_kept():
    radar, optical = dates_of([0, 2, 5, 9.5, 12]), dates_of([2.1, 12.1])
    plan = plan_epochs({"s1": radar, "s2": optical})
    assert [(epoch.s2, epoch.s1) for epoch in plan.epochs] == [(0, 1), (None, 2), (1, 4)]
    hazy = dates_of([0, 2, 5, 9.5, 12], [5, 4, 5, 5, 5])
    assert plan_epochs({"s1": hazy, "s2": optical}).epochs[0].s1 == 0


@settings(max_examples=60, deadline=None)
@given(s2=series, s1=series, most=st.integers(1, 12))
def test_no_date_of_equal_worth_lies_between_a_pair(s2, s1, most):
    groups = {
        "s2": dates_of([row[0] for row in s2], [row[1] for row in s2]),
        "s1": dates_of([row[0] + 0.3 for row in s1], [row[1] for row in s1]),
    }
    plan = plan_epochs(groups, max_epochs=most)
    for epoch in plan.epochs:
        if epoch.s1 is None or epoch.s2 is None:
            continue
        for group, unused in (("s2", plan.unused_s2), ("s1", plan.unused_s1)):
            times, counts = groups[group].times, groups[group].valid_counts
            equals = [date for date in unused if counts[date] == counts[epoch.date(group)]]
            assert not any(epoch.start < times[date] < epoch.end for date in equals)


def test_binning_keeps_at_most_twelve_of_equal_length():
    plan = plan_epochs({"s1": dates_of(range(0, 360, 6))})
    assert len(plan) == 12
    assert plan.dates("s1") == tuple(range(0, 60, 5))


def test_membership_follows_the_order_of_groups():
    plan = plan_epochs({"s2": dates_of([0, 20]), "s1": dates_of([0.5, 10, 20.5])})
    fusions = plan_fusions(len(plan), land_cover=True, change=True)
    got = membership(plan, fusions, ("s1", "s2"))
    assert fusions.members == ((0, 1, 2), (0,), (1, 2), (0, 1), (2,))
    np.testing.assert_array_equal(
        got.astype(int), [[1, 1, 1, 1, 1], [1, 0, 0, 1, 0], [0, 1, 1, 0, 1], [1, 1, 0, 1, 0], [0, 0, 1, 0, 1]]
    )


def test_nothing_to_plan_is_an_empty_plan():
    assert len(plan_epochs({})) == 0
    assert len(plan_epochs({"s2": dates_of([1, 2], [0, 0])})) == 0
    assert plan_fusions(0, land_cover=True, change=True).members == ()


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="ascending"):
        dates_of([3, 1])
    with pytest.raises(ValueError, match="at least 0"):
        dates_of([1], [-1])
    with pytest.raises(ValueError, match="at least one date"):
        Epoch(start=np.datetime64("2021-01-01"), end=np.datetime64("2021-01-01"))
    with pytest.raises(ValueError, match="at least 1 epoch"):
        plan_epochs({}, max_epochs=0)
