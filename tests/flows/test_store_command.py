"""`ringmoe store`: what it shows, what it does only with --yes, and how it ends."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import ConfigError
from flows.paths import cube_uri
from flows.published import published_snapshots
from flows.region_file import load_region

sys.path.append(str(Path(__file__).resolve().parents[1] / "cube"))

from fake_dates import draft_date, fake_scene, put_date

from pipelines.cube.history import history, tags_of
from pipelines.cube.storage import shared_storage
from pipelines.cube.store import create_store, open_store

FROZEN = {
    "delete": ["--help", "--json", "--yes", "URI"],
    "expire": ["--help", "--json", "--keep", "--older-than", "--products", "--yes", "URI"],
    "gc": ["--help", "--json", "--yes", "URI"],
    "history": ["--help", "--json", "URI"],
    "info": ["--help", "--json", "URI"],
    "migrate": ["--help", "--json", "URI"],
    "tag": ["--help", "--json", "--remove", "--snapshot", "NAME", "URI"],
}


@pytest.fixture
def cube(tmp_path):
    """A cube in a region's output folder, superseded twice, with a killed run's leftovers."""
    store = create_store(tmp_path / "out" / "cube")
    with store.run("r") as run:
        for number in (1, 2, 3):
            put_date(run, fake_scene(f"v{number}", 0, processing_baseline=f"0{number}.00"))
    with store.run("killed") as run:
        draft = run.begin()
        draft_date(draft, fake_scene("never", 3))
        draft.commit("never published", {})
    return store


def call(*arguments):
    done = CliRunner().invoke(app, ["store", *map(str, arguments)])
    return done.exit_code, done.output


def answer(*arguments):
    code, output = call(*arguments, "--json")
    assert code == 0, output
    return json.loads(output.splitlines()[-1])


def test_commands_and_flags_are_frozen():
    group = get_command(app).commands["store"]
    found = {}
    for name, command in group.commands.items():
        names = {option for parameter in command.params for option in parameter.opts}
        found[name] = sorted({n if n.startswith("-") else n.upper() for n in names} | {"--help"})
    assert found == FROZEN


def test_info_tells_sizes_and_dates(cube):
    told = answer("info", cube.uri)
    assert told["dates"] == {"s2": 1}
    assert told["snapshot"] == cube.snapshot
    assert told["total_bytes"] == sum(p.stat().st_size for p in Path(cube.uri).rglob("*") if p.is_file())
    _, text = call("info", cube.uri)
    assert "1 dates of s2" in text
    assert "reflectance" in text
    assert "newest version" in text


def test_history_lists_versions(cube):
    versions = answer("history", cube.uri)["versions"]
    assert [v["scenes"] for v in versions[:3]] == [["v3"], ["v2"], ["v1"]]
    _, text = call("history", cube.uri)
    assert "s2 2021-03-01: v3" in text
    assert versions[0]["snapshot"] in text


def test_expiry_and_collection_wait_for_yes(cube):
    assert len(answer("expire", cube.uri, "--older-than", "0h")["expired"]) == 2
    code, text = call("expire", cube.uri, "--older-than", "0h")
    assert (code, "add --yes to do it" in text, "would go" in text) == (0, True, True)
    assert len(history(cube.uri)) == 4
    assert answer("gc", cube.uri)["chunks"] > 0

    assert answer("expire", cube.uri, "--older-than", "0h", "--yes")["done"]
    freed = answer("gc", cube.uri, "--yes")

    assert freed["num_bytes"] > 0
    assert freed["snapshots"] == 3
    assert answer("gc", cube.uri)["num_bytes"] == 0
    assert len(history(cube.uri)) == 2


def publish(folder, snapshot):
    folder.mkdir(parents=True)
    item = {"type": "Feature", "properties": {"ringmoe:cube_snapshot": snapshot}}
    (folder / "item.json").write_text(json.dumps(item))
    (folder / "broken.json").write_text("{")


def test_what_products_name_does_not_expire(cube, tmp_path):
    newest, middle, oldest, _ = history(cube.uri)
    publish(tmp_path / "out" / "products" / "land-cover" / "a", oldest.snapshot)
    publish(tmp_path / "elsewhere" / "b", "A0F0ANOTHERCUBE00000")

    told = answer("expire", cube.uri, "--older-than", "0h", "--products", tmp_path / "elsewhere", "--yes")

    assert [v["snapshot"] for v in told["expired"]] == [middle.snapshot]
    answer("gc", cube.uri, "--yes")
    for version in (newest, oldest):
        assert open_store(cube.uri).root(version.snapshot)["s2/scene_ids"][0] == version.scenes[0]


def test_published_snapshots_are_read_from_items(tmp_path):
    publish(tmp_path / "a", "ONE")
    publish(tmp_path / "b", "TWO")
    (tmp_path / "b" / "list.json").write_text("[1]")
    assert published_snapshots([tmp_path, tmp_path / "none"]) == {"ONE", "TWO"}


def test_a_tag_keeps_a_version(cube):
    oldest = history(cube.uri)[2]
    assert answer("tag", cube.uri, "first", "--snapshot", oldest.snapshot)["snapshot"] == oldest.snapshot
    assert len(answer("expire", cube.uri, "--older-than", "0h", "--yes")["expired"]) == 1
    assert tags_of(cube) == {"first": oldest.snapshot}
    code, text = call("tag", cube.uri, "first")
    assert (code, "for good" in text) == (1, True)
    assert answer("tag", cube.uri, "first", "--remove") == {
        "uri": cube.uri,
        "tag": "first",
        "snapshot": oldest.snapshot,
        "removed": True,
    }
    assert tags_of(cube) == {}
    code, text = call("tag", cube.uri, "first", "--snapshot", oldest.snapshot)
    assert (code, "cannot come back" in text) == (1, True)


def test_deletion_waits_for_yes(cube):
    assert not answer("delete", cube.uri)["done"]
    assert Path(cube.uri).is_dir()
    assert answer("delete", cube.uri, "--yes")["done"]
    assert not Path(cube.uri).exists()
    code, text = call("info", cube.uri)
    assert (code, "Icechunk repository" in text) == (1, True)


def test_migration_of_a_new_cube_does_nothing(cube):
    assert answer("migrate", cube.uri)["snapshot"] is None


@pytest.mark.parametrize("age", ["30", "yesterday", "3m", "", "99999999999d", "900000w"])
def test_a_wrong_age_exits_2(cube, age):
    code, text = call("expire", cube.uri, "--older-than", age)
    assert (code, "an age such as 30d" in text) == (2, True)


def test_a_date_without_zone_is_utc(cube):
    told = answer("expire", cube.uri, "--older-than", "2031-05-06")
    assert datetime.fromisoformat(told["older_than"]) == datetime(2031, 5, 6, tzinfo=UTC)


def test_a_secret_in_an_address_is_not_repeated():
    for address in ("https://AKIA:hush@host/bucket", "s3://AKIA:hush@bucket/cube", "s3://b/c?secret=hush"):
        with pytest.raises(ValueError, match=r"write s3|s3://bucket/prefix") as refused:
            shared_storage(address)
        assert "hush" not in str(refused.value)


def test_a_region_places_its_cube_on_s3(document, catalog, write_region, tmp_path):
    def load(**changes):
        return load_region(write_region(document(catalog, tmp_path / "out", **changes)))

    here = load()
    assert cube_uri(here) == str(here.output / "cube")
    there = load(store="s3://cubes/region?endpoint=https://s3.example.org")
    assert cube_uri(there) == "s3://cubes/region?endpoint=https://s3.example.org"
    for wrong in ("s3://key:secret-value@cubes/region", "cubes/region", "s3://cubes/a?endpoint=http://example.org"):
        with pytest.raises(ConfigError, match="store: ") as refusal:
            load(store=wrong)
        assert "secret-value" not in str(refusal.value)


@pytest.mark.s3
@pytest.mark.slow
def test_a_run_builds_maps_and_publishes_from_a_cube_on_s3(s3_uri, document, catalog, write_region, tmp_path):
    from flows.launch import launch

    config = load_region(write_region(document(catalog, tmp_path / "out", store=s3_uri)))

    report = launch(config, server=False)

    assert report.exit_code == 0, report.error
    assert report.cube.uri == s3_uri
    assert not (tmp_path / "out" / "cube").exists()
    assert (tmp_path / "out" / "predictions" / "refs").is_dir(), "predictions stay local"
    items = [json.loads(Path(row.path).read_text()) for row in report.products]
    assert {item["properties"]["ringmoe:cube"] for item in items} == {s3_uri}
    assert published_snapshots([tmp_path / "out" / "products"]) == {report.cube.snapshot}
    assert launch(config, server=False).status == "NoNewData"
    secret = os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), path
    for found in history(s3_uri):
        assert secret.decode() not in json.dumps(found.to_dict())


@pytest.mark.s3
def test_commands_work_on_s3(s3_uri):
    store = create_store(s3_uri)
    with store.run("r") as run:
        put_date(run, fake_scene("v1", 0, processing_baseline="01.00"))
        put_date(run, fake_scene("v2", 0, processing_baseline="02.00"))
    assert answer("info", s3_uri)["dates"] == {"s2": 1}
    assert len(answer("expire", s3_uri, "--older-than", "0h", "--yes")["expired"]) == 1
    assert answer("gc", s3_uri, "--yes")["chunks"] == 0, "nothing younger than a lease is taken"
    assert answer("delete", s3_uri, "--yes")["objects"] > 0
    code, text = call("history", s3_uri)
    assert (code, os.environ["AWS_SECRET_ACCESS_KEY"] in text) == (1, False)
