from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

from pipelines.publish import PublishError, is_complete, product_key, publish_product
from pipelines.publish.item import build_item, item_id
from pipelines.publish.manifest import FileEntry


def stamps(folder):
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def publish(out, context):
    def run(dataset, name="land-cover", **changed):
        return publish_product(dataset, name=name, folder=out, context=changed.pop("context", context), **changed)

    return run


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # a PNG has no place
def test_everything_is_there_and_says_the_same(land, publish, out):
    steps = []
    product = publish(land, on_progress=lambda done, total: steps.append((done, total)))
    stem = "haspengouw_land-cover_20201101_20211101"
    assert product.rewritten
    assert product.path == out / "products" / "land-cover" / stem
    assert product.item_path == product.path / f"{stem}.json"
    assert steps == [(step, 8) for step in range(1, 9)]
    assert all(path.is_file() for path in product.files)
    with (
        rasterio.open(product.path / f"{stem}_class.tif") as cog,
        xr.open_zarr(product.zarr_path, consolidated=False) as store,
    ):
        np.testing.assert_array_equal(cog.read(1), store["class"])
        assert cog.tags()["cube_snapshot"] == store.attrs["cube_snapshot"] == product.snapshot == "SNAP"
        assert store.attrs["cube_uri"] == "../../../cube"
        assert store.attrs["attribution"] == cog.tags()["TIFFTAG_COPYRIGHT"]
    with rasterio.open(product.path / f"{stem}.png") as picture:
        pixels = picture.read()
        assert pixels[:, 0, 0].tolist() == [0, 0, 0, 0]
        assert pixels[:, 10, 0].tolist() == [0x00, 0x64, 0x00, 255]


def test_a_second_run_touches_no_file(land, publish, make_context):
    first = publish(land)
    before = stamps(first.path)
    later = make_context(run_id="run-2", created=datetime(2026, 1, 1, tzinfo=UTC))
    second = publish(land, context=later)
    assert not second.rewritten
    assert stamps(first.path) == before
    assert second.files == first.files


def test_other_values_attributes_or_origin_are_written(land, publish, make_context):
    publish(land)
    other = land.copy(deep=True)
    other["class"][30, 30] = 80
    assert publish(other).rewritten
    assert publish(land).rewritten
    assert publish(land.assign_attrs(min_confidence=7)).rewritten
    assert publish(land, context=make_context(software_version="0.2.0")).rewritten


def test_lazy_and_loaded_products_have_one_key(land, publish):
    publish(land)
    assert not publish(land.chunk({"y": 16, "x": 33})).rewritten


@pytest.mark.parametrize("victim", ["manifest.json", "haspengouw_land-cover_20201101_20211101_class.tif"])
def test_a_lost_file_makes_the_product_whole_again(land, publish, victim):
    product = publish(land)
    (product.path / victim).unlink()
    again = publish(land)
    assert again.rewritten
    assert (product.path / victim).is_file()


def test_a_cut_file_is_noticed(land, publish, context):
    product = publish(land)
    key = json.loads((product.path / "manifest.json").read_text())["key"]
    assert is_complete(product.path, key)
    chunk = next(path for path in product.files if "/class/c/" in path.as_posix())
    chunk.write_bytes(chunk.read_bytes()[:-1])
    assert not is_complete(product.path, key)
    assert not is_complete(product.path / "nowhere", key)


def test_a_manifest_that_is_none_is_an_error(land, publish):
    product = publish(land)
    (product.path / "manifest.json").write_text("[]")
    with pytest.raises(PublishError, match="manifest"):
        publish(land)


@pytest.mark.parametrize("part", ["write_cog", "write_zarr", "write_thumbnail", "write_manifest"])
def test_a_full_disk_leaves_the_old_product_and_nothing_else(land, publish, monkeypatch, part):
    product = publish(land)
    before = stamps(product.path)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"pipelines.publish.publication.{part}", full)
    with pytest.raises(PublishError, match="No space left on device"):
        publish(land.assign_attrs(min_confidence=3))
    assert stamps(product.path) == before
    assert [entry.name for entry in product.path.parent.iterdir()] == [product.path.name]


