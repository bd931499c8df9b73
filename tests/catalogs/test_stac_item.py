"""STAC items of every ordinary form become scenes, and broken ones say what is wrong."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from catalogs.errors import ItemError
from catalogs.item import FoundItem, read_scenes
from catalogs.providers import EARTH_SEARCH, static_provider


def read_one(entry, provider=EARTH_SEARCH, **options):
    (read,) = read_scenes(entry, provider, **options)
    return read


def test_stac_1_0_bands_are_read(item, found):
    scene = read_one(found(item()))

    assert [asset.band for asset in scene.assets] == ["B04", "B08", "SCL"]
    red = scene.asset("B04")
    assert (red.scale, red.offset, red.nodata, red.data_type, red.epsg) == (0.0001, -0.1, 0.0, "uint16", 32631)
    assert (scene.tile, scene.relative_orbit, scene.processing_baseline) == ("31UFS", 51, "05.00")
    assert scene.offset_applied is True
    assert (scene.sun_azimuth_deg, scene.sun_elevation_deg, scene.cloud_cover) == (155.0, 58.5, 12.5)
    assert scene.time == scene.time_start == scene.time_end == datetime(2021, 6, 1, 10, 50, 31, 123000, tzinfo=UTC)


def test_stac_1_1_bands_say_the_same(item, found):
    document = item(stac_version="1.1.0")
    del document["properties"]["proj:epsg"]
    for key, asset in document["assets"].items():
        raster = asset.pop("raster:bands")[0]
        asset.pop("eo:bands", None)
        asset["bands"] = [{"name": {"red": "B04", "nir": "B08", "scl": "SCL"}[key]}]
        asset["proj:code"] = "EPSG:32631"
        asset |= {name: raster[name] for name in ("nodata", "data_type")}
        asset |= {f"raster:{name}": raster[name] for name in ("scale", "offset") if name in raster}

    assert read_one(found(document)) == read_one(found(item()))


@pytest.mark.parametrize(
    ("asset", "expected"),
    [
        ({"bands": [{"name": "B04", "nodata": "nan"}], "nodata": 0}, math.nan),
        ({"bands": [{"name": "B04"}], "nodata": "-inf"}, -math.inf),
        ({"bands": [{"name": "B04"}], "nodata": 65535}, 65535.0),
        ({"bands": [{"name": "B04"}]}, None),
    ],
)
def test_nodata_is_never_confused_with_zero(item, found, asset, expected):
    document = item(assets={"x": {"href": "https://sentinel-cogs.s3.us-west-2.amazonaws.com/x.tif", **asset}})

    nodata = read_one(found(document)).assets[0].nodata

    assert nodata == expected or (math.isnan(nodata) and math.isnan(expected))


@pytest.mark.parametrize(
    ("place", "fields", "epsg"),
    [
        ("asset", {"proj:code": "EPSG:32632"}, 32632),
        ("asset", {"proj:epsg": 32633}, 32633),
        ("item", {"proj:code": "epsg:32634"}, 32634),
        ("item", {"proj:epsg": None}, None),
        ("item", {"proj:code": "IAU_2015:30100", "proj:epsg": None}, None),
    ],
)
def test_the_crs_comes_from_asset_then_item(item, found, place, fields, epsg):
    document = item(properties={"proj:epsg": 32631 if place == "asset" else None} | (fields if place == "item" else {}))
    if place == "asset":
        document["assets"]["red"] |= fields

    assert read_one(found(document)).asset("B04").epsg == epsg


def test_datetime_null_gives_the_middle(item, found):
    months = {"datetime": None, "start_datetime": "2021-06-01T00:00:00Z", "end_datetime": "2021-06-30T23:59:59Z"}

    scene = read_one(found(item(properties=months)))

    assert scene.time == datetime(2021, 6, 15, 23, 59, 59, 500000, tzinfo=UTC)
    assert (scene.time_start.day, scene.time_end.day) == (1, 30)


@pytest.mark.parametrize(
    "time", ["20170613T94161", "2017-06-13", "2017-06-13T10:10:31", "2017-02-30T10:10:31Z", 20170613]
)
def test_a_time_that_is_not_rfc3339_is_unreadable(item, found, time):
    with pytest.raises(ItemError, match=r"datetime|RFC 3339") as caught:
        read_scenes(found(item(properties={"datetime": time})), EARTH_SEARCH)

    assert caught.value.reason == "unreadable"


def test_the_finest_of_several_resolutions_wins(item, found):
    host = "https://sentinel-cogs.s3.us-west-2.amazonaws.com"
    document = item(
        assets={
            "B02_60m": {"href": f"{host}/60.jp2", "bands": [{"name": "B02"}]},
            "B02_10m": {"href": f"{host}/10.jp2", "bands": [{"name": "B02"}]},
            "blue_20m": {"href": f"{host}/20.jp2", "gsd": 20, "eo:bands": [{"name": "B02"}]},
            "SCL_60m": {"href": f"{host}/s60.jp2"},
            "SCL_20m": {"href": f"{host}/s20.jp2"},
        }
    )

    assert {asset.band: asset.href for asset in read_one(found(document)).assets} == {
        "B02": f"{host}/10.jp2",
        "SCL": f"{host}/s20.jp2",
    }


def test_a_band_name_outranks_an_alias(item, found):
    host = "https://sentinel-cogs.s3.us-west-2.amazonaws.com"
    document = item(
        assets={
            "nir": {"href": f"{host}/8a.tif", "bands": [{"name": "B8A"}]},
            "wide": {"href": f"{host}/8.tif", "bands": [{"name": "nir"}]},
        }
    )

    assert [asset.href for asset in read_one(found(document)).assets] == [f"{host}/8.tif", f"{host}/8a.tif"]


def test_pictures_previews_and_unknown_planes_are_no_bands(item, found):
    document = item()
    host = "https://elsewhere.example"
    document["assets"] |= {
        "visual": {"href": f"{host}/tci.tif", "eo:bands": [{"name": "red"}, {"name": "green"}, {"name": "blue"}]},
        "blue": {"href": f"{host}/blue.jpg", "roles": ["thumbnail"]},
        "aot": {"href": f"{host}/aot.tif"},
        "red-jp2": {"href": "s3://sentinel-s2-l2a/B04.jp2", "eo:bands": [{"name": "red"}]},
    }

    assert read_one(found(document)) == read_one(found(item()))


@pytest.mark.parametrize(
    "href",
    ["s3://bucket/B04.tif", "http://sentinel-cogs.s3.us-west-2.amazonaws.com/B04.tif", "https://evil.example/B04.tif",
     "https://sentinel-cogs.s3.us-west-2.amazonaws.com@evil.example/B04.tif",
     "file:///etc/passwd"],
)  # fmt: skip
def test_an_href_off_the_list_makes_the_item_unreadable(item, found, href):
    document = item()
    document["assets"]["red"]["href"] = href

    with pytest.raises(ItemError, match="not followed") as caught:
        read_scenes(found(document), EARTH_SEARCH)

    assert caught.value.reason == "unreadable"


def test_without_bands_an_item_misses_an_asset(item, found):
    document = item()
    del document["assets"]["red"], document["assets"]["nir"]

    with pytest.raises(ItemError, match=r"has \['SCL'\]") as caught:
        read_scenes(found(document), EARTH_SEARCH)

    assert caught.value.reason == "missing_asset"


def test_required_bands_are_asked_of_the_sensor_that_knows_them(item, found):
    assert read_one(found(item()), required_bands=("B04", "VV")).id

    with pytest.raises(ItemError, match="B02") as caught:
        read_scenes(found(item()), EARTH_SEARCH, required_bands=("B02", "B04"))

    assert caught.value.reason == "missing_asset"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"stac_version": "0.9.0"}, "stac_version"),
        ({"geometry": None}, "geometry"),
        ({"properties": {"eo:cloud_cover": "12"}}, "eo:cloud_cover"),
        ({"properties": {"earthsearch:boa_offset_applied": "true"}}, "boa_offset_applied"),
        ({"assets": {"red": {"href": None, "bands": [{"name": "B04"}]}}}, "href"),
        ({"assets": {"red": {"href": "x", "bands": "B04"}}}, "bands"),
        (
            {"collection": "mine", "properties": {"platform": None, "constellation": None, "instruments": None}},
            "sensor",
        ),
    ],
)
def test_a_broken_item_says_what_is_wrong(item, found, changes, told):
    with pytest.raises(ItemError, match=told) as caught:
        read_scenes(found(item(**changes)), EARTH_SEARCH)

    assert caught.value.reason == "unreadable"


def test_a_pair_of_sensors_gives_two_scenes_with_their_own_times(shared_data):

    path = next((shared_data / "catalog" / "bigearthnet-s1-s2").glob("BEN-S2B*/*.json"))
    document = json.loads(path.read_text())
    entry = FoundItem(id=document["id"], collection=document["collection"], href=str(path), document=document)

    radar, optical = read_scenes(entry, static_provider(shared_data / "catalog"))

    assert (radar.id, optical.id) == (f"{document['id']}#s1", f"{document['id']}#s2")
    assert (radar.platform, optical.platform) == ("sentinel-1a", "sentinel-2b")
    assert radar.time == datetime(2017, 9, 25, 4, 32, 56, tzinfo=UTC)
    assert optical.time == datetime(2017, 9, 24, 9, 30, 20, tzinfo=UTC)
    assert (radar.product_type, optical.product_type) == ("GRD", "")
    assert {asset.unit for asset in radar.assets} == {"dB"}
    assert len(optical.assets) == 12


def test_planetary_computer_items_are_understood(shared_data, found):

    path = min((shared_data / "stac_items" / "planetary-computer" / "sentinel-2-l2a").glob("*.json"))
    provider = replace(EARTH_SEARCH, hosts=("sentinel2l2a01.blob.core.windows.net",))

    scene = read_one(found(json.loads(path.read_text())), provider)

    assert (scene.tile, scene.relative_orbit, scene.processing_baseline) == ("59VPD", 116, "02.12")
    assert scene.sun_elevation_deg == pytest.approx(90 - 80.4877811832994)
    assert len(scene.assets) == 13
    assert scene.offset_applied is None
    assert scene.item_href.startswith("https://planetarycomputer.microsoft.com/")


def test_terrain_corrected_radar_of_another_naming_is_understood(shared_data, found):

    path = shared_data / "stac_items" / "stactools-sentinel1" / "S1A_20200103_17RMJ_ASC.json"
    provider = replace(EARTH_SEARCH, hosts=("sentinel-s1-rtc-indigo.s3.us-west-2.amazonaws.com",))

    scene = read_one(found(json.loads(path.read_text())), provider)

    assert [asset.band for asset in scene.assets] == ["VH", "VV"]
    assert (scene.product_type, scene.tile, scene.orbit_direction) == ("RTC", "17RMJ", "ascending")


def test_an_item_cut_at_the_antimeridian_is_joined_again(shared_data, found):

    path = next((shared_data / "stac_items" / "stactools-sentinel2").glob("*.json"))
    document = json.loads(path.read_text()) | {"collection": "sentinel-2-l2a"}

    scene = read_one(found(document, str(path)), static_provider(path.parent))

    longitudes = [x for x, _ in scene.footprint]
    assert 179 < min(longitudes) < 180 < max(longitudes) < 181
    assert scene.footprint[0] == scene.footprint[-1]
    assert scene.asset("B02").href.endswith("_B02_10m.jp2")
    assert scene.asset("SCL").href.endswith("_SCL_20m.jp2")
