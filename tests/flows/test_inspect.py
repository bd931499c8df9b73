"""`ringmoe inspect`: real items against a few plain lines, catalogues that lie, and files that are none."""

from __future__ import annotations

import json
import shutil
from typing import get_args

import pytest
from test_cli import ringmoe

from flows.inspect_catalog import inspect_catalog
from flows.inspect_command import inspect_text
from pipelines.cube.item_verdict import Verdict

VERDICTS = set(get_args(Verdict))


def self_contradicting(folder):
    """Ids of the Sentinel-2 items that say that the offset was taken out and that it is to be applied."""
    found = set()
    for path in folder.rglob("*.json"):
        item = json.loads(path.read_text())
        flag = item.get("properties", {}).get("earthsearch:boa_offset_applied")
        offsets = [
            band.get("offset")
            for asset in item.get("assets", {}).values()
            for band in asset.get("raster:bands", [])
            if "offset" in band
        ]
        if flag is True and any(offset not in (None, 0) for offset in offsets):
            found.add(item["id"])
    return found


def by_item(verdicts):
    found = {verdict.item: verdict for verdict in verdicts}
    assert len(found) == len(verdicts)
    return found


def edit(path, change):
    item = json.loads(path.read_text())
    change(item)
    path.write_text(json.dumps(item))


def lie(item):
    """Turns the statements of a simulated item round."""
    applied = not item["properties"]["earthsearch:boa_offset_applied"]
    item["properties"]["earthsearch:boa_offset_applied"] = applied
    for asset in item["assets"].values():
        if "raster:offset" in asset:
            asset["raster:offset"] = 0 if applied else -0.1


def test_real_items_that_contradict_themselves_are_found(shared_data):
    folder = shared_data / "stac_items"
    verdicts = inspect_catalog(folder, pixels=False)
    told = {v.item for v in verdicts if v.verdict == "contradicts"}
    assert told == self_contradicting(folder)
    assert len(told) == 5
    found = by_item(verdicts)
    one = found["S2A_13TDE_20231008_0_L2A"]
    assert one.rule == "flag"
    assert one.evidence["metadata"]["offset_dn"] == 0
    assert one.evidence["metadata"]["declared_offset_dn"] == -1000
    assert one.evidence["pixels"]["verdict"] == "no_pixels"
    assert "metadata alone" in one.evidence["why"]


def test_every_real_item_is_judged(shared_data):
    folder = shared_data / "stac_items"
    verdicts = inspect_catalog(folder, pixels=False)
    features = [p for p in folder.rglob("*.json") if json.loads(p.read_text()).get("type") == "Feature"]
    assert len(verdicts) == len(features) == 45
    assert {verdict.verdict for verdict in verdicts} <= VERDICTS
    found = by_item(verdicts)
    assert found["S2B_T24MVV_20250731T130245_L2A"].verdict == "consistent"
    assert found["S2B_T24MVV_20250731T130245_L2A"].rule == "declared"
    assert found["S2A_MSIL2A_20190101T000001_R116_T59VPE_20201007T214658"].rule == "baseline_without_offset"
    for item, verdict in found.items():
        if item.startswith(("LC08", "LC09")):
            assert (verdict.verdict, verdict.rule) == ("consistent", "declared"), item
        if verdict.collection == "sentinel-1-grd":
            assert (verdict.verdict, verdict.rule) == ("consistent", "calibration_tables"), item
            assert "HH" in verdict.evidence["metadata"]["noise_tables"], item
        if verdict.collection == "sentinel1-rtc-aws":
            assert (verdict.verdict, verdict.rule) == ("consistent", "linear"), item
        if verdict.collection.startswith(("cop-dem", "esa-worldcover")):
            assert verdict.verdict == "unknown", item
        json.dumps(verdict.to_dict(), allow_nan=False)


