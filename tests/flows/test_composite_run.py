"""A region that maps one image a period instead of every date."""

import json

import pytest

from flows.errors import ConfigError
from flows.monitor import run_region
from flows.region_file import load_region
from pipelines.cube import open_cube


def test_a_region_maps_its_composites(catalog, document, write_region, tmp_path):
    values = document(catalog, tmp_path / "out", composite={"period": "quarter", "method": "medoid"})
    config = load_region(write_region(values))
    report = run_region(config)
    assert report.status in {"Completed", "CompletedWithGaps"}
    made = open_cube(tmp_path / "out" / "composites", "s2")
    dates = open_cube(tmp_path / "out" / "cube", "s2")
    assert 1 <= made.sizes["time"] <= dates.sizes["time"]
    assert set(" ".join(made.scene_ids.to_numpy()).split()) == set(" ".join(dates.scene_ids.to_numpy()).split())
    assert {product.state for product in report.products} == {"written"}
    assert {product.snapshot for product in report.products} == {made.attrs["snapshot"]} != {report.cube.snapshot}
    assert report.timings["composite"] > 0
    items = [json.loads(path.read_text()) for path in (tmp_path / "out" / "products").rglob("*.json")]
    origins = {link["href"] for item in items for link in item.get("links", []) if link["rel"] == "derived_from"}
    assert len(origins) >= 8  # every scene behind a composite
    again = run_region(config)
    assert again.status == "NoNewData"
    assert open_cube(tmp_path / "out" / "composites", "s2").attrs["snapshot"] == made.attrs["snapshot"]


def test_an_unknown_period_is_a_fault_of_the_region(catalog, document, write_region, tmp_path):
    values = document(catalog, tmp_path / "out", composite={"period": "fortnight"})
    with pytest.raises(ConfigError, match=r"composite\.period"):
        load_region(write_region(values))
