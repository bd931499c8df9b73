"""Passes that the orbit foretells and scenes that another catalogue has are missed where they are missing."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.completeness import compare, revisits, sightings
from catalogs.scenes import Asset, Scene, SceneOutcome, SceneSet, Sighting

START, END = datetime(2021, 6, 1, tzinfo=UTC), datetime(2021, 9, 1, tzinfo=UTC)
FIRST = datetime(2021, 6, 3, 10, 50, 31, tzinfo=UTC)
RING = ((5.0, 50.0), (6.0, 50.0), (6.0, 51.0), (5.0, 50.0))


def seen(days, **changes):
    values = {"sensor": "sentinel-2-msi", "platform": "sentinel-2a", "relative_orbit": 51, "tile": "31UFS"} | changes
    return [Sighting(time=FIRST + timedelta(days=day), **values) for day in days]


def told(answer):
    return [(gap.place, gap.first, gap.last, gap.passes) for gap in answer.gaps]


def test_a_track_without_a_gap_is_complete():
    answer = revisits(seen(range(0, 90, 10)), START, END)

    assert (answer.found, answer.expected, answer.gaps, answer.not_judged) == (9, 9, (), 0)
    (track,) = answer.tracks
    assert (track.repeat_days, track.found, track.expected) == (10, 9, 9)


def test_gaps_are_told_by_range_and_place():
    answer = revisits(seen([20, 30, 60]), START, END)

    assert (answer.found, answer.expected) == (3, 9)
    assert told(answer) == [
        ("before", "2021-06-03", "2021-06-13", 2),
        ("within", "2021-07-13", "2021-07-23", 2),
        ("after", "2021-08-12", "2021-08-22", 2),
    ]


def test_every_satellite_track_and_tile_is_judged_alone():
    both = seen([0], platform="sentinel-2b") + seen([0], tile="31UGS") + seen([0], relative_orbit=8)

    answer = revisits(seen(range(0, 90, 10)) + both, START, END)

    assert len(answer.tracks) == 4
    assert answer.expected == 36
    assert {gap.passes for gap in answer.gaps} == {8}


@pytest.mark.parametrize(
    ("sensor", "platform", "days"),
    [
        ("sentinel-1-csar", "sentinel-1a", 12),
        ("sentinel-2-msi", "sentinel-2c", 10),
        ("landsat-oli-tirs", "landsat-9", 16),
    ],
)
def test_repeat_cycles_are_those_of_the_missions(sensor, platform, days):
    times = seen(range(0, 89, days), sensor=sensor, platform=platform)

    answer = revisits(times, START, END)

    assert answer.gaps == ()
    assert answer.tracks[0].repeat_days == days
    assert revisits(times[:1], START, END).expected == len(times)


def test_slices_of_one_radar_pass_are_one_pass():
    pass_one = seen([0], sensor="sentinel-1-csar", platform="sentinel-1a", tile="7")
    pass_one += [Sighting(**{**_fields(pass_one[0]), "time": FIRST + timedelta(seconds=25), "tile": "8"})]

    answer = revisits(pass_one, START, END)

    assert len(answer.tracks) == 1
    assert answer.tracks[0].found == 1


def _fields(one):
    return {name: getattr(one, name) for name in ("sensor", "platform", "relative_orbit", "tile", "time")}


def test_a_place_that_one_track_sees_twice_a_cycle_is_judged_by_each():
    answer = revisits(seen([0, 10, 20]) + seen([5, 25]), START, FIRST + timedelta(days=26))

    assert [(track.found, track.expected) for track in answer.tracks] == [(3, 3), (2, 3)]
    assert told(answer) == [("within", "2021-06-18", "2021-06-18", 1)]


def test_what_has_no_repeat_is_counted():
    others = seen([0], composite=True) + seen([0], platform="") + seen([0], relative_orbit=None, tile="")
    others += seen([0], sensor="naip-aerial", platform="aircraft")

    answer = revisits(others, START, END)

    assert (answer.tracks, answer.not_judged) == ((), 4)


def test_the_future_is_not_missed():
    assert revisits(seen([0]), START, FIRST + timedelta(days=9)).expected == 1
    assert revisits(seen([0]), START, FIRST + timedelta(days=10, seconds=1)).expected == 2
    assert revisits([], START, END).tracks == ()


@given(
    dropped=st.sets(st.integers(0, 11)),
    shift=st.integers(0, 9),
    jitter=st.lists(st.integers(-300, 300), min_size=12, max_size=12),
)
def test_found_and_missing_passes_add_up(dropped, shift, jitter):
    start, end = FIRST + timedelta(days=shift - 10, hours=1), FIRST + timedelta(days=shift + 110, hours=-1)
    planted = [day for day in range(12) if start <= FIRST + timedelta(days=10 * day) < end]
    kept = [day for day in planted if day not in dropped]
    times = [
        Sighting(**{**_fields(one), "time": one.time + timedelta(seconds=jitter[day])})
        for day in kept
        for one in seen([10 * day])
    ]

    answer = revisits(times, start, end)

    if kept:
        assert abs(answer.expected - len(planted)) <= 1  # the ends are known to the minutes of the jitter
        assert answer.found == len(kept)
        assert sum(gap.passes for gap in answer.gaps) == answer.expected - answer.found


def scene(name, *, day=0, acquisition="", **changes):
    time = FIRST + timedelta(days=day)
    values = {
        "collection": "sentinel-2-l2a",
        "sensor": "sentinel-2-msi",
        "time": time,
        "time_start": time,
        "time_end": time,
        "footprint": RING,
        "assets": (Asset(band="B04", href=""),),
        "platform": "Sentinel-2A",
        "tile": "31UFS",
        "relative_orbit": 51,
        "acquisition_id": acquisition,
    }
    return Scene(id=name, **(values | changes))


def test_scenes_that_only_the_second_has_are_lacking():
    first = SceneSet(scenes=(scene("a", acquisition="A"), scene("b", day=10), scene("alone", day=40)))
    second = SceneSet(
        scenes=(
            scene("other-a", acquisition="A", time=FIRST + timedelta(minutes=5)),
            scene("other-b", day=10, acquisition="B", time=FIRST + timedelta(days=10, seconds=14)),
            scene("c", day=20),
            scene("d", day=10, tile="31UGS"),
        )
    )

    told = compare(first, second)

    assert (told.in_both, told.only_first) == (2, 1)
    assert [row.id for row in told.lacking] == ["d", "c"]
    assert told.lacking[1].time == "2021-06-23T10:50:31+00:00"


def skipped(name, reason, **changes):
    return SceneOutcome(
        id=name, collection="c", outcome="skipped", reason=reason, sighting=scene(name, **changes).sighting
    )


def test_a_scene_that_was_skipped_is_not_lacking():
    first = SceneSet(scenes=(), skipped=(skipped("cloudy", "too_cloudy"), skipped("keys", "refused", day=10)))
    second = SceneSet(scenes=(scene("x"), scene("y", day=10), scene("z", day=20)))

    assert [row.id for row in compare(first, second).lacking] == ["z"]
    assert len(sightings(first)) == 2


def test_versions_of_one_acquisition_are_counted_once():
    again = skipped("old", "superseded")

    assert compare(SceneSet(scenes=(scene("a"),)), SceneSet(scenes=(scene("a"),), skipped=(again,))).in_both == 1
    assert len(sightings(SceneSet(scenes=(scene("a"),), skipped=(again,)))) == 1


def test_a_search_keeps_what_it_skipped(catalog, item, query):
    from dataclasses import replace

    from catalogs.static import search_static

    broken = item("broken", properties={"s2:product_uri": None, "grid:code": "MGRS-31UFT"})
    broken["assets"]["red"]["href"] = "s3://elsewhere/B04.tif"
    path = catalog(
        item("cloudy", properties={"eo:cloud_cover": 90.0}),
        broken,
        item("elsewhere", ring=[[5.0, 50.0], [5.25, 50.0], [5.0, 50.25], [5.0, 50.0]]),
    )

    answer = search_static(replace(query, max_cloud_cover=20.0), path)

    assert {row.id: row.sighting and row.sighting.tile for row in answer.skipped} == {
        "cloudy": "31UFS",
        "broken": "31UFT",
        "elsewhere": None,
    }