def test_pixels_out_of_reach_are_no_error(shared_data, tmp_path):
    source = shared_data / "stac_items/earth-search/sentinel-2-c1-l2a/S2B_T24MVV_20250731T130245_L2A.json"
    item = json.loads(source.read_text())
    for asset in item["assets"].values():
        asset["href"] = "https://nobody.example/" + asset["href"].rsplit("/", 1)[-1]
    (tmp_path / "item.json").write_text(json.dumps(item))
    (verdict,) = inspect_catalog(tmp_path)
    assert verdict.verdict == "consistent"
    assert "metadata alone" in verdict.evidence["why"]
    assert "https://nobody.example" in verdict.evidence["pixels"]["because"]


def test_digital_numbers_without_their_tables_are_not_calibrated(shared_data, tmp_path):
    source = next((shared_data / "stac_items/earth-search/sentinel-1-grd").glob("S1A_IW*.json"))
    item = json.loads(source.read_text())
    item["assets"] = {key: asset for key, asset in item["assets"].items() if "calibration" not in key}
    (tmp_path / "item.json").write_text(json.dumps(item))
    (verdict,) = inspect_catalog(tmp_path)
    assert (verdict.verdict, verdict.rule) == ("uncalibrated", "")
    assert "must be calibrated" in verdict.evidence["why"]


def test_landsat_that_is_not_as_the_product_says(shared_data, tmp_path):
    source = shared_data / "stac_items/stactools-landsat/LC09.json"
    item = json.loads(source.read_text())
    item["assets"]["red"]["raster:bands"][0]["scale"] = 1e-4
    (tmp_path / "item.json").write_text(json.dumps(item))
    (verdict,) = inspect_catalog(tmp_path)
    assert verdict.verdict == "contradicts"
    assert "0.0001" in verdict.evidence["why"]


def test_a_simulated_catalogue_is_borne_out_by_its_pixels(catalog):
    verdicts = inspect_catalog(catalog)
    assert len(verdicts) == 8
    optical = [verdict for verdict in verdicts if verdict.collection == "sentinel-2-l2a"]
    assert {verdict.verdict for verdict in optical} <= {"agrees", "undecided"}
    assert {verdict.evidence["basis"] for verdict in optical} == {"metadata and pixels"}
    radar = [verdict for verdict in verdicts if verdict.collection == "sentinel-1-grd"]
    assert {(verdict.verdict, verdict.rule) for verdict in radar} == {("consistent", "linear")}


def test_lies_and_broken_files_in_a_catalogue(own_catalog):
    root = own_catalog.parent
    truth = {verdict.item: verdict.verdict for verdict in inspect_catalog(own_catalog)}
    items = sorted((root / "sentinel-2-l2a").glob("*/*.json"))
    for path in items[:3]:
        edit(path, lie)
    broken = min((root / "sentinel-1-grd").glob("*/*.json"))
    broken.write_text("{")
    found = by_item(inspect_catalog(root))
    for path in items[:3]:
        expected = {"agrees": "contradicts", "undecided": "undecided"}[truth[path.stem]]
        assert found[path.stem].verdict == expected
    assert found[items[3].stem].verdict == truth[items[3].stem]
    assert "contradicts" in {verdict.verdict for verdict in found.values()}
    assert found[broken.stem].verdict == "unreadable"


def test_a_contradiction_that_the_pixels_settle_is_resolved(own_catalog):
    root = own_catalog.parent
    settled = [
        v.item for v in inspect_catalog(own_catalog) if v.collection == "sentinel-2-l2a" and v.verdict == "agrees"
    ]

    def doubt(item):
        if item["properties"]["earthsearch:boa_offset_applied"]:
            for asset in item["assets"].values():
                asset.pop("raster:offset", None)
            item["assets"]["red"]["raster:offset"] = -0.1  # as Earth Search writes it

    flagged = []
    for name in settled:
        path = root / "sentinel-2-l2a" / name / f"{name}.json"
        if json.loads(path.read_text())["properties"]["earthsearch:boa_offset_applied"]:
            flagged.append(name)
            edit(path, doubt)
    assert flagged
    found = by_item(inspect_catalog(root))
    assert {found[name].verdict for name in flagged} == {"resolved"}
    assert {v.verdict for n, v in by_item(inspect_catalog(root, pixels=False)).items() if n in flagged} == {
        "contradicts"
    }


