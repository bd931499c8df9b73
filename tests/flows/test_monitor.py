import json
import os
import shutil

import numpy as np
import pyarrow.dataset
import pytest
import rasterio
import rasterio.warp

from flows.errors import ConfigError, RunFailedError
from flows.lock import exclusive
from flows.monitor import plain_stages, run_region
from flows.region_file import load_region, parse_region
from pipelines import open_cube
from pipelines.publish import validate_catalog


@pytest.fixture
def run(document, tmp_path):
    """Runs the tiny region over a catalogue; keywords replace keys of the region."""

    def start(catalog, *, output="out", stages=None, **changes):
        text = json.dumps(document(catalog, tmp_path / output, **changes))  # JSON is YAML
        return run_region(parse_region(text, folder=tmp_path), stages=stages)

    return start


def rasters(catalog, collection, band):
    return sorted((catalog.parent / collection).rglob(f"*{band}.tif"))


def item_of(raster):
    return next(path for path in raster.parent.glob("*.json"))


def forget_checksums(item):
    """Lets a test change rasters whose checksums their item states."""
    content = json.loads(item.read_text())
    for asset in content["assets"].values():
        for key in ("file:checksum", "file:size"):
            asset.pop(key, None)
    item.write_text(json.dumps(content))


def states(report):
    return {product.name: product.state for product in report.products}


def test_a_region_from_search_to_catalogue_then_nothing_new(catalog, run, tmp_path):
    first = run(catalog)
    out = tmp_path / "out"
    assert first.status == "Completed"
    assert [row.outcome for row in first.scenes] == ["used"] * 8
    assert states(first) == {"land-cover": "written", "change": "written"}
    assert set(first.timings) == {"search", "build_cube", "infer", "make_products", "publish", "total"}
    cube = open_cube(first.cube.uri, "s2", snapshot=first.cube.snapshot)
    assert cube["reflectance"].sizes == {"time": 4, "band": 10, "y": 64, "x": 64}
    assert {product.snapshot for product in first.products} == {first.cube.snapshot}
    assert validate_catalog(out) == []
    assert load_region(out / "region.resolved.yaml").output == out

    before = {path: path.stat().st_mtime_ns for path in (out / "products").rglob("*") if path.is_file()}
    second = run(catalog)
    assert second.status == "NoNewData"
    assert second.cube == first.cube
    assert states(second) == {"land-cover": "up_to_date", "change": "up_to_date"}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    rows = pyarrow.dataset.dataset(out / "ledger").to_table().to_pylist()
    assert sorted(row["status"] for row in rows) == ["Completed", "NoNewData"]
    assert rows[0]["num_used"] == 8
    assert json.loads((out / "run.json").read_text())["status"] == "NoNewData"


