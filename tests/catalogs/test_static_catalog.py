"""A catalogue on disk: every item is used, skipped with a reason, or counted as not asked for."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from catalogs.errors import CatalogError
from catalogs.query import SceneQuery
from catalogs.static import search_static

BELGIUM = (5.3189, 50.6286, 5.3334, 50.6378)


def asking(box, start, end, *collections):
    west, south, east, north = box
    ring = ((west, south), (east, south), (east, north), (west, north))
    return SceneQuery(bbox=box, footprint=ring, start=start, end=end, collections=collections)


def test_the_belgian_region_accounts_for_every_item(shared_data):
    query = asking(
        BELGIUM,
        datetime(2020, 11, 1, tzinfo=UTC),
        datetime(2021, 11, 1, tzinfo=UTC),
        "sentinel-2-l2a",
        "sentinel-1-grd",
    )

    answer = search_static(query, shared_data / "catalog" / "catalog.json")

    assert Counter(scene.collection for scene in answer.scenes) == {"sentinel-2-l2a": 10, "sentinel-1-grd": 12}
    assert answer.skipped == ()
    assert answer.unmatched == 58
    optical = [scene for scene in answer.scenes if scene.sensor == "sentinel-2-msi"]
    assert {tuple(a.band for a in scene.assets) for scene in optical} == {
        ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12")
    }
    # no image was taken in the two winter months: they are absent, not empty
    assert [scene.time.strftime("%Y-%m") for scene in optical][:2] == ["2020-11", "2021-02"]
    assert all("/catalog/" in asset.href for scene in answer.scenes for asset in scene.assets)
    assert list(answer.scenes) == sorted(answer.scenes, key=lambda s: (s.time, s.collection, s.id))
    assert any("Contains modified Copernicus Sentinel data [2020-2021]" in line for line in answer.attribution)


def test_collections_without_a_known_sensor_are_skipped_not_dropped(shared_data):
    query = asking(
        (-180.0, -90.0, 180.0, 90.0), datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC),
        "sentinel-2-l2a", "sentinel-1-grd", "bigearthnet-s1-s2", "cop-dem-glo-30",
    )  # fmt: skip

    answer = search_static(query, shared_data / "catalog")

    assert len(answer.scenes) == 43 + 22 + 2 * 3  # each pair of BigEarthNet gives two
    assert {(row.collection, row.reason) for row in answer.skipped} == {("cop-dem-glo-30", "unreadable")}
    assert len(answer.skipped) == 2
    assert answer.unmatched == 80 - 43 - 22 - 3 - 2


def test_the_time_range_is_half_open_and_judged_by_the_middle(catalog, item, query):
    month = {"datetime": None, "start_datetime": "2021-06-01T00:00:00Z", "end_datetime": "2021-06-30T23:59:59Z"}
    path = catalog(
        item("first-instant", properties={"datetime": "2021-06-01T00:00:00Z"}),
        item("end-instant", properties={"datetime": "2021-07-01T00:00:00Z"}),
        item("month", properties=month),
        item("straddling", properties={**month, "start_datetime": "2021-05-01T00:00:00Z"}),
    )

    answer = search_static(replace(query, start=datetime(2021, 6, 1, tzinfo=UTC)), path)

    assert [scene.id for scene in answer.scenes] == ["first-instant", "month"]
    assert answer.unmatched == 2


def test_a_matched_item_whose_shape_misses_the_area_is_outside(catalog, item, query):
    triangle = [[5.0, 50.0], [6.0, 50.0], [6.0, 51.0], [5.0, 50.0]]  # its box holds the area, itself it does not
    path = catalog(item("in"), item("corner", ring=triangle), item("far", ring=[[1, 1], [2, 1], [2, 2], [1, 1]]))
    shifted = replace(
        query, bbox=(5.1, 50.7, 5.2, 50.8), footprint=((5.1, 50.7), (5.2, 50.7), (5.2, 50.8), (5.1, 50.8))
    )

    answer = search_static(shifted, path)

    assert [scene.id for scene in answer.scenes] == ["in"]
    assert [(row.id, row.reason) for row in answer.skipped] == [("corner", "outside")]
    assert answer.unmatched == 1


def test_relative_hrefs_become_absolute_paths_below_the_catalogue(catalog, item, query):
    path = catalog(item())

    (scene,) = search_static(query, path).scenes

    assert scene.asset("B04").href == str(path.parent.resolve() / "sentinel-2-l2a" / "red.tif")
    assert scene.item_href == str(path.parent.resolve() / "sentinel-2-l2a" / "0.json")


@pytest.mark.parametrize(
    "href",
    ["../../secret.tif", "/etc/passwd", "/vsicurl/https://evil.example/B04.tif", "s3://bucket/B04.tif",
     "http://evil.example/B04.tif", "file:///etc/passwd", "./a\0b.tif", "zip:x.zip!B04.tif"],
)  # fmt: skip
def test_an_asset_that_leaves_the_catalogue_makes_its_item_unreadable(catalog, item, query, href):
    document = item()
    document["assets"]["red"]["href"] = href

    answer = search_static(query, catalog(document))

    assert answer.scenes == ()
    (row,) = answer.skipped
    assert row.reason == "unreadable"
    assert "not followed" in row.detail


def test_a_symbolic_link_does_not_lead_out_either(catalog, item, query, tmp_path):
    path = catalog(item())
    (tmp_path / "outside.tif").write_bytes(b"")
    (path.parent / "sentinel-2-l2a" / "red.tif").symlink_to(tmp_path / "outside.tif")

    (row,) = search_static(query, path).skipped

    assert (row.reason, "not followed" in row.detail) == ("unreadable", True)


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ({"rel": "item", "href": "../../../elsewhere/item.json"}, "stays below"),
        ({"rel": "item", "href": "https://evil.example/item.json"}, "only local paths"),
        ({"rel": "item", "href": "./absent.json"}, "restore it"),
        ({"rel": "child", "href": "../absent/collection.json"}, "restore it"),
    ],
)
def test_a_link_that_cannot_be_followed_is_recorded(catalog, item, query, link, told):
    answer = search_static(query, catalog(item(), links=(link,)))

    assert len(answer.scenes) == 1
    (row,) = answer.skipped
    assert (row.collection, row.reason) == ("sentinel-2-l2a", "unreadable")
    assert told in row.detail


def test_broken_items_are_skipped_only_where_they_may_be_asked_for(catalog, item, query):
    path = catalog(
        item("good"),
        item("no-time", properties={"datetime": "yesterday"}),
        item("no-time-elsewhere", properties={"datetime": "yesterday"}, ring=[[1, 1], [2, 1], [2, 2], [1, 1]]),
        item("no-place", geometry=None, bbox=None),
        item("no-place-long-ago", geometry=None, bbox=None, properties={"datetime": "2001-01-01T00:00:00Z"}),
        item("no-item", type="Nonsense"),
        item("other", collection="sentinel-1-grd", properties={"datetime": "yesterday"}),
    )

    answer = search_static(query, path)

    assert [scene.id for scene in answer.scenes] == ["good"]
    assert [(row.id, row.reason) for row in answer.skipped] == [
        ("no-item", "unreadable"),
        ("no-place", "unreadable"),
        ("no-time", "unreadable"),
    ]
    assert answer.unmatched == 3


def test_clouds_above_the_limit_are_skipped_and_unknown_clouds_are_not(catalog, item, query):
    path = catalog(
        item("clear", properties={"eo:cloud_cover": 20.0, "grid:code": "MGRS-31UFR"}),
        item("cloudy", properties={"eo:cloud_cover": 20.1, "grid:code": "MGRS-31UFS"}),
        item("unknown", properties={"eo:cloud_cover": None, "grid:code": "MGRS-31UFT"}),
    )

    answer = search_static(replace(query, max_cloud_cover=20.0), path)

    assert [scene.id for scene in answer.scenes] == ["clear", "unknown"]
    assert [(row.id, row.reason) for row in answer.skipped] == [("cloudy", "too_cloudy")]
    assert "20.1" in answer.skipped[0].detail


def test_circles_of_links_are_walked_once(catalog, item, query):
    back = {"rel": "child", "href": "../catalog.json"}

    answer = search_static(query, catalog(item(), links=(back, {"rel": "item", "href": "./0.json"})))

    assert len(answer.scenes) == 1
    assert answer.skipped == ()


@pytest.mark.parametrize("text", [None, "not json", "[]", '{"type": "Feature"}'])
def test_what_is_no_catalogue_is_an_error_with_its_path(tmp_path, query, text):
    path = tmp_path / "catalog.json"
    if text is not None:
        path.write_text(text)

    with pytest.raises(CatalogError, match=r"catalog\.json"):
        search_static(query, path)


def test_a_malformed_collection_does_not_end_the_search(catalog, item, query):
    path = catalog(item(), links=({"rel": "child", "href": "./sub/collection.json"},))
    folder = path.parent / "sentinel-2-l2a" / "sub"
    folder.mkdir()
    (folder / "collection.json").write_text(json.dumps({"type": "Collection", "id": 7, "links": "none"}))

    answer = search_static(query, path)

    assert len(answer.scenes) == 1
    assert [row.reason for row in answer.skipped] == ["unreadable"]