def test_truncated_rasters_leave_the_metadata_to_judge(own_catalog):
    root = own_catalog.parent
    for tif in (root / "sentinel-2-l2a").rglob("*.tif"):
        tif.write_bytes(tif.read_bytes()[:300])
    optical = [v for v in inspect_catalog(root) if v.collection == "sentinel-2-l2a"]
    assert {v.verdict for v in optical} == {"consistent"}
    assert all(v.evidence["pixels"]["unreadable"] for v in optical)


def test_a_folder_of_anything_is_judged_without_a_crash(tmp_path):
    (tmp_path / "broken.json").write_text('{"type": "Feature", ')
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "catalog.geojson").write_text(json.dumps({"type": "Collection", "id": "c", "links": []}))
    strange = {"type": "Feature", "id": "strange", "stac_version": "1.0.0", "properties": [], "assets": {}}
    (tmp_path / "strange.json").write_text(json.dumps(strange))
    old = {"type": "Feature", "id": "old", "stac_version": "0.9.0", "properties": {"platform": "sentinel-2a"}}
    (tmp_path / "old.json").write_text(json.dumps({"type": "FeatureCollection", "features": [old]}))
    unknown = {"type": "Feature", "id": "spot", "stac_version": "1.0.0", "properties": {"platform": "spot-7"}}
    (tmp_path / "unknown.json").write_text(json.dumps({**unknown, "assets": {}, "geometry": None}))
    found = by_item(inspect_catalog(tmp_path))
    expected = dict.fromkeys(("broken", "list", "binary", "empty", "strange", "old"), "unreadable")
    assert {name: verdict.verdict for name, verdict in found.items()} == {**expected, "spot": "unknown"}


def test_the_table_counts_every_item(shared_data):
    verdicts = inspect_catalog(shared_data / "stac_items", pixels=False)
    lines = inspect_text(verdicts).splitlines()
    assert lines[0].split() == ["collection", "consistent", "contradicts", "uncalibrated", "unknown", "items"]
    last = next(line for line in lines if line.startswith("all"))
    counts = [int(cell) for cell in last.split()[1:]]
    assert counts[-1] == sum(counts[:-1]) == len(verdicts)
    assert any(line == "contradicts: S2A_13TDE_20231008_0_L2A" for line in lines)


@pytest.mark.slow
def test_the_command_prints_one_object_an_item_and_says_by_its_code(own_catalog, tmp_path):
    clean = ringmoe("inspect", own_catalog, "--json")
    assert clean.returncode == 0, clean.stderr
    objects = [json.loads(line) for line in clean.stdout.splitlines()]
    assert len(objects) == 8
    assert all(list(entry) == ["item", "collection", "verdict", "rule", "evidence"] for entry in objects)
    agreeing = [e["item"] for e in objects if e["collection"] == "sentinel-2-l2a" and e["verdict"] == "agrees"]
    edit(own_catalog.parent / "sentinel-2-l2a" / agreeing[0] / f"{agreeing[0]}.json", lie)
    lying = ringmoe("inspect", own_catalog.parent)
    assert lying.returncode == 3
    assert f"contradicts: {agreeing[0]}" in lying.stdout
    blind = ringmoe("inspect", own_catalog.parent, "--no-pixels")
    assert blind.returncode == 0
    absent = ringmoe("inspect", tmp_path / "none")
    assert (absent.returncode, absent.stdout) == (2, "")
    (tmp_path / "nothing").mkdir()
    assert ringmoe("inspect", tmp_path / "nothing").returncode == 2


def test_the_whole_test_catalogue_is_never_judged_wrongly(shared_data, tmp_path):
    shutil.copytree(shared_data / "catalog/sentinel-2-l2a", tmp_path / "sentinel-2-l2a")
    found = inspect_catalog(tmp_path / "sentinel-2-l2a")
    belgian = [verdict for verdict in found if verdict.item.startswith("S2-")]
    assert len(belgian) == 42
    assert {verdict.verdict for verdict in belgian} <= {"agrees", "undecided", "consistent"}
    assert [verdict.verdict for verdict in belgian].count("agrees") == 17
    morocco = [verdict for verdict in found if verdict.item == "S2A_29RKH_20200219_0_L2A"]
    assert "undecided" in {verdict.verdict for verdict in morocco}


