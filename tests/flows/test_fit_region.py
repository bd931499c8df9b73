"""Labels over a simulated region: fitted, published, and right where no label was."""

import json
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio
from shapely.geometry import box

from flows.config import OwnConfig
from flows.errors import ConfigError
from flows.fit import _plain, fit_region
from flows.fit_options import FitOptions
from flows.fit_page import render
from flows.fit_report import summary, write_report
from flows.monitor import run_region
from flows.region_file import load_region, parse_region
from pipelines.publish import validate_catalog
from pipelines.training.own_labels.errors import LabelError
from ringmoe_core.heads import load_heads

SIDE = 8
"""Pixels of a square label; the squares of a chequered pattern are labelled, the others held back."""


@pytest.fixture(scope="module", autouse=True)
def _small_forest():
    """A forest of few trees: it is compared with, not tested, here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.training.own_labels.learner.NUM_TREES", 15)
        yield


@pytest.fixture(scope="module")
def truth(catalog):
    with rasterio.open(catalog.parent / "truth" / "land_cover.tif") as raster:
        return raster.read(1)


def labelled(truth, path, *, extra=()):
    """Label squares of one class within every other square of the pattern; returns where no label lies."""
    rows = []
    held_back = np.ones(truth.shape, bool)
    for top in range(0, 64, SIDE):
        for left in range((top // SIDE % 2) * SIDE, 64, 2 * SIDE):
            held_back[top : top + SIDE, left : left + SIDE] = False
            for y in range(top, top + SIDE, 2):
                for x in range(left, left + SIDE, 2):
                    codes = np.unique(truth[y : y + 2, x : x + 2])
                    if codes.size == 1:
                        east, north = 600_000 + 10 * x, 5_620_000 - 10 * y
                        rows.append((box(east, north - 20, east + 20, north), int(codes[0])))
    rows += extra
    table = geopandas.GeoDataFrame({"crop": [code for _, code in rows]}, geometry=[s for s, _ in rows], crs=32631)
    table.to_crs(4326).to_file(path)
    return held_back


@pytest.fixture(scope="module")
def fitted(catalog, weights, truth, tmp_path_factory):
    """A region file, its labels, and the report of the fit."""
    folder = tmp_path_factory.mktemp("fit")
    held_back = labelled(truth, folder / "labels.gpkg")
    values = {
        "name": "tiny",
        "area": {"crs": "EPSG:32631", "bounds": [600_000, 5_620_000 - 640, 600_640, 5_620_000]},
        "time": {"start": "2022-11-01", "end": "2023-11-01"},
        "sources": [{"catalog": str(catalog), "collections": ["sentinel-2-l2a", "sentinel-1-grd"]}],
        "output": "out",
        "inference": {"weights": str(weights), "window": 64, "stride": 48, "chunk": 64},
    }
    config = parse_region(json.dumps(values), folder=folder)
    options = FitOptions(labels=folder / "labels.gpkg", column="crop", block_km=0.08, folds=3)
    told = []
    report, head = fit_region(config, options, on_progress=lambda *step: told.append(step))
    return folder, values, held_back, report, head, told


def test_a_map_of_fitted_classes_is_right_where_no_label_was(fitted, truth):
    folder, values, held_back, report, head, _ = fitted
    shown = load_heads(head).metadata.inputs["crop"]
    assert shown.windows_px == (64,)
    assert set(shown.bands) == {"ms", "sar_l2"}
    own = [{"name": "crop", "head": str(head.relative_to(folder))}]
    config = parse_region(json.dumps(values | {"own": own, "products": ["land-cover", "crop"]}), folder=folder)
    done = run_region(config)
    assert {row.name: row.state for row in done.products} == {"land-cover": "written", "crop": "written"}
    import xarray as xr

    product = xr.open_zarr(next(row.zarr for row in done.products if row.name == "crop"), consolidated=False)
    mapped = product["class"].to_numpy()
    names = np.array(["", *report.class_names])
    known = held_back & (mapped > 0) & np.isin(truth.astype(str), report.class_names)
    right = (names[mapped[known]] == truth[known].astype(str)).mean()
    _, counts = np.unique(truth[known], return_counts=True)
    commonest = counts.max() / counts.sum()
    assert right > commonest + 0.1, (right, commonest)
    assert abs(right - report.designs[0].scores["head"].overall.value) < 0.15
    assert validate_catalog(folder / "out") == []
    item = json.loads((folder / "out" / "products" / "crop").glob("*/*.json").__next__().read_text())
    listed = item["assets"]["class"]["classification:classes"]
    assert [entry["value"] for entry in listed] == list(range(len(report.class_names) + 1))
    assert {"confidence", "margin", "n_valid", "reasons", "zarr"} <= set(item["assets"])
    assert run_region(config).status == "NoNewData"


def test_the_cube_of_a_fit_is_the_cube_of_a_run(fitted):
    folder, values, _, report, _, told = fitted
    assert "built by this fit" in report.facts["cube"]
    assert {"search", "build_cube", "features"} <= {stage for stage, _, _ in told}
    config = parse_region(json.dumps(values), folder=folder)
    again, head = fit_region(
        config, FitOptions(labels=folder / "labels.gpkg", column="crop", block_km=0.08, folds=3, out=folder / "h.st")
    )
    assert "built by this fit" not in again.facts["cube"]
    assert again.head["sha256"] == report.head["sha256"]
    first, second = report.to_dict(), again.to_dict()
    assert first["designs"] == second["designs"]
    assert head == folder / "h.st"


def test_a_report_is_one_page_and_one_json(fitted, tmp_path):
    report = fitted[3]
    page, values = write_report(report, tmp_path / "crop")
    told = json.loads(values.read_text())
    methods = told["designs"][0]["methods"]
    assert set(methods) == {"head", "head_maps", "head_statistics", "random_forest", "majority"}
    assert sum(map(sum, methods["head"]["confusion"])) == sum(told["classes"].values())
    assert methods["majority"]["overall_accuracy"]["value"] < methods["head"]["overall_accuracy"]["value"]
    html = page.read_text()
    assert html.count("<svg") == 2
    assert "http" not in html.replace("http-equiv", "")
    assert "<script" not in html
    assert f"{methods['head']['overall_accuracy']['value']:.3f}" in html
    said = summary(report, page)
    assert str(page) in said
    assert "own: [{name: crop, head: " in said
    assert any("blocks of 80 m are small" in line for line in told["warnings"])


def test_wrong_labels_are_told_before_a_cube_is_built(document, catalog, truth, tmp_path):
    config = parse_region(json.dumps(document(catalog, tmp_path / "out")), folder=tmp_path)
    labelled(truth, tmp_path / "l.gpkg")
    with pytest.raises(LabelError, match="got 'soil' among"):
        fit_region(config, FitOptions(labels=tmp_path / "l.gpkg", column="soil"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match=r"--features is one of .* got 'pixels'"):
        FitOptions(labels=tmp_path / "l.gpkg", column="crop", features="pixels")
    with pytest.raises(ConfigError, match="not negative"):
        FitOptions(labels=tmp_path / "l.gpkg", column="crop", buffer_m=-1)


@pytest.mark.slow
def test_areas_are_estimated_from_a_random_sample_of_points(fitted, truth):
    folder, values, _, _, _, _ = fitted
    random = np.random.default_rng(1)
    row, col = random.integers(0, 64, (2, 300))
    points = geopandas.points_from_xy(600_005 + 10.0 * col, 5_619_995 - 10.0 * row)
    table = geopandas.GeoDataFrame({"crop": truth[row, col]}, geometry=points, crs=32631)
    table.to_file(folder / "points.gpkg")
    options = FitOptions(
        labels=folder / "points.gpkg",
        column="crop",
        block_km=0.08,
        folds=3,
        features="statistics",
        min_samples=15,
        random_sample=True,
        out=folder / "sample.safetensors",
    )
    report, _ = fit_region(parse_region(json.dumps(values), folder=folder), options)
    assert sum(entry.mapped_ha for entry in report.areas) == pytest.approx(0.01 * 64 * 64, rel=0.02)
    for entry in report.areas:
        true_ha = 0.01 * (truth.astype(str) == entry.name).sum()
        assert abs(entry.estimated_ha - true_ha) < 2 * entry.half_width_ha
    assert "Olofsson" in render(report)
    few = [name for name, count in zip(report.class_names, report.counts, strict=True) if count == min(report.counts)]
    scarce = replace(options, min_samples=min(report.counts) + 1)
    again, _ = fit_region(parse_region(json.dumps(values), folder=folder), scarce)
    assert not again.areas
    assert f"areas were not estimated: the sample without {few[0]}" in render(again).split("<h2>Area</h2>")[1]
    wrong = FitOptions(labels=folder / "labels.gpkg", column="crop", random_sample=True)
    with pytest.raises(LabelError, match=r"a random sample is points.*got \['Polygon'\]"):
        fit_region(parse_region(json.dumps(values), folder=folder), wrong)


def test_a_head_of_other_weights_ends_a_run_with_the_reason(fitted, tmp_path):
    folder, values, _, _, head, _ = fitted
    own = [{"name": "crop", "head": str(head)}]
    changed = values | {"own": own, "products": ["crop"], "output": str(tmp_path / "other")}
    changed |= {"inference": values["inference"] | {"weights": "nano-dense"}}
    with pytest.raises(ConfigError, match="own: the head of own product 'crop' cannot be used"):
        run_region(parse_region(json.dumps(changed), folder=folder))
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"products": ["crop"]}, r"products\[0\] must be one of \['land-cover', 'change'\], got 'crop'"),
        ({"own": [{"name": "change", "head": "h"}]}, r"own\[0\]\.name: must not be one of"),
        ({"own": [{"name": "crop", "head": "h"}, {"name": "crop", "head": "i"}]}, "each name is given once"),
        ({"own": [{"name": "crop", "head": "h", "heads": 1}]}, r"own\[0\]\.heads: unknown key `heads`"),
        ({"own": [{"name": "Crop!", "head": "h"}]}, r"own\[0\]\.name: must be lower-case letters"),
        ({"own": [{"name": "crop"}]}, r"own\[0\]\.head: the key is required"),
    ],
)
def test_own_products_are_checked_with_the_region(document, catalog, tmp_path, change, match):
    with pytest.raises(ConfigError, match=match):
        parse_region(json.dumps(document(catalog, tmp_path / "out", **change)), folder=tmp_path)


def test_heads_stand_against_the_regions_folder(document, catalog, tmp_path, write_region):
    own = [{"name": "crop", "head": "heads/crop.safetensors"}]
    config = load_region(write_region(document(catalog, tmp_path / "out", own=own, products=["crop", "change"])))
    assert config.own[0].head == tmp_path / "heads" / "crop.safetensors"
    assert config.tasks == ("change",)
    assert [entry.name for entry in config.own_products] == ["crop"]


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("Crop type", "crop-type"),
        ("2021_crop", "own-2021-crop"),
        ("Ä", "own"),
        ("a-", "a"),
        ("Land Cover", "own-land-cover"),
        ("change", "own-change"),
        ("long " * 12, "long-" * 7 + "l"),
    ],
)
def test_columns_become_names_that_a_region_takes(column, name):
    assert _plain(column) == name
    assert OwnConfig(name=name, head="h").name == name
