"""A STAC API is asked page by page, patiently, and believed in nothing."""

import json
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from catalogs.client import search_api
from catalogs.errors import CatalogError
from catalogs.providers import Provider
from catalogs.search import search


@pytest.mark.parametrize("paging", ["body", "merge", "get"])
def test_pages_are_followed_to_the_end(api, item, query, patience, paging):
    api.paging = paging
    api.pages = [[item("A")], [item("B", properties={"datetime": "2021-06-03T10:50:31Z"})]]

    answer = search_api(query, api.provider, patience=patience)

    assert [scene.id for scene in answer.scenes] == ["A", "B"]
    assert answer.skipped == ()
    assert answer.unmatched == 0
    assert len(api.asked) == 2


def test_the_question_names_collections_box_and_time(api, item, query, patience):
    api.pages = [[item()]]

    search_api(query, api.provider, patience=patience)

    asked = api.asked[0]
    assert asked["collections"] == ["sentinel-2-l2a"]
    assert asked["bbox"] == [5.2, 50.2, 5.4, 50.4]
    assert asked["datetime"] == "2021-06-01T00:00:00Z/2021-07-01T00:00:00Z"


def test_an_api_without_post_is_asked_by_get(api, item, query, patience):
    api.pages, api.methods = [[item()]], ("GET",)

    answer = search_api(query, api.provider, patience=patience)

    assert len(answer.scenes) == 1
    assert "collections=sentinel-2-l2a" in api.asked[0]["query"]


def test_what_the_server_returned_beyond_the_query_is_unmatched(api, item, query, patience):
    api.pages = [
        [
            item("in"),
            item("at-the-end", properties={"datetime": "2021-07-01T00:00:00Z"}),
            item("elsewhere", ring=[[1, 1], [2, 1], [2, 2], [1, 1]]),
            item("other", collection="sentinel-2-l1c"),
        ]
    ]

    answer = search_api(query, api.provider, patience=patience)

    assert [scene.id for scene in answer.scenes] == ["in"]
    assert answer.unmatched == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_fault_is_tried_again(api, item, query, patience, status):
    api.pages, api.faults = [[item()]], [(status, {})] * 2

    assert len(search_api(query, api.provider, patience=patience).scenes) == 1
    assert api.faults == []


def test_retry_after_is_honoured(api, item, query, patience):
    api.pages, api.faults = [[item()]], [(429, {"Retry-After": "1"})]
    started = time.monotonic()

    search_api(query, api.provider, patience=patience)

    assert time.monotonic() - started >= 1.0


def test_retry_after_may_be_a_date(api, item, query, patience):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    api.pages, api.faults = [[item()]], [(503, {"Retry-After": later})]
    started = time.monotonic()

    search_api(query, api.provider, patience=patience)

    assert time.monotonic() - started >= 0.9  # a date has whole seconds


def test_a_pause_asked_of_one_thread_holds_for_the_others(api, item, query, patience):
    api.pages, api.faults = [[item()]], [(429, {"Retry-After": "1"})]
    started, ended = time.monotonic(), []

    def search_and_note(_):
        answer = search_api(query, api.provider, patience=patience)
        ended.append(time.monotonic() - started)
        return len(answer.scenes)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(search_and_note, 0)
        time.sleep(0.3)
        others = list(pool.map(search_and_note, range(2)))

    assert [first.result(), *others] == [1, 1, 1]
    assert min(ended) >= 1.0


def test_two_searches_share_the_rate(api, item, query, patience):
    api.pages = [[item()]]
    slow = replace(api.provider, requests_per_second=12.5)
    started = time.monotonic()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: search_api(query, slow, patience=patience), range(4)))

    assert time.monotonic() - started >= 7 * 0.08  # four landing pages and four pages


def test_a_retry_after_of_an_hour_does_not_hang_a_run(api, item, query, patience, monkeypatch):
    monkeypatch.setattr("catalogs.client.LONGEST_WAIT_S", 0.1)
    api.pages, api.faults = [[item()]], [(429, {"Retry-After": "3600"})]

    assert len(search_api(query, api.provider, patience=patience).scenes) == 1


def test_a_lasting_server_fault_is_a_transient_error_with_the_address(api, query, patience):
    api.faults = [(503, {})] * 10

    with pytest.raises(CatalogError, match=f"{api.address}.*503.*run again") as caught:
        search_api(query, api.provider, patience=patience)

    assert caught.value.transient
    assert len(api.faults) == 10 - 1 - patience.num_retries


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_not_tried_again(api, query, patience, status):
    api.faults = [(status, {"Retry-After": "1"})] * 3

    with pytest.raises(CatalogError, match=rf"{status}.*check the query") as caught:
        search_api(query, api.provider, patience=patience)

    assert not caught.value.transient
    assert len(api.faults) == 2


def test_a_dead_port_is_named_with_cause_and_fix(query, patience):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can answer there
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        provider = Provider(name="dead", endpoint=address, hosts=("127.0.0.1",), schemes=("http",))

        with pytest.raises(CatalogError, match=f"{address}.*refused.*check the address") as caught:
            search_api(query, provider, patience=patience)

    assert caught.value.transient


def test_a_server_that_stays_silent_is_given_up(query, patience):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        provider = Provider(name="silent", endpoint=address, hosts=("127.0.0.1",), schemes=("http",))

        with pytest.raises(CatalogError, match="timed out"):
            search_api(query, provider, patience=replace(patience, read_s=0.1, num_retries=1))