def written(folder, item):
    (folder / "item.json").write_text(json.dumps(item))
    return folder


def test_addresses_that_are_none_are_judged_without_a_crash(shared_data, tmp_path):
    """Brackets that do not close are no address, whether in an item or in a link of a catalogue."""
    source = shared_data / "stac_items/earth-search/sentinel-2-c1-l2a/S2B_T24MVV_20250731T130245_L2A.json"
    item = json.loads(source.read_text())
    for asset in item["assets"].values():
        asset["href"] = "http://[::1"
    (verdict,) = inspect_catalog(written(tmp_path, item))
    assert (verdict.verdict, verdict.rule) == ("consistent", "declared")
    assert "http://[::1" in verdict.evidence["pixels"]["because"]
    links = [{"rel": "item", "href": "http://[::1"}, {"rel": "child", "href": "//[x"}]
    catalog = {"type": "Catalog", "id": "c", "stac_version": "1.0.0", "description": "", "links": links}
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    found = inspect_catalog(tmp_path)
    assert [verdict.verdict for verdict in found] == ["unreadable", "unreadable"]
    assert "is a path or an address" in found[0].evidence["why"]


def test_ids_that_a_terminal_would_obey_or_refuse_stand_as_escapes(tmp_path):
    strange = {"type": "Feature", "stac_version": "1.0.0", "properties": {}, "assets": {}}
    features = [{**strange, "id": name} for name in ("\ud800", "a\x1b[2J\nb")]
    verdicts = inspect_catalog(written(tmp_path, {"type": "FeatureCollection", "features": features}))
    text = inspect_text(verdicts)
    assert text.encode()
    assert "unknown: \\ud800\n" in text
    assert "unknown: a\\x1b[2J\\nb\n" in text
    assert "\x1b" not in text


def test_a_product_without_a_place_is_refused_not_broken(shared_data, tmp_path):
    item = json.loads((shared_data / "stac_items/stactools-landsat/LC09.json").read_text())
    item["properties"]["landsat:correction"] = "L1TP"
    (verdict,) = inspect_catalog(written(tmp_path, item))
    assert verdict.verdict == "uncalibrated"
    assert "L1 of landsat-oli-tirs" in verdict.evidence["why"]


def test_radar_whose_item_leaves_the_data_type_to_the_file_is_as_a_build_takes_it(shared_data, tmp_path):
    folder = shared_data / "stac_items"
    item = next(
        item
        for item in (json.loads(path.read_text()) for path in sorted(folder.rglob("*.json")))
        if item.get("collection") == "sentinel1-rtc-aws"
    )
    for asset in item["assets"].values():
        for band in asset.get("raster:bands", []):
            band.pop("data_type", None)
    (verdict,) = inspect_catalog(written(tmp_path, item))
    assert (verdict.verdict, verdict.rule) == ("consistent", "linear")
    assert {told["data_type"] for told in verdict.evidence["metadata"]["polarisations"].values()} == {None}


@pytest.mark.parametrize("raster", [{"scale": 1e-4, "offset": 5.0}, {"scale": 1e-3}])
def test_modis_is_held_to_its_product_as_a_build_holds_it(tmp_path, raster):
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "MOD09A1",
        "collection": "modis-09A1-061",
        "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        "properties": {"datetime": "2021-06-10T00:00:00Z", "platform": "terra"},
        "assets": {"sur_refl_b01": {"href": "./b01.tif", "raster:bands": [raster]}},
    }
    (verdict,) = inspect_catalog(written(tmp_path, item))
    assert verdict.verdict == "contradicts"
    assert "DN * 0.0001" in verdict.evidence["why"]


def test_an_instrument_beside_modis_is_not_taken_for_it(tmp_path):
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "AST_L1T",
        "collection": "aster-l1t",
        "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        "properties": {"datetime": "2021-06-10T00:00:00Z", "platform": "terra", "instruments": ["aster"]},
        "assets": {"B01": {"href": "./b01.tif"}},
    }
    (verdict,) = inspect_catalog(written(tmp_path, item))
    assert verdict.verdict == "unknown"
