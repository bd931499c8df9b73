"""One scene for each acquisition, and a reason for every other one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from catalogs.acquisition import acquisition_id, landsat_tier
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


def landsat(item_id, **changes):
    values = {
        "collection": "landsat-c2-l2",
        "sensor": "landsat-oli-tirs",
        "platform": "landsat-9",
        "tile": "084073",
        "relative_orbit": None,
        "processing_baseline": "02",
        "product_type": "",
        "acquisition_id": acquisition_id(item_id, {}),
        "tier": landsat_tier(item_id, {}),
    }
    return scene(item_id, **(values | changes))


def test_a_real_time_landsat_product_gives_way_to_the_final_one():
    final, early = "LC09_L2SP_084073_20250722_20250805_02_T1", "LC09_L2SP_084073_20250722_20250723_02_RT"

    kept, (row,) = resolve([landsat(early, generated=datetime(2030, 1, 1, tzinfo=UTC)), landsat(final)])

    assert [s.id for s in kept] == [final]
    assert (row.id, row.reason, row.detail) == (early, "superseded", f"tier RT, {final} has T1")


def test_landsat_products_are_told_by_satellite_level_place_and_day():
    name = "LC09_L2SR_084073_20250722_02_T1"

    assert told(landsat(name), landsat("LC09_L2SP_084073_20250722_20250805_02_T1"))[1] == [(name, "duplicate")]
    others = ["LC08_L2SR_084073_20250722_02_T1", "LC09_L1TP_084073_20250722_02_T1", "LC09_L2SR_084074_20250722_02_T1"]
    for number, other in enumerate(others):
        beside = landsat(other, tile=f"08407{number}", time=TIME + timedelta(seconds=30 * number))
        assert told(landsat(name, tile="084079"), beside)[1] == []


def test_the_older_landsat_collection_is_superseded():
    old, new = "LC08_L2SP_033032_20231008_01_T1", "LC08_L2SP_033032_20231008_02_T1"

    assert told(landsat(old, processing_baseline="01"), landsat(new)) == ([new], [(old, "superseded")])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("S2B_MSIL2A_20250731T131909_N0511_R095_T20EPT_20250731T143919.SAFE", "S2B_L2A_20250731T131909_095_20EPT"),
        ("S2A_MSIL2A_20190101T000001_R116_T59VPD_20201007T214657", "S2A_L2A_20190101T000001_116_59VPD"),
        ("S2A_MSIL1C_20190101T000001_N0207_R116_T59VPD_20190101T020000", "S2A_L1C_20190101T000001_116_59VPD"),
        (f"{RADAR}_6FF8_COG", RADAR),
        (f"{RADAR}_6FF8.SAFE", RADAR),
        (f"{RADAR}_rtc", f"{RADAR}_rtc"),
        ("LC08_L2SP_033032_20231008_20231017_02_T1_SR", "L08_L2_033032_20231008"),
        ("S2A_MSIL2A_20170613T101031_87_48", ""),  # a patch of BigEarthNet: not the whole product
        ("S2B_20EPT_20250731_0_L2A", ""),
    ],
)
def test_product_names_tell_the_acquisition(name, expected):
    assert acquisition_id(name, {}) == expected
    assert acquisition_id("another-id", {"s2:product_uri": name}) == expected


def test_patches_of_one_product_are_all_kept():
    left = scene("left", acquisition_id="S2A_L2A_20210601T105031_051_31UFS")
    right = scene("right", acquisition_id="S2A_L2A_20210601T105031_051_31UFS", footprint=moved(RING, 0.9))

    assert told(left, right) == (["left", "right"], [])


def test_the_preferred_catalogue_breaks_a_tie():
    a, b = scene("a"), scene("b", collection="other")

    assert [s.id for s in resolve([b], [a])[0]] == ["b"]
    assert [s.id for s in resolve([a], [b])[0]] == ["a"]
    assert [s.id for s in resolve([scene("old", processing_baseline="02.14")], [a])[0]] == ["a"]
