"""One scene for each acquisition, and a reason for every other one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from catalogs.acquisition import acquisition_id
from catalogs.item import read_scenes
from catalogs.providers import EARTH_SEARCH
from catalogs.resolve import resolve, version_of
from catalogs.scenes import Asset, Scene

RING = ((5.0, 50.0), (6.0, 50.0), (6.0, 51.0), (5.0, 51.0), (5.0, 50.0))
TIME = datetime(2021, 6, 1, 10, 50, 31, tzinfo=UTC)


def scene(item_id, *, generated=None, **changes):
    values = {
        "collection": "sentinel-2-l2a",
        "sensor": "sentinel-2-msi",
        "time": TIME,
        "time_start": TIME,
        "time_end": TIME,
        "footprint": RING,
        "assets": (Asset(band="B04", href="/b04.tif"),),
        "platform": "sentinel-2a",
        "tile": "31UFS",
        "relative_orbit": 51,
        "processing_baseline": "05.00",
        "product_type": "S2MSI2A",
    }
    return Scene(id=item_id, generated=generated, **(values | changes))


def moved(ring, degrees):
    return tuple((x + degrees, y) for x, y in ring)


def told(*entries):
    kept, outcomes = resolve(entries)
    return sorted(s.id for s in kept), sorted((row.id, row.reason) for row in outcomes)


@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_baseline_wins(order):
    versions = [
        scene("old", processing_baseline="02.14"),
        scene("new", processing_baseline="05.10"),
        scene("mid", processing_baseline="05.09"),
    ]

    assert told(*versions[::order]) == (["new"], [("mid", "superseded"), ("old", "superseded")])


def test_times_a_few_milliseconds_apart_are_one_acquisition():
    earlier = TIME - timedelta(milliseconds=2)  # in the second before

    assert told(
        scene("old", processing_baseline="02.14", time=earlier, time_start=earlier, time_end=earlier), scene("new")
    ) == (["new"], [("old", "superseded")])


@pytest.mark.parametrize(
    "change",
    [
        {"time": TIME + timedelta(seconds=14)},
        {"tile": "31UGS"},
        {"platform": "sentinel-2b"},
        {"relative_orbit": 8},
        {"sensor": "sentinel-1-csar"},
        {"product_type": "S2MSI1C"},
        {"footprint": moved(RING, 0.9)},
    ],
)
def test_what_differs_in_identity_is_kept(change):
    assert told(scene("one"), scene("other", **change)) == (["one", "other"], [])


def test_the_same_version_in_two_collections_is_a_duplicate():
    assert told(scene("a"), scene("b", collection="sentinel-2-c1-l2a", product_type="L2A")) == (
        ["b"],
        [("a", "duplicate")],
    )


def test_the_later_generation_of_one_baseline_wins():
    first, second = datetime(2022, 1, 1, tzinfo=UTC), datetime(2022, 1, 2, tzinfo=UTC)

    assert told(scene("a", generated=first), scene("b", generated=second)) == (["b"], [("a", "superseded")])


def test_an_unofficial_baseline_never_wins():
    assert version_of("99.99") == ()
    assert told(scene("odd", processing_baseline="99.05"), scene("plain", processing_baseline="02.14")) == (
        ["plain"],
        [("odd", "superseded")],
    )


def test_an_id_is_used_once():
    again = scene("same", time=TIME + timedelta(days=5))

    kept, outcomes = resolve([scene("same"), scene("same"), again])

    assert len(kept) == 1
    assert [row.reason for row in outcomes] == ["duplicate", "duplicate"]


def radar(item_id, **changes):
    values = {
        "collection": "sentinel-1-grd",
        "sensor": "sentinel-1-csar",
        "tile": "7",
        "processing_baseline": "",
        "product_type": "GRD",
    }
    return scene(item_id, acquisition_id=acquisition_id(item_id, {}), **(values | changes))


RADAR = "S1A_IW_GRDH_1SDV_20210809T173953_20210809T174018_039156_049F13"


def test_radar_products_that_differ_in_the_last_four_characters_are_one():
    assert told(radar(f"{RADAR}_6FF8"), radar(f"{RADAR}_A0B1")) == ([f"{RADAR}_6FF8"], [(f"{RADAR}_A0B1", "duplicate")])
    late = datetime(2023, 1, 1, tzinfo=UTC)
    assert told(radar(f"{RADAR}_6FF8", generated=TIME), radar(f"{RADAR}_A0B1", generated=late)) == (
        [f"{RADAR}_A0B1"],
        [(f"{RADAR}_6FF8", "superseded")],
    )
    assert told(radar(f"{RADAR}_6FF8"), radar(f"{RADAR}_6FF8_rtc")) == ([f"{RADAR}_6FF8", f"{RADAR}_6FF8_rtc"], [])


def test_composites_are_told_apart_by_place_and_length():
    unnamed = {"tile": "", "platform": "", "relative_orbit": None, "time_start": TIME}
    month = unnamed | {"time_end": TIME + timedelta(days=30)}
    week = unnamed | {"time_end": TIME + timedelta(days=7)}
    beside = month | {"footprint": moved(RING, 0.3)}

    assert told(scene("month", **month), scene("week", **week), scene("beside", **beside)) == (
        ["beside", "month", "week"],
        [],
    )
    assert told(scene("month", **month), scene("copy", **month)) == (["copy"], [("month", "duplicate")])


def test_versions_are_told_from_real_item_fields(item, found):
    old = item("old", properties={"s2:processing_baseline": None, "s2:product_uri": None})
    old["properties"]["s2:product_uri"] = "S2A_MSIL2A_20210601T105031_N0300_R051_T31UFS_20210601T140000.SAFE"

    kept, (row,) = resolve([*read_scenes(found(old), EARTH_SEARCH), *read_scenes(found(item("new")), EARTH_SEARCH)])

    assert [s.id for s in kept] == ["new"]
    assert (row.id, row.reason, row.detail) == ("old", "superseded", "baseline 03.00, new has 05.00")


def test_the_more_complete_of_two_equals_wins():
    fuller = (Asset(band="B04", href="/b04.tif"), Asset(band="SCL", href="/scl.tif"))
    entry = scene("z")

    assert told(scene("a"), replace(entry, assets=fuller)) == (["z"], [("a", "duplicate")])
