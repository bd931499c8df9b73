"""A run is repeated from the scenes that it kept: nothing is searched, and nothing in the file is believed."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from catalogs import write_snapshot
from flows.cli import app
from flows.errors import ConfigError
from flows.plan import plan_region
from flows.region_file import load_region
from flows.search import search


@pytest.fixture
def kept(own_catalog, document, write_region, tmp_path):
    """A region, its scene set and where that is kept; the catalogue is gone."""
    path = write_region(document(own_catalog, tmp_path / "out"))
    found = search(load_region(path))
    snapshot = tmp_path / "scenes.parquet"
    write_snapshot(found, snapshot)
    own_catalog.unlink()
    return path, found, snapshot


def test_the_kept_scenes_answer_without_a_catalogue(kept):
    path, found, snapshot = kept
    config = load_region(path).model_copy(update={"scenes": snapshot})

    assert found.scenes
    assert search(config) == found
    assert plan_region(config).scenes


def test_the_command_line_takes_the_file(kept):
    path, found, snapshot = kept

    answer = CliRunner().invoke(app, ["plan", str(path), "--scenes", str(snapshot), "--json"])

    assert answer.exit_code == 0, answer.output
    rows = json.loads(answer.stdout.splitlines()[-1])["scenes"]
    assert {row["id"] for row in rows if row["outcome"] == "used"} == {scene.id for scene in found.scenes}
    absent = CliRunner().invoke(app, ["run", str(path), "--scenes", str(snapshot.with_name("none.parquet"))])
    assert absent.exit_code == 2
    assert "must be the scenes.parquet of an earlier run" in absent.stderr


def test_the_key_is_a_path_beside_the_region(kept, document, own_catalog, write_region, tmp_path):
    _, found, _ = kept
    path = write_region(document(own_catalog, tmp_path / "out", scenes="scenes.parquet"), "again.yaml")

    assert search(load_region(path)) == found
    with pytest.raises(ConfigError, match=r"scenes\.parquets"):
        load_region(write_region(document(own_catalog, tmp_path / "out", **{"scenes.parquets": "x"}), "wrong.yaml"))


def test_scenes_of_another_time_or_collection_are_counted(kept):
    path, found, snapshot = kept
    config = load_region(path).model_copy(update={"scenes": snapshot})
    later = sorted(scene.time for scene in found.scenes)[2]
    shorter = config.model_copy(update={"time": config.time.model_copy(update={"start": later})})
    (source,) = config.sources
    optical = config.model_copy(update={"sources": (source.model_copy(update={"collections": ("sentinel-2-l2a",)}),)})

    assert search(shorter).unmatched == found.unmatched + 2
    assert {scene.collection for scene in search(optical).scenes} == {"sentinel-2-l2a"}
    assert len(search(optical).scenes) + search(optical).unmatched - found.unmatched == len(found.scenes)


@pytest.mark.parametrize(
    "href", ["/etc/passwd", "https://elsewhere.example/B04.tif", "s3://bucket/B04.tif", "../B04.tif", "file:///etc/x"]
)
def test_an_href_that_the_sources_do_not_allow_is_refused(kept, href):
    path, found, snapshot = kept
    scene = found.scenes[0]
    forged = replace(scene, assets=(replace(scene.assets[0], href=href), *scene.assets[1:]))
    write_snapshot(replace(found, scenes=(forged, *found.scenes[1:])), snapshot)

    answer = search(load_region(path).model_copy(update={"scenes": snapshot}))

    assert scene.id not in {one.id for one in answer.scenes}
    (row,) = [row for row in answer.skipped if row.id == scene.id]
    assert row.reason == "unreadable"


@pytest.mark.parametrize("href", ["/etc/passwd", "http://127.0.0.1/x", "https://other.blob.core.windows.net/c/x.tif"])
def test_a_file_of_an_api_lies_at_its_hosts(kept, href):
    path, found, snapshot = kept
    blob = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/B04.tif"
    config = load_region(path).model_copy(update={"scenes": snapshot})
    (source,) = config.sources
    config = config.model_copy(update={"sources": (source.model_copy(update={"catalog": "planetary-computer"}),)})
    scenes = [replace(s, assets=tuple(replace(a, href=blob) for a in s.assets)) for s in found.scenes]
    forged = replace(scenes[0], assets=(replace(scenes[0].assets[0], href=href), *scenes[0].assets[1:]))
    write_snapshot(replace(found, scenes=(forged, *scenes[1:])), snapshot)

    answer = search(config)

    assert list(answer.scenes) == scenes[1:]
    assert [row.reason for row in answer.skipped if row.id == forged.id] == ["unreadable"]


def test_two_catalogues_that_hold_the_same_acquisitions_give_each_once(kept, document, catalog, write_region, tmp_path):
    _, found, _ = kept
    source = {"catalog": str(catalog), "collections": ["sentinel-2-l2a", "sentinel-1-grd"]}

    answer = search(load_region(write_region(document(catalog, tmp_path / "out", sources=[source, source]))))

    assert [scene.id for scene in answer.scenes] == [scene.id for scene in found.scenes]
    assert sum(row.reason == "duplicate" for row in answer.skipped) >= len(found.scenes)
