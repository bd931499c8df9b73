from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pystac
import pytest

from pipelines.publish import PublishError, publish_product, validate_catalog, write_catalog


@pytest.fixture
def catalogue(out, both_products):
    """Both products in a folder of the test's own, listed."""
    shutil.copytree(both_products, out, dirs_exist_ok=True)
    return listed(out)


def listed(out):
    return write_catalog(out, catalog_id="haspengouw", title="Haspengouw", description="Products of Haspengouw.")


def item_file(out, name="land-cover"):
    stem = f"haspengouw_{name}_20201101_20211101"
    return out / "products" / name / stem / f"{stem}.json"


def test_catalogue_validates_offline_with_every_extension(catalogue, out, shared_data):
    assert validate_catalog(out, shared_data / "schemas") == []


def test_core_alone_validates_without_extension_schemas(catalogue, out):
    assert validate_catalog(out) == []


def test_pystac_walks_it_and_finds_the_files(catalogue):
    root = pystac.Catalog.from_file(str(catalogue))
    items = {item.collection_id: item for item in root.get_items(recursive=True)}
    assert set(items) == {"land-cover", "change"}
    for item in items.values():
        for asset in item.assets.values():
            assert Path(asset.get_absolute_href()).exists()
        assert item.get_root() is root
        assert item.get_parent().id == item.collection_id


def test_item_states_origin_time_and_place(catalogue, out, source):
    item = json.loads(item_file(out).read_text())
    properties = item["properties"]
    assert properties["datetime"] is None
    assert properties["start_datetime"] == "2020-11-01T00:00:00Z"
    assert properties["processing:level"] == "L4"
    assert properties["processing:software"] == {"ringmoe-datacube": "0.1.0"}
    assert properties["ringmoe:cube_snapshot"] == "SNAP"
    assert properties["ringmoe:model_sha256"] == "ab" * 32
    assert properties["ringmoe:cube"] == "../../../cube"
    assert properties["proj:shape"] == [64, 70]
    west, south, east, _ = item["bbox"]
    assert (round(west, 2), round(south, 2)) == (5.32, 50.63)
    assert 0 < east - west < 0.02
    derived = {link["title"]: link["href"] for link in item["links"] if link["rel"] == "derived_from"}
    assert derived == {
        "S2-b": "https://example.com/items/S2-b.json",
        "S1-a": (source / "S1-a.json").as_uri(),
    }


def test_assets_carry_classes_bits_and_checksums(catalogue, out):
    path = item_file(out)
    assets = json.loads(path.read_text())["assets"]
    classes = assets["class"]["classification:classes"]
    assert [entry["value"] for entry in classes] == [0, 10, 30, 40, 50, 60, 80, 90]
    assert classes[0]["nodata"] is True
    assert classes[1] == {"value": 10, "name": "tree_cover", "title": "Tree cover", "color_hint": "006400"}
    assert assets["class"]["nodata"] == 0
    assert assets["confidence"]["nodata"] == 255
    bits = {entry["name"]: entry["offset"] for entry in assets["reasons"]["classification:bitfields"]}
    assert (bits["cloud"], bits["no_observation"]) == (1, 12)
    for asset in assets.values():
        if "file:checksum" in asset:
            content = (path.parent / asset["href"]).read_bytes()
            assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
            assert asset["file:size"] == len(content)


def test_a_later_item_joins_the_others(catalogue, out, land, make_context):
    later = make_context(start=datetime(2021, 11, 1, tzinfo=UTC), end=datetime(2022, 11, 1, tzinfo=UTC))
    publish_product(land, name="land-cover", folder=out, context=later)
    listed(out)
    root = pystac.Catalog.from_file(str(catalogue))
    assert len(list(root.get_items(recursive=True))) == 3
    collection = root.get_child("land-cover")
    start, end = collection.extent.temporal.intervals[0]
    assert (start.year, end.year) == (2020, 2022)
    assert validate_catalog(out) == []


def test_listing_again_touches_nothing(catalogue, out):
    files = [catalogue, out / "products" / "change" / "collection.json"]
    before = [path.stat().st_mtime_ns for path in files]
    listed(out)
    assert [path.stat().st_mtime_ns for path in files] == before


def test_an_unfinished_product_is_not_listed(catalogue, out):
    (item_file(out, "change").parent / "manifest.json").unlink()
    root = pystac.Catalog.from_file(str(listed(out)))
    assert [item.collection_id for item in root.get_items(recursive=True)] == ["land-cover"]


def test_nothing_to_list_is_an_error(tmp_path):
    with pytest.raises(PublishError, match="at least one product"):
        listed(tmp_path)


def test_no_path_of_this_machine_inside_the_catalogue(catalogue, out, source, both_products):
    for path in out.rglob("*.json"):
        text = path.read_text().replace(source.as_uri(), "")
        assert str(both_products.parent) not in text, path
        assert str(out.parent) not in text, path


def damage(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda item: item.pop("bbox"), "bbox"),
        (lambda item: item["properties"].update({"proj:shape": [1, 2, 3]}), "proj:shape"),
        (lambda item: item["assets"]["class"].update({"raster:sampling": "volume"}), "volume"),
        (lambda item: item["assets"]["class"].update({"classification:classes": [{"name": "a"}]}), "classification"),
        (lambda item: item["assets"]["margin"].update({"file:checksum": "XYZ"}), "XYZ"),
        (lambda item: item["assets"]["margin"].update({"file:checksum": "1220" + "0" * 64}), "checksum"),
        (lambda item: item["assets"]["margin"].update({"href": "./gone.tif"}), "gone.tif"),
        (lambda item: item["links"].append({"rel": "derived_from", "href": "./lost.json"}), "lost.json"),
        (lambda item: item["properties"].pop("processing:software") and _strip(item), "processing"),
    ],
)
def test_each_fault_is_found(catalogue, out, shared_data, change, told):
    damage(item_file(out), change)
    problems = validate_catalog(out, shared_data / "schemas")
    assert any(told in problem for problem in problems), problems


def _strip(item):
    for key in ("processing:level", "processing:lineage"):
        item["properties"].pop(key)


def test_a_schema_that_is_not_at_hand_is_an_error_not_a_pass(catalogue, out, shared_data):
    damage(item_file(out), lambda item: item["stac_extensions"].append("https://example.com/v1/schema.json"))
    with pytest.raises(PublishError, match=r"example\.com"):
        validate_catalog(out, shared_data / "schemas")


def test_a_reference_that_is_not_at_hand_is_an_error(catalogue, out, tmp_path):
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    address = "https://example.com/v1/schema.json"
    (schemas / "a.json").write_text(json.dumps({"allOf": [{"$ref": "https://example.com/other.json"}]}))
    (schemas / "index.json").write_text(json.dumps({address: "a.json"}))
    for name in ("land-cover", "change"):
        damage(item_file(out, name), lambda item: item.update({"stac_extensions": [address]}))
    with pytest.raises(PublishError, match=r"other\.json"):
        validate_catalog(out, schemas)
    with pytest.raises(PublishError, match=r"index\.json"):
        validate_catalog(out, tmp_path)


def test_a_missing_item_is_found(catalogue, out):
    item_file(out).unlink()
    assert any("cannot be read" in problem for problem in validate_catalog(out))
