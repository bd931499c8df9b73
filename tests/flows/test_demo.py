import importlib.util
import json
import runpy
from dataclasses import replace

import pytest

from flows import demo, demo_accuracy
from flows.demo import run_demo
from ringmoe_core import load_checkpoint, save_checkpoint

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_demo_runs_offline_and_leaves_report_figures_and_code_that_works(weights, tmp_path, monkeypatch, capsys):
    """The demonstration on a smaller simulated region and a smaller forest; weights are random, so are the maps."""
    if importlib.util.find_spec("bigearthnet_common") is None:
        pytest.skip("needs the extra demo")
    monkeypatch.setattr(demo, "SIZE_PX", 128)
    monkeypatch.setattr(demo, "NUM_DATES", 4)
    monkeypatch.setattr(demo_accuracy, "TRAINING_SEEDS", (1000,))
    monkeypatch.setattr(demo_accuracy, "VALIDATION_SEEDS", (50_000,))
    loaded, warm = load_checkpoint(weights), tmp_path / "warm.safetensors"
    save_checkpoint(loaded.model, warm, metadata=replace(loaded.metadata, land_cover_temperature=1.25))
    assert run_demo(tmp_path, weights=str(warm)) == 0

    answer = json.loads((tmp_path / "run.json").read_text())
    assert answer["status"] == "Completed"
    assert len(answer["scenes"]) == 12 + 8
    assert len(answer["runs"]) == 7
    assert sum(row["state"] == "not_made" for row in answer["products"]) == 6
    for figures in (answer["accuracy"], answer["accuracy"]["random_forest"]):
        for figure in (figures["land_cover"]["overall_accuracy"], figures["change"]["f1"]):
            assert set(figure) == {"value", "n", "ci95"}
            assert figure["n"] == 128 * 128
            assert figure["ci95"][0] <= figure["value"] <= figure["ci95"][1]
    assert answer["prefect"]["state"] == "Completed"
    assert len(answer["prefect"]["artifacts"]) == 3

    page = (tmp_path / "report.html").read_text()
    assert page.count("<img ") == 13 + 6 * 4
    assert "T94161, no time of day" in page
    assert page.count("(temperature 1.250)") == 1 + 6  # land cover's confidence, as its layers say of themselves
    assert page.count("not calibrated") == 1  # change

    printed = capsys.readouterr().out
    code = printed[printed.index("import xarray as xr") :].split("\n\n")[0]
    assert len(code.splitlines()) == 4
    (tmp_path / "lines.py").write_text(code)
    names = runpy.run_path(str(tmp_path / "lines.py"))
    assert names["cube"].sizes["time"] == 4
    assert names["land_cover"]["class"].shape == (128, 128)