def test_a_full_disk_at_the_first_attempt_leaves_nothing(land, publish, out, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipelines.publish.publication.write_zarr", full)
    with pytest.raises(PublishError, match="free space"):
        publish(land)
    assert list((out / "products" / "land-cover").iterdir()) == []


CHILD = """
import pickle, sys, time
import pipelines.publish.publication as publication
folder, data = sys.argv[1:]
dataset, context = pickle.load(open(data, "rb"))
def wait(*args, **kwargs):
    print("waiting", flush=True)
    time.sleep(60)
publication.write_zarr = wait
publication.publish_product(dataset, name="land-cover", folder=__import__("pathlib").Path(folder), context=context)
"""


def test_a_killed_run_shows_nothing_and_the_next_equals_an_undisturbed_one(land, publish, context, out, tmp_path):
    data = tmp_path / "data.pickle"
    data.write_bytes(pickle.dumps((land, context)))
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(out), str(data)], stdout=subprocess.PIPE, env=environment
    )
    try:
        assert child.stdout.readline().strip() == b"waiting"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    place = out / "products" / "land-cover"
    assert [entry.name for entry in place.iterdir()] == [".haspengouw_land-cover_20201101_20211101.draft"]
    product = publish(land)
    assert product.rewritten
    assert [entry.name for entry in place.iterdir()] == [product.path.name]
    killed = {path.relative_to(product.path): path.read_bytes() for path in product.files}
    undisturbed = publish_product(land, name="land-cover", folder=out.parent / "out", context=context)
    assert not undisturbed.rewritten
    (product.path / "manifest.json").unlink()
    fresh = publish(land)
    assert {path.relative_to(fresh.path): path.read_bytes() for path in fresh.files} == killed


def test_killed_between_the_two_renames_the_old_product_comes_back(land, publish):
    product = publish(land)
    before = stamps(product.path)
    product.path.rename(product.path.with_name(f".{product.path.name}.retired"))
    time.sleep(0.01)
    again = publish(land)
    assert not again.rewritten
    assert stamps(again.path) == before


def test_product_and_origin_must_agree(land, publish, make_context):
    with pytest.raises(PublishError, match="cube_snapshot"):
        publish(land, context=make_context(cube_snapshot="OTHER"))
    with pytest.raises(PublishError, match="model_sha256"):
        publish(land, context=make_context(model_sha256="cd" * 32))
    with pytest.raises(PublishError, match="Land Cover"):
        publish(land, name="Land Cover")
    with pytest.raises(PublishError, match="flag_colors"):
        publish(land[["confidence", "n_valid"]])


def test_key_ignores_run_and_clock(land, make_context):
    keys = {
        product_key(land, name="land-cover", context=make_context(run_id=run, created=created))
        for run in ("a", "b")
        for created in (None, datetime(2026, 1, 1, tzinfo=UTC))
    }
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("region", "two words", "two words"),
        ("start", datetime(2020, 1, 1), "time zone"),  # noqa: DTZ001 the fault under test
        ("end", datetime(2020, 1, 1, tzinfo=UTC), "before end"),
        ("scenes", (), "scenes"),
        ("model_sha256", "abc", "hexadecimal"),
    ],
)
def test_a_bad_origin_cannot_exist(make_context, field, value, message):
    with pytest.raises(ValueError, match=message):
        make_context(**{field: value})


@pytest.mark.parametrize(("name", "layer"), [("land-cover", "confidence"), ("change", "probability")])
def test_an_item_says_what_its_own_probabilities_say(request, grid, context, name, layer):
    dataset = request.getfixturevalue({"land-cover": "land", "change": "changes"}[name])

    def lineage():
        ends = (*(f"_{plane}.tif" for plane in dataset.data_vars), ".png")
        files = [FileEntry(path=f"{item_id(name, context)}{end}", size=1, sha256="0" * 64) for end in ends]
        item = build_item(dataset, name=name, root=Path(), grid=grid, context=context, files=files)
        return item["properties"]["processing:lineage"]

    assert lineage().endswith("SNAP; probabilities are not calibrated.")
    dataset[layer].attrs["comment"] = "calibrated on held-out labels, temperature 1.4"
    assert lineage().endswith("SNAP; probabilities are calibrated on held-out labels, temperature 1.4.")
    del dataset[layer].attrs["comment"]
    assert lineage().endswith("version SNAP.")