def test_lost_scenes_are_gaps_with_their_reasons(own_catalog, run):
    truncated = rasters(own_catalog, "sentinel-2-l2a", "B04")[0]
    os.truncate(truncated, truncated.stat().st_size // 2)
    for empty in (rasters(own_catalog, "sentinel-1-grd", band)[1] for band in ("VV", "VH")):
        with rasterio.open(empty, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as raster:
            raster.write(np.full(raster.shape, np.nan, dtype="float32"), 1)
        forget_checksums(item_of(empty))
    bare = item_of(rasters(own_catalog, "sentinel-2-l2a", "B04")[2])
    content = json.loads(bare.read_text())
    content["assets"] = {}
    bare.write_text(json.dumps(content))

    report = run(own_catalog)
    reasons = sorted(row.reason for row in report.scenes if row.outcome == "skipped")
    assert reasons == ["all_nodata", "damaged", "missing_asset"]
    assert all(row.detail for row in report.gaps)
    assert len(report.scenes) == 8
    assert report.status == "CompletedWithGaps"
    assert states(report) == {"land-cover": "written", "change": "written"}


@pytest.mark.filterwarnings("ignore:Use .@. matmul:PendingDeprecationWarning")
def test_a_scene_in_another_crs_is_warped_and_noted(own_catalog, run):
    shifted = rasters(own_catalog, "sentinel-1-grd", "VV")[0].parent
    for path in shifted.glob("*.tif"):
        _warp(path, "EPSG:32632")
    item = next(shifted.glob("*.json"))
    forget_checksums(item)
    content = json.loads(item.read_text())
    text = json.dumps(content).replace("EPSG:32631", "EPSG:32632")
    content = json.loads(text)
    for holder in (content["properties"], *content["assets"].values()):
        for key in ("proj:shape", "proj:transform", "proj:bbox", "proj:geometry"):
            holder.pop(key, None)
    item.write_text(json.dumps(content))
    report = run(own_catalog)
    assert report.status == "Completed"
    assert "32632" in next(row.detail for row in report.scenes if row.id == content["id"])
    assert any(content["id"] in note and "32632" in note for note in report.notes)


def _warp(path, crs):
    with rasterio.open(path) as source:
        transform, width, height = rasterio.warp.calculate_default_transform(
            source.crs, crs, source.width, source.height, *source.bounds
        )
        warped = np.full((height, width), np.nan, dtype=source.dtypes[0])
        rasterio.warp.reproject(
            rasterio.band(source, 1), warped, dst_transform=transform, dst_crs=crs, dst_nodata=np.nan
        )
        profile = source.profile | {"crs": crs, "transform": transform, "width": width, "height": height}
    with rasterio.open(path, "w", **{**profile, "driver": "GTiff"}) as target:
        target.write(warped, 1)


def test_either_sensor_alone_is_enough(catalog, run):
    for number, collection in enumerate(("sentinel-2-l2a", "sentinel-1-grd")):
        sources = [{"catalog": str(catalog), "collections": [collection]}]
        report = run(catalog, output=f"out{number}", sources=sources, products=["land-cover"])
        assert report.status == "Completed"
        assert len(report.scenes) == 4


def test_one_date_gives_land_cover_and_says_why_not_change(catalog, run):
    report = run(catalog, time={"start": "2022-11-01", "end": "2022-11-15"})
    assert states(report) == {"land-cover": "written", "change": "not_made"}
    assert "2 epochs" in report.products[1].reason
    assert report.status == "Completed"


def test_a_new_date_is_added_and_products_are_made_anew(catalog, run):
    first = run(catalog, time={"start": "2022-11-01", "end": "2023-01-20"}, products=["land-cover"])
    second = run(catalog, time={"start": "2022-11-01", "end": "2023-11-01"}, products=["land-cover"])
    assert second.status == "Completed"
    assert second.cube.snapshot != first.cube.snapshot
    assert len(second.scenes) > len(first.scenes)


def failed(run, *arguments, **changes):
    with pytest.raises(RunFailedError) as caught:
        run(*arguments, **changes)
    report = caught.value.report
    assert report.status == "Failed"
    assert report.exit_code == 1
    return report


def test_an_area_that_crosses_nothing_fails_with_counts(catalog, run, tmp_path):
    report = failed(run, catalog, area={"bbox": [20.0, 40.0, 20.01, 40.01]})
    assert "8 items lie outside" in report.error
    assert "20.0" in report.error
    assert report.unmatched == 8
    assert json.loads((tmp_path / "out" / "run.json").read_text())["error"] == report.error
    assert not (tmp_path / "out" / "cube").exists()


def test_a_catalogue_that_does_not_answer_fails_clearly(catalog, run, tmp_path):
    sources = [{"catalog": "http://127.0.0.1:9/", "collections": ["sentinel-2-l2a"]}]
    report = failed(run, catalog, sources=sources)
    assert report.error.startswith("search: CatalogError")
    assert "127.0.0.1" in report.error
    ledger = pyarrow.dataset.dataset(tmp_path / "out" / "ledger").to_table().to_pylist()
    assert [row["status"] for row in ledger] == ["Failed"]


def test_an_output_of_another_configuration_is_left_alone(catalog, run, tmp_path):
    first = run(catalog, products=["land-cover"])
    resolved = (tmp_path / "out" / "region.resolved.yaml").read_text()
    report = failed(run, catalog, resolution=20)
    assert "build_cube: CubeError" in report.error
    assert {row.outcome for row in report.scenes} == {"not_reached"}
    assert [row.id for row in report.scenes] == [row.id for row in first.scenes]
    assert (tmp_path / "out" / "region.resolved.yaml").read_text() == resolved
    assert run(catalog, products=["land-cover"]).status == "NoNewData"
    assert open_cube(first.cube.uri).sizes["x"] == 64


def test_an_output_of_another_schema_version_is_refused(catalog, run, monkeypatch):
    run(catalog, products=["land-cover"])
    import pipelines.cube.configuration

    monkeypatch.setattr(pipelines.cube.configuration, "SCHEMA_VERSION", "0.0", raising=True)
    report = failed(run, catalog, products=["land-cover"])
    assert "schema" in report.error


def test_a_full_disk_is_named_and_what_is_whole_is_kept(catalog, run):
    import dataclasses

    def full(*_):
        raise OSError(28, "No space left on device")

    stages = dataclasses.replace(plain_stages(), infer=full)
    report = failed(run, catalog, stages=stages)
    assert report.error.startswith("infer: OSError")
    assert "the disk is full" in report.error
    assert report.cube is not None
    assert len(report.scenes) == 8
    assert run(catalog).status == "Completed"


def test_weights_that_are_not_there_are_a_fault_of_the_region(catalog, run, tmp_path):
    with pytest.raises(ConfigError, match=r"inference\.weights"):
        run(catalog, inference={"weights": "absent.safetensors"})
    assert not (tmp_path / "out").exists()


def test_a_second_run_on_a_busy_output_fails_and_leaves_its_report_alone(catalog, run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("{}")
    with exclusive(tmp_path / "out" / ".lock"):
        report = failed(run, catalog)
    assert str(os.getpid()) in report.error
    assert (tmp_path / "out" / "run.json").read_text() == "{}"


def test_a_scene_known_to_two_sources_is_used_once(catalog, run, tmp_path):
    shutil.copytree(catalog.parent, tmp_path / "copy")
    copy = tmp_path / "copy" / "catalog.json"
    sources = [{"catalog": str(place), "collections": ["sentinel-1-grd"]} for place in (catalog, copy)]
    report = run(catalog, sources=sources, products=["land-cover"])
    assert sum(row.outcome == "used" for row in report.scenes) == 4
    assert [row.reason for row in report.scenes if row.outcome == "skipped"] == ["duplicate"] * 4
    assert report.status == "Completed"


@pytest.mark.slow
def test_the_belgian_region_accounts_for_every_item_and_repeats_itself(shared_data, run):
    belgium = {
        "area": {"crs": "EPSG:32631", "bounds": [664000, 5611120, 665000, 5612120]},
        "time": {"start": "2020-11-01", "end": "2021-11-01"},
    }
    catalog = shared_data / "catalog" / "catalog.json"
    first = run(catalog, **belgium)
    assert first.status == "Completed"
    assert len(first.scenes) == 22
    assert {row.outcome for row in first.scenes} == {"used"}
    s2, s1 = (open_cube(first.cube.uri, group) for group in ("s2", "s1"))
    assert s2["reflectance"].sizes == {"time": 10, "band": 9, "y": 100, "x": 100}
    assert s1["power"].sizes == {"time": 12, "band": 2, "y": 100, "x": 100}
    months = {str(time)[:7] for time in s2["time"].to_numpy().astype("datetime64[M]")}
    assert not months & {"2020-12", "2021-01"}
    second = run(catalog, **belgium)
    assert second.status == "NoNewData"
    assert second.cube == first.cube
    assert set(states(second).values()) == {"up_to_date"}
