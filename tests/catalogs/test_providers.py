"""What each provider's items look like, what may be followed, and what takes keys or a signature."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from catalogs.client import search_api
from catalogs.item import FoundItem, read_scenes
from catalogs.providers import COPERNICUS, EARTH_SEARCH, PLANETARY_COMPUTER, PROVIDERS, reading_rate
from catalogs.resolve import resolve

RING = [[5.0, 50.0], [6.0, 50.0], [6.0, 51.0], [5.0, 51.0], [5.0, 50.0]]
SAFE = "s3://eodata/Sentinel-2/MSI/L2A/2021/06/01/S2A_MSIL2A_20210601T105031_N0500_R051_T31UFS_20230201T000000.SAFE"
ODATA = "https://download.dataspace.copernicus.eu/odata/v1/Products(1)"


def copernicus_asset(band, resolution, **fields):
    name = f"{band}_{resolution}m.jp2"
    return {
        "href": f"{SAFE}/GRANULE/x/IMG_DATA/R{resolution}m/T31UFS_20210601T105031_{name}",
        "type": "image/jp2",
        "gsd": resolution,
        "bands": [{"name": band}],
        "data_type": "uint16",
        "nodata": 0,
        "proj:code": "EPSG:32631",
        "proj:shape": [10980 * 10 // resolution] * 2,
        "raster:scale": 0.0001,
        "raster:offset": -0.1,
        "file:size": 1000 * resolution,
        "file:checksum": "D50110" + "ab" * 16,
        "roles": ["data"],
        "auth:refs": ["s3"],
        "alternate": {"https": {"href": f"{ODATA}/Nodes({name})/$value", "auth:refs": ["oidc"]}},
    } | fields


@pytest.fixture
def copernicus_item():
    """Sentinel-2 in the form of the Copernicus Data Space Ecosystem: STAC 1.1, keys with resolutions, buckets."""
    resolutions = {"B02": (10, 20, 60), "B04": (10, 20, 60), "B8A": (20, 60), "SCL": (20, 60)}
    pairs = [(band, metres) for band, several in resolutions.items() for metres in several]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "S2A_MSIL2A_20210601T105031_N0500_R051_T31UFS_20230201T000000",
        "collection": "sentinel-2-l2a",
        "geometry": {"type": "Polygon", "coordinates": [RING]},
        "bbox": [5.0, 50.0, 6.0, 51.0],
        "links": [],
        "assets": {f"{band}_{metres}m": copernicus_asset(band, metres) for band, metres in pairs},
        "properties": {
            "datetime": "2021-06-01T10:50:31.024Z",
            "platform": "sentinel-2a",
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "eo:cloud_cover": 12.5,
            "grid:code": "MGRS-31UFS",
            "product:type": "S2MSI2A",
            "processing:level": "L2",
            "processing:version": "05.00",
            "processing:datetime": "2023-02-01T00:00:00Z",
            "sat:relative_orbit": 51,
        },
    }


@pytest.fixture
def with_keys(monkeypatch):
    monkeypatch.setenv("CDSE_S3_ACCESS_KEY", "my-key")
    monkeypatch.setenv("CDSE_S3_SECRET_KEY", "my-secret")


@pytest.fixture
def without_keys(monkeypatch):
    for name in ("CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_copernicus_items_are_read_with_keys(api, copernicus_item, query, patience, with_keys):
    api.pages = [[copernicus_item]]

    (scene,) = search_api(query, api.like(COPERNICUS), patience=patience).scenes

    assert [asset.band for asset in scene.assets] == ["B02", "B04", "B8A", "SCL"]
    blue = scene.asset("B02")
    assert blue.href.startswith("s3://eodata/")
    assert blue.href.endswith("_B02_10m.jp2")  # the finest of three
    assert (blue.epsg, blue.scale, blue.offset, blue.nodata, blue.shape) == (32631, 0.0001, -0.1, 0.0, (10980, 10980))
    assert (blue.size_bytes, blue.checksum) == (10000, "d50110" + "ab" * 16)
    assert (scene.processing_baseline, scene.relative_orbit, scene.tile) == ("05.00", 51, "31UFS")
    assert "my-" not in repr(scene)


def test_copernicus_items_without_keys_are_refused_and_say_which(api, copernicus_item, query, patience, without_keys):
    api.pages = [[copernicus_item]]

    (row,) = search_api(query, api.like(COPERNICUS), patience=patience).skipped

    assert row.reason == "refused"
    assert "set CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY to keys of https://eodata" in row.detail


def test_scenes_that_are_only_compared_need_no_keys(api, copernicus_item, query, patience, without_keys):
    api.pages = [[copernicus_item]]
    counting = replace(api.like(COPERNICUS), reads_files=False)

    (scene,) = search_api(query, counting, patience=patience).scenes

    assert {asset.href for asset in scene.assets} == {""}


def test_an_alternate_address_that_may_be_followed_is(found, copernicus_item, without_keys):
    document = copernicus_item
    for asset in document["assets"].values():
        asset["alternate"]["copy"] = {"href": "https://stac.dataspace.copernicus.eu/files/a.jp2"}

    (scene,) = read_scenes(found(document), COPERNICUS)

    assert {asset.href for asset in scene.assets} == {"https://stac.dataspace.copernicus.eu/files/a.jp2"}


def test_one_acquisition_in_two_catalogues_is_used_once(found, item, copernicus_item, with_keys):
    here = item(properties={"datetime": "2021-06-01T10:50:45Z"})  # Earth Search: the granule's time, 14 s later
    (first,), (second,) = read_scenes(found(here), EARTH_SEARCH), read_scenes(found(copernicus_item), COPERNICUS)

    for order in ([first], [second]), ([second], [first]):
        (kept,), (row,) = resolve(*order)
        assert kept == order[0][0]
        assert row.reason == "duplicate"
        assert row.detail.startswith(f"same acquisition and version as {kept.id}")


def test_planetary_computer_items_are_read_without_a_signature(api, shared_data, query, patience):
    folder = shared_data / "stac_items" / "planetary-computer" / "sentinel-2-l2a"
    documents = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    documents[0]["assets"]["B02"]["href"] += "?se=2025-01-01T00%3A00%3A00Z&sig=left"
    api.pages, api.paging = [documents[:2], documents[2:]], "merge"
    world = replace(
        query,
        bbox=(-180.0, -90.0, 180.0, 90.0),
        footprint=((-180.0, -90.0), (180.0, -90.0), (180.0, 90.0), (-180.0, 90.0)),
        start=datetime(2018, 1, 1, tzinfo=UTC),
        end=datetime(2020, 1, 1, tzinfo=UTC),
    )

    answer = search_api(world, api.like(PLANETARY_COMPUTER), patience=patience)

    assert (len(answer.scenes), answer.skipped) == (4, ())
    scene = answer.scenes[0]
    assert (scene.platform, scene.tile, scene.processing_baseline) == ("Sentinel-2A", "59VPD", "02.12")
    assert {"B02", "B8A", "SCL"} <= {asset.band for asset in scene.assets}
    hrefs = [asset.href for found in answer.scenes for asset in found.assets]
    assert all(href.startswith("https://sentinel2l2a01.blob.core.windows.net/") for href in hrefs)
    assert not any("sig=" in href or "?" in href for href in hrefs)
    assert scene.asset("B02").shape == (10980, 10980)
    assert scene.asset("B02").transform == (10.0, 0.0, 600000.0, 0.0, -10.0, 6400020.0)
    assert [file.kind for file in scene.annotations] == ["granule", "manifest", "product"]


def test_radar_annotations_are_found_and_an_interference_report_is_no_product(shared_data, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    name = "S1A_IW_GRDH_1SSH_20250709T083024_20250709T083037_060004_07745C"
    path = shared_data / "stac_items" / "earth-search" / "sentinel-1-grd" / f"{name}.json"
    document = json.loads(path.read_text())

    (scene,) = read_scenes(
        FoundItem(id=name, collection="sentinel-1-grd", href="https://earth-search/i", document=document), EARTH_SEARCH
    )

    assert scene.asset("HH").href.startswith("s3://sentinel-s1-l1c/")
    assert scene.annotation("calibration", "HH").href.endswith("/calibration/calibration-iw-hh.xml")
    assert scene.annotation("noise", "HH").href.endswith("/calibration/noise-iw-hh.xml")
    assert scene.annotation("rfi", "HH").href.endswith("/rfi/rfi-iw-hh.xml")
    assert scene.annotation("product", "HH") is None
    assert scene.annotation("manifest").href.endswith("manifest.safe")
    assert scene.acquisition_id == name


def test_annotations_are_told_by_their_paths_too(found, copernicus_item, with_keys):
    name = "s1a-iw1-slc-vv-20210601t173953-20210601t174018-039156-049f13-004.xml"
    folder = "s3://eodata/Sentinel-1/x.SAFE/annotation"
    paths = (name, f"calibration/calibration-{name}", f"calibration/noise-{name}", f"rfi/rfi-{name}")
    for number, path in enumerate(paths):
        copernicus_item["assets"][f"file-{number}"] = {"href": f"{folder}/{path}", "roles": ["metadata"]}
    copernicus_item["assets"]["plan"] = {"href": "s3://eodata/x.SAFE/annotation-plan.xml", "roles": ["metadata"]}

    (scene,) = read_scenes(found(copernicus_item), COPERNICUS)

    told = [(file.kind, file.band, file.swath) for file in scene.annotations]
    assert told == [(kind, "VV", "IW1") for kind in ("calibration", "noise", "product", "rfi")]


def test_annotations_on_disk_lie_below_the_catalogue(found, item, catalog, query):
    from catalogs.search import search

    document = item(
        "S1A_IW_GRDH_1SDV_20210601T173953_20210601T174018_039156_049F13_6FF8",
        properties={"platform": "sentinel-1a", "constellation": "sentinel-1", "instruments": ["c-sar"]},
        assets={
            "vv": {"href": "./vv.tif", "roles": ["data"]},
            "schema-calibration-vv": {"href": "./calibration-vv.xml", "roles": ["metadata"]},
            "schema-noise-vv": {"href": "../../../elsewhere/noise-vv.xml", "roles": ["metadata"]},
            "schema-product-iw1-vv": {"href": "./iw1.xml", "roles": ["metadata"]},
        },
        collection="sentinel-1-grd",
    )
    path = catalog(document)

    (scene,) = search(replace(query, collections=("sentinel-1-grd",)), path).scenes

    told = [(file.kind, file.band, file.swath) for file in scene.annotations]
    assert told == [("calibration", "VV", ""), ("product", "VV", "IW1")]


def test_the_table_has_every_provider_and_https_alone():
    assert sorted(PROVIDERS) == ["cdse", "earth-search", "planetary-computer"]
    for provider in PROVIDERS.values():
        assert provider.endpoint.startswith("https://")
        assert provider.schemes == ("https",)
        assert list(provider.hosts) == sorted(provider.hosts)


def test_only_copernicus_limits_reading():
    assert reading_rate("s3", "eodata") == ("https://eodata.dataspace.copernicus.eu", 2000 / 60)
    assert reading_rate("https", "eodata.dataspace.copernicus.eu") == reading_rate("s3", "eodata")
    assert reading_rate("https", "sentinel-cogs.s3.us-west-2.amazonaws.com") is None
    assert reading_rate("s3", "sentinel-s1-l1c") is None


@pytest.mark.network
@pytest.mark.parametrize("name", ["cdse", "planetary-computer"])
def test_the_provider_itself_answers(query, name):
    from catalogs.search import search

    answer = search(replace(query, end=datetime(2021, 6, 8, tzinfo=UTC)), name)

    assert {row.reason for row in answer.skipped} <= {"duplicate", "outside", "refused", "superseded"}
    assert answer.scenes or answer.skipped
