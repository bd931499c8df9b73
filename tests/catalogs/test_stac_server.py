"""A real STAC API gives the scenes that the same items give as a catalogue on disk."""

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pgstac_server import PgstacServer, lacking

from catalogs.client import search_api
from catalogs.providers import EARTH_SEARCH, PLANETARY_COMPUTER, unlisted_provider
from catalogs.query import SceneQuery
from catalogs.search import search
from catalogs.snapshot import read_snapshot, write_snapshot

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ALL = (
    "bigearthnet-s1-s2", "cop-dem-glo-30", "esa-worldcover", "lidar-ndsm", "naip", "sen1floods11", "sentinel-1-grd",
    "sentinel-2-l2a",
)  # fmt: skip
WORLD = (-180.0, -90.0, 180.0, 90.0)
BELGIUM = (5.0, 50.0, 5.4, 51.5)
PUBLISHED = ("earth-search-s2", "planetary-computer-s2", "dateline")


def crossing(document):
    """A copy of an item that reaches over the antimeridian, cut in two as GeoJSON asks."""
    item = copy.deepcopy(document)
    halves = [[[179.6, -17.2], [180, -17.2], [180, -16.4], [179.6, -16.4], [179.6, -17.2]]]
    halves += [[[-180, -17.2], [-179.5, -17.2], [-179.5, -16.4], [-180, -16.4], [-180, -17.2]]]
    item |= {"id": "over-the-antimeridian", "collection": "dateline", "bbox": [179.6, -17.2, -179.5, -16.4]}
    item["geometry"] = {"type": "MultiPolygon", "coordinates": [[half] for half in halves]}
    item["properties"] |= {"grid:code": "MGRS-01KAB", "s2:product_uri": None, "mgrs:utm_zone": None}
    return item


def documents(shared_data: Path):
    """The shared catalogue, and recorded items of public APIs in collections of their own."""
    paths = sorted((shared_data / "catalog").glob("*/collection.json"))
    collections = [json.loads(path.read_text()) | {"links": []} for path in paths]
    items = []
    for path in sorted((shared_data / "catalog").glob("*/*/*.json")):
        document = json.loads(path.read_text())
        if document.get("type") == "Feature" and path.stem == document["id"]:
            items.append(document | {"links": []})
    base = next(one for one in collections if one["id"] == "sentinel-2-l2a")
    collections += [base | {"id": name} for name in PUBLISHED]
    for name, folder in zip(PUBLISHED, ("earth-search", "planetary-computer"), strict=False):
        paths = sorted((shared_data / "stac_items" / folder / "sentinel-2-l2a").glob("*.json"))
        items += [json.loads(path.read_text()) | {"collection": name, "links": []} for path in paths]
    return collections, [*items, crossing(items[-1])]


@pytest.fixture(scope="module")
def server(shared_data):
    reason = lacking()
    if reason:
        pytest.skip(reason)
    running = PgstacServer()
    try:
        running.start(*documents(shared_data))
        yield running
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch):
    monkeypatch.setattr("catalogs.client.PAGE_SIZE", 7)


def question(bbox=WORLD, collections=ALL, start="1970-01-01", end="2100-01-01", **filters):
    west, south, east, north = bbox
    right = east if east > west else east + 360
    ring = ((west, south), (right, south), (right, north), (west, north))
    days = [datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (start, end)]
    return SceneQuery(bbox=bbox, footprint=ring, start=days[0], end=days[1], collections=collections, **filters)


def ask(server, asked):
    return search_api(asked, replace(unlisted_provider(server.endpoint), requests_per_second=1000.0))


def content(answer):
    """Everything but where the files and items are."""
    return replace(
        answer,
        scenes=tuple(
            replace(scene, item_href="", assets=tuple(replace(a, href=a.href.rsplit("/", 1)[-1]) for a in scene.assets))
            for scene in answer.scenes
        ),
        skipped=tuple(replace(row, detail="") for row in answer.skipped),
        unmatched=0,  # the server leaves out what was not asked for
    )


@pytest.mark.parametrize(
    "asked",
    [
        question(),
        question(bbox=BELGIUM),
        question(bbox=BELGIUM, collections=("sentinel-1-grd",)),
        question(start="2021-03-01", end="2021-08-01"),
        question(bbox=BELGIUM, start="2023-04-05", end="2023-04-16", collections=("sentinel-2-l2a", "sentinel-1-grd")),
        question(collections=("sentinel-2-l2a",), max_cloud_cover=20.0),
        question(bbox=(100.0, 10.0, 101.0, 11.0)),
    ],
    ids=["all", "area", "collection", "time", "area and time", "clouds", "nothing"],
)
def test_the_api_and_the_disk_give_the_same_scenes(server, shared_data, asked):
    from_disk = search(asked, shared_data / "catalog")

    from_api = ask(server, asked)

    assert content(from_api) == content(from_disk)
    assert from_api.input_hash() == from_disk.input_hash()


def test_all_pages_are_read(server, shared_data):
    found = ask(server, question())

    items = {scene.id.partition("#")[0] for scene in found.scenes} | {row.id for row in found.skipped}
    assert len(items) == 80 > 11 * 7


def test_hrefs_are_resolved_at_the_server(server):
    scene = ask(server, question(bbox=BELGIUM, collections=("sentinel-1-grd",))).scenes[0]

    assert all(asset.href.startswith(f"{server.endpoint}/") for asset in scene.assets)
    assert scene.item_href.startswith(server.endpoint)


def test_recorded_items_of_public_apis_keep_their_files(server):
    for name, provider, number in (
        ("earth-search-s2", EARTH_SEARCH, 5),
        ("planetary-computer-s2", PLANETARY_COMPUTER, 4),
    ):
        here = replace(provider, endpoint=server.endpoint, schemes=("http", "https"), requests_per_second=1000.0)

        answer = search_api(question(collections=(name,)), here)

        assert (len(answer.scenes), answer.skipped) == (number, ())
        assert {asset.href.split("/")[2] for scene in answer.scenes for asset in scene.assets} <= set(provider.hosts)


def test_an_item_over_the_antimeridian_is_found_once_from_either_side(server):
    here = replace(unlisted_provider(server.endpoint), hosts=PLANETARY_COMPUTER.hosts, schemes=("http", "https"))
    here = replace(here, requests_per_second=1000.0)

    for bbox in ((179.7, -17.0, -179.7, -16.5), (179.7, -17.0, 179.9, -16.5), (-179.9, -17.0, -179.7, -16.5)):
        answer = search_api(question(bbox=bbox, collections=("dateline",)), here)

        assert [scene.id for scene in answer.scenes] == ["over-the-antimeridian"]
        assert answer.skipped == ()
    far = search_api(question(bbox=(0.0, -17.0, 1.0, -16.5), collections=("dateline",)), here)
    assert far.scenes == ()


def test_a_kept_answer_of_the_server_is_read_back(server, tmp_path):
    found = search(question(), server.endpoint)  # by the address alone, at the rate of courtesy
    write_snapshot(found, tmp_path / "scenes.parquet")

    assert read_snapshot(tmp_path / "scenes.parquet") == found
