"""The torture catalogue itself: complete, repeatable, and served with the faults that it says."""

import filecmp
import hashlib
import json
import urllib.error
import urllib.request
from collections import Counter

import numpy as np
import pytest
import rasterio

from catalogs.scenes import SkipReason
from pipelines.simulate.torture import (
    MANIFEST_FILE,
    FaultRule,
    TortureServer,
    read_manifest,
    write_torture,
)

WAYS = ("disk", "http", "http_signed")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torture") / "catalogue"
    return folder, write_torture(folder)


def get(url, **headers):
    """Status, headers and body of an answer, whatever the status."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_equal_seeds_give_equal_bytes(catalogue, tmp_path):
    write_torture(tmp_path / "again")
    files = sorted(path.relative_to(catalogue[0]) for path in catalogue[0].rglob("*") if path.is_file())
    assert len(files) > 500
    _, different, missing = filecmp.cmpfiles(catalogue[0], tmp_path / "again", map(str, files), shallow=False)
    assert not different
    assert not missing


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="empty folder"):
        write_torture(tmp_path)


def test_the_manifest_reads_back_as_it_was_written(catalogue):
    folder, manifest = catalogue
    assert read_manifest(folder / MANIFEST_FILE) == manifest
    (folder / MANIFEST_FILE).with_name("older.json").write_text('{"format": 0}')
    with pytest.raises(ValueError, match="format"):
        read_manifest(folder / "older.json")


def test_every_item_has_an_entry_and_every_entry_an_item(catalogue):
    folder, manifest = catalogue
    items = {path.parent.name for path in folder.glob("sentinel-*/*/*.json")}
    linked = [
        link["href"].split("/")[1]
        for collection in folder.glob("*/collection.json")
        for link in json.loads(collection.read_text())["links"]
        if link["rel"] == "item"
    ]
    assert sorted(linked) == sorted(items)
    assert items == {entry.id for entry in manifest.entries} | {"same-id-again"}
    assert len(items) == len(manifest.entries) > 100
    regions = {place.name for place in manifest.regions}
    for entry in manifest.entries:
        assert entry.wrong, entry.id
        assert entry.right, entry.id
        assert entry.region in {*regions, "any"}
        for way in WAYS:
            outcome = entry.outcome(way)
            assert outcome is not None or entry.region == "any"
            if outcome is not None and outcome.outcome == "skipped":
                assert outcome.reason in SkipReason.__args__
            if outcome is not None and outcome.outcome == "used":
                assert (folder / entry.truth).is_file()
                assert (folder / entry.reasons).is_file()


def test_every_kind_of_trouble_is_there(catalogue):
    folder, manifest = catalogue
    kinds = Counter(rule["kind"] for rule in json.loads((folder / "faults.json").read_text()))
    assert set(kinds) == {"status", "stall", "trickle", "cut", "drop", "token", "redirect", "wrong_range"}
    statuses = {rule["status"] for rule in json.loads((folder / "faults.json").read_text())} - {0}
    assert statuses == {401, 403, 404, 429, 500, 503}
    reasons = {entry.disk.reason for entry in manifest.entries} | {
        entry.http.reason for entry in manifest.entries if entry.http
    }
    assert reasons >= {
        "damaged",
        "refused",
        "unreadable",
        "quarantined",
        "uncalibrated",
        "duplicate",
        "superseded",
        "outside",
        "all_nodata",
        "missing_asset",
    }


def test_the_truth_is_that_of_the_files(catalogue):
    """Sound entries, read by nothing of ours: counts times scale where the file has them."""
    folder, manifest = catalogue
    entry = next(entry for entry in manifest.entries if entry.id == "sound-optical")
    with rasterio.open(folder / entry.truth) as truth:
        for band, name in enumerate(entry.bands, start=1):
            with rasterio.open(folder / entry.collection / entry.id / f"{name}.tif") as file:
                pixels = file.read(1)
            times = truth.height // pixels.shape[0]
            right = np.kron(pixels, np.ones((times, times))) * 1e-4
            np.testing.assert_allclose(truth.read(band), right, rtol=1e-6)


def test_ranges_are_those_asked_for(catalogue):
    folder, _ = catalogue
    name = "sentinel-2-l2a/sound-optical/B04.tif"
    content = (folder / name).read_bytes()
    with TortureServer(folder, rules=()) as server:
        status, headers, body = get(f"{server.url}/{name}", Range="bytes=100-299")
        assert (status, body) == (206, content[100:300])
        assert headers["Content-Range"] == f"bytes 100-299/{len(content)}"
        assert get(f"{server.url}/{name}", Range="bytes=-50")[2] == content[-50:]
        assert get(f"{server.url}/{name}", Range=f"bytes=100-{10**9}")[2] == content[100:]
        assert hashlib.sha256(get(f"{server.url}/{name}")[2]).digest() == hashlib.sha256(content).digest()
        assert get(f"{server.url}/{name}", Range=f"bytes={len(content)}-")[0] == 416
        for outside in ("../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "none.tif", "a%00b"):
            assert get(f"{server.url}/{outside}")[0] == 404
        assert server.asked[name] == 5
        assert not server.errors


def test_rules_are_used_up_by_file(catalogue):
    folder, _ = catalogue
    home = "sentinel-2-l2a/sound-optical"
    rule = FaultRule(path=home, kind="status", status=429, times=2, retry_after_s=3)
    with TortureServer(folder, rules=(rule,)) as server:
        for name in ("B02.tif", "B04.tif"):
            for _ in range(2):
                status, headers, _ = get(f"{server.url}/{home}/{name}")
                assert (status, headers["Retry-After"]) == (429, "3")
            assert get(f"{server.url}/{home}/{name}")[0] == 200


def test_the_api_finds_what_lies_in_a_box_and_a_time(catalogue):
    folder, manifest = catalogue
    everywhere = {entry.id for entry in manifest.entries if entry.http is not None}
    with TortureServer(folder) as server:
        found = json.loads(get(f"{server.url}/search")[2])["features"]
        assert {item["id"] for item in found} == everywhere
        one = json.loads(get(f"{server.url}/search?datetime=2023-01-01T00:00:00Z/2023-01-01T23:59:59Z")[2])
        assert {item["id"] for item in one["features"]} >= {"sound-optical"}
        assert len(one["features"]) < 10
        beyond = json.loads(get(f"{server.url}/search?bbox=179.995,51.9,-179.995,52.1")[2])["features"]
        assert {"antimeridian-zone-1", "antimeridian-zone-60"} <= {item["id"] for item in beyond}
        assert "sound-optical" not in {item["id"] for item in beyond}
        href = next(item for item in found if item["id"] == "sound-optical")["assets"]["red"]["href"]
        assert href == f"{server.url}/sentinel-2-l2a/sound-optical/B04.tif"