STATIC = {"type": "Catalog", "stac_version": "1.0.0", "id": "static", "description": "no search", "links": []}


@pytest.mark.filterwarnings("ignore:Server does not advertise:UserWarning")
@pytest.mark.parametrize("landing", [{"hello": "world"}, ["hello"], STATIC])
def test_an_address_that_is_no_stac_api_says_so(api, query, patience, monkeypatch, landing):
    monkeypatch.setattr(type(api), "landing", lambda _: landing)

    with pytest.raises(CatalogError, match="must be a STAC API"):
        search_api(query, api.provider, patience=patience)


@pytest.mark.parametrize("href", ["https://elsewhere.example/search", "/etc/passwd", "file:///etc/passwd"])
def test_paging_stays_on_the_host(api, item, query, patience, href):
    api.pages, api.next_href = [[item("A")], [item("B")]], href

    with pytest.raises(CatalogError, match=r"links stay on 127\.0\.0\.1"):
        search_api(query, api.provider, patience=patience)


def test_a_redirect_to_another_host_is_refused(api, query, patience):
    api.faults = [(302, {"Location": "https://elsewhere.example/search"})]

    with pytest.raises(CatalogError, match=r"links stay on 127\.0\.0\.1") as caught:
        search_api(query, api.provider, patience=patience)

    assert not caught.value.transient


def test_an_answer_that_is_no_collection_of_items_says_so(api, query, patience):
    api.pages = ["no items"]

    with pytest.raises(CatalogError, match="must be a STAC API"):
        search_api(query, api.provider, patience=patience)


def test_pages_that_repeat_themselves_come_to_an_end(api, item, query, patience):
    api.pages, api.endless = [[item()]], True

    with pytest.raises(CatalogError, match="repeats its items"):
        search_api(query, api.provider, patience=patience)


def test_requests_are_no_faster_than_the_provider_wants(api, item, query, patience):
    api.pages = [[item("A")], [item("B")], [item("C")]]
    started = time.monotonic()

    search_api(query, replace(api.provider, requests_per_second=10.0), patience=patience)

    assert time.monotonic() - started >= 0.3  # landing page and three pages: three waits of 0.1 s


def test_a_box_over_the_antimeridian_is_asked_in_two(api, item, query, patience):
    ring = [[179, 0], [181, 0], [181, 1], [179, 1], [179, 0]]
    api.pages = [[item("over", ring=ring, bbox=[179, 0, -179, 1])]]
    wide = replace(query, bbox=(179.5, 0.2, -179.5, 0.8), footprint=((179.5, 0.2), (180.5, 0.2), (180.5, 0.8)))

    answer = search_api(wide, api.provider, patience=patience)

    assert [asked["bbox"] for asked in api.asked] == [[179.5, 0.2, 180.0, 0.8], [-180.0, 0.2, -179.5, 0.8]]
    assert [scene.id for scene in answer.scenes] == ["over"]
    assert answer.skipped == ()


def test_real_earth_search_items_are_read_and_radar_without_keys_is_refused(
    api, shared_data, query, patience, monkeypatch
):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    folder = shared_data / "stac_items" / "earth-search"
    names = ("sentinel-2-l2a", "sentinel-2-c1-l2a", "sentinel-1-grd")
    api.pages = [[json.loads(path.read_text()) for path in sorted((folder / name).glob("*.json"))] for name in names]
    world = replace(
        query,
        bbox=(-180.0, -90.0, 180.0, 90.0),
        footprint=((-180.0, -90.0), (180.0, -90.0), (180.0, 90.0), (-180.0, 90.0)),
        start=datetime(2023, 1, 1, tzinfo=UTC),
        end=datetime(2026, 1, 1, tzinfo=UTC),
        collections=names,
    )

    answer = search_api(world, api.provider, patience=patience)

    assert len(answer.scenes) + len(answer.skipped) == sum(map(len, api.pages)) == 15
    # the four scenes of 2025-07-31 stand in both Sentinel-2 collections; radar lies in a bucket that takes keys
    assert Counter(row.reason for row in answer.skipped) == {"refused": 6, "duplicate": 4}
    assert {row.collection for row in answer.skipped if row.reason == "refused"} == {"sentinel-1-grd"}
    assert all("set AWS_ACCESS_KEY_ID" in row.detail for row in answer.skipped if row.collection == "sentinel-1-grd")
    denver = next(scene for scene in answer.scenes if scene.id == "S2A_13TDE_20231008_0_L2A")
    assert denver.offset_applied is True
    assert (denver.tile, denver.relative_orbit, denver.processing_baseline) == ("13TDE", 141, "05.09")
    assert [asset.band for asset in denver.assets] == [
        "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B11", "B12", "B8A", "SCL",
    ]  # fmt: skip
    assert all(asset.href.startswith("https://sentinel-cogs.") for asset in denver.assets)


def test_search_takes_the_address_of_an_api(api, item, query):
    document = item()
    for key, asset in document["assets"].items():
        asset["href"] = f"{api.address}/{key}.tif"
    api.pages = [[document]]

    assert len(search(query, api.address).scenes) == 1


@pytest.mark.network
def test_earth_search_itself_answers(query):
    answer = search(replace(query, end=datetime(2021, 6, 8, tzinfo=UTC)), "earth-search")

    assert answer.scenes
    assert {row.reason for row in answer.skipped} <= {"duplicate", "outside", "superseded"}
