"""Dates, and what is left to do: pure values."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_scenes import FIRST, scene_of

from pipelines.cube.acquisition import Acquisition, acquisitions, microseconds
from pipelines.cube.plan import HeldBack, StoredDate, place, plan_build
from pipelines.cube.stored_scene import RECORD_KEY, scene_record, stored_scene


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


def held(scene_id, **facts):
    """A scene as the cube remembers it."""
    scene = scene_of(scene_id, (), **facts)
    return stored_scene(scene_id, {scene_id: {RECORD_KEY: json.loads(json.dumps(scene_record(scene)))}}, "")


def date(time_us, *scene_ids):
    return StoredDate(time_us=time_us, scenes=tuple(held(scene_id) for scene_id in scene_ids))


def test_a_plan_holds_what_is_not_stored():
    wanted = [Acquisition(group="s2", scenes=(at("a", 0),)), Acquisition(group="s2", scenes=(at("b", 0), at("c", 1)))]
    stored = {"s2": (date(5, "a", "z"), date(9, "b"))}

    plan = plan_build(wanted, stored)

    assert plan.settled == {"a"}
    assert ids(plan.dates) == [("b", "c")]
    assert plan.left_out == ()


@given(
    times=st.lists(st.integers(0, 50), unique=True, max_size=8),
    late=st.integers(0, 50),
    shared=st.sets(st.integers(0, 7)),
)
def test_a_date_goes_to_its_place_and_loses_nothing_else(times, late, shared):
    stored = tuple(date(time, f"s{i}") for i, time in enumerate(sorted(times)))
    scenes = [at(f"s{i}", 5 * i) for i in sorted(shared)] or [at("new", 0)]
    ours = {scene.id for scene in scenes}
    foreign = [d for d in stored if d.time_us == late and d.scene_ids[0] not in ours]

    if foreign:
        with pytest.raises(HeldBack, match=foreign[0].scene_ids[0]):
            place(late, scenes, stored)
        return
    order = place(late, scenes, stored).order

    assert order.count(None) == 1
    kept = [index for index in order if index is not None]
    assert kept == [i for i, old in enumerate(stored) if old.scene_ids[0] not in ours]
    placed = [late if index is None else stored[index].time_us for index in order]
    assert placed == sorted(set(placed))


@given(
    stored_days=st.lists(st.integers(0, 40), unique=True, max_size=12),
    wanted_days=st.lists(st.integers(0, 40), unique=True, max_size=12),
    newer=st.booleans(),
)
def test_a_plan_is_what_looking_at_every_stored_date_gives(stored_days, wanted_days, newer):
    """Dates far apart are not compared: the answer must be as if they were."""
    baseline = "05.00" if newer else "02.14"

    def on(day, prefix, baseline):
        scene = at(f"{prefix}{day}", 10 * day, processing_baseline=baseline)
        return replace(scene, tile="31UFS")

    old = [on(day, "s", "02.14") for day in sorted(stored_days)]
    records = [{scene.id: {RECORD_KEY: scene_record(scene)}} for scene in old]
    stored = tuple(
        StoredDate(time_us=microseconds(scene.time), scenes=(stored_scene(scene.id, record, ""),))
        for scene, record in zip(old, records, strict=True)
    )
    wanted = [Acquisition(group="s2", scenes=(on(day, "w", baseline),)) for day in sorted(wanted_days)]

    plan = plan_build(wanted, {"s2": stored})

    free = set(wanted_days) - set(stored_days)
    expected = set(wanted_days) if newer else free
    assert {scene_id for date in plan.dates for scene_id in date.ids} == {f"w{day}" for day in expected}
    assert {outcome.id for outcome in plan.left_out} == {f"w{day}" for day in set(wanted_days) - expected}
    for date in plan.dates:
        order = place(date.time_us, date.scenes, stored).order
        day = int(date.ids[0][1:])
        assert order == tuple(
            None if number is None else number
            for number in [
                *(i for i, d in enumerate(sorted(stored_days)) if d < day),
                None,
                *(i for i, d in enumerate(sorted(stored_days)) if d > day),
            ]
        )


def test_planning_grows_with_the_number_of_dates_not_with_its_square(monkeypatch):
    """Counted, not timed: how often two scenes are compared by name and place."""
    from pipelines.cube import stored_scene as module

    compared = []
    resolve = module.resolve
    monkeypatch.setattr(module, "resolve", lambda *both: compared.append(both) or resolve(*both))

    def scenes(number, prefix, baseline):
        return [replace(at(f"{prefix}{i}", 720 * i, processing_baseline=baseline), tile="31UFS") for i in range(number)]

    for number in (20, 40):
        compared.clear()
        stored = tuple(
            StoredDate(
                time_us=microseconds(s.time), scenes=(stored_scene(s.id, {s.id: {RECORD_KEY: scene_record(s)}}, ""),)
            )
            for s in scenes(number, "s", "02.14")
        )
        wanted = [Acquisition(group="s2", scenes=(scene,)) for scene in scenes(number, "w", "05.00")]
        assert len(plan_build(wanted, {"s2": stored}).dates) == number
        assert len(compared) <= 3 * number


def test_an_acquisition_without_scenes_cannot_be():
    with pytest.raises(ValueError, match="at least one scene"):
        Acquisition(group="s2", scenes=())
    assert Acquisition(group="s2", scenes=(at("a", 0),)).without("a") is None
