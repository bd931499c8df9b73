"""Dates, and what is left to do: pure values."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_scenes import FIRST, scene_of

from pipelines.cube.acquisition import Acquisition, acquisitions, microseconds
from pipelines.cube.plan import StoredDate, new_order, plan_build


def at(scene_id, minutes, **facts):
    return scene_of(scene_id, (), time=FIRST + timedelta(minutes=minutes), **{"platform": "sentinel-2a", **facts})


def ids(dates):
    return [date.ids for date in dates]


def test_tiles_of_a_pass_share_a_date_and_passes_do_not():
    scenes = [at("b", 0.2), at("a", 0), at("next", 100), at("later", 5 * 1440)]

    assert ids(acquisitions(scenes, "s2")) == [("a", "b"), ("next",), ("later",)]


def test_two_satellites_or_orbits_are_two_dates():
    scenes = [at("a", 0), at("b", 1, platform="sentinel-2b"), at("c", 2, relative_orbit=8), at("d", 3, platform="")]

    assert ids(acquisitions(scenes, "s2")) == [("a",), ("b",), ("c",), ("d",)]


def test_equal_times_are_one_date_since_time_is_the_index():
    scenes = [at("a", 0), at("b", 0, platform="sentinel-2b")]

    assert ids(acquisitions(scenes, "s2")) == [("a", "b")]


def test_composites_are_gathered_only_at_equal_times():
    month = {"time_start": FIRST - timedelta(days=15), "time_end": FIRST + timedelta(days=15)}

    assert ids(acquisitions([at("a", 0, **month), at("b", 5, **month)], "s2")) == [("a",), ("b",)]


def test_microseconds_are_exact():
    assert microseconds(FIRST) == 1614595831024000


def test_a_plan_holds_what_is_not_stored():
    wanted = [Acquisition(group="s2", scenes=(at("a", 0),)), Acquisition(group="s2", scenes=(at("b", 0), at("c", 1)))]
    stored = {"s2": (StoredDate(time_us=5, scene_ids=("a", "z")), StoredDate(time_us=9, scene_ids=("b",)))}

    plan = plan_build(wanted, stored)

    assert plan.settled == {"a"}
    assert ids(plan.dates) == [("b", "c")]


@given(
    times=st.lists(st.integers(0, 50), unique=True, max_size=8),
    late=st.integers(0, 50),
    shared=st.sets(st.integers(0, 7)),
)
def test_a_new_order_is_sorted_and_loses_nothing_else(times, late, shared):
    stored = tuple(StoredDate(time_us=time, scene_ids=(f"s{i}",)) for i, time in enumerate(sorted(times)))
    date = SimpleNamespace(time_us=late, ids=tuple(f"s{i}" for i in sorted(shared)) or ("new",))

    order = new_order(date, stored)

    assert order.count(None) == 1
    kept = [index for index in order if index is not None]
    assert kept == [i for i, old in enumerate(stored) if old.time_us != late and old.scene_ids[0] not in date.ids]
    placed = [late if index is None else stored[index].time_us for index in order]
    assert placed == sorted(set(placed))


def test_an_acquisition_without_scenes_cannot_be():
    with pytest.raises(ValueError, match="at least one scene"):
        Acquisition(group="s2", scenes=())
    assert Acquisition(group="s2", scenes=(at("a", 0),)).without("a") is None
