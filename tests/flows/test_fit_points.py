"""`ringmoe fit --table`: one command, one report, on made-up tables and on WorldCereal's points."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import ConfigError
from flows.fit_points import SURVEYS, PointOptions, _chosen, _divisions, fit_points
from pipelines.inference.channels import MODALITY_BANDS
from pipelines.training.own_labels.point_table import read_points
from ringmoe_core.heads import load_heads


@pytest.fixture
def table(tmp_path):
    """Points of two crops that peak in other months, at 12 places of two surveys."""
    random = np.random.default_rng(0)
    place = np.repeat(np.arange(12), 8)
    late = random.random(96) < 0.5
    made = {"lon": 33 + 0.3 * (place % 4) + 0.01 * random.random(96), "lat": 3 + 0.3 * (place // 4)}
    made |= {"start_date": ["2020-01-01"] * 96, "ref_id": np.where(place < 6, "first", "second")}
    made["crop"] = np.where(late, "late", "early")
    for t in range(6):
        green = np.exp(-((t - np.where(late, 4, 1)) ** 2))
        for band in MODALITY_BANDS["ms"]:
            made[f"OPTICAL-{band}-ts{t}-10m"] = (1500 + 2500 * green + 200 * random.normal(size=96)).astype(int)
        for band in ("VV", "VH"):
            made[f"SAR-{band}-ts{t}-20m"] = np.full(96, 9000)
    frame = pd.DataFrame(made)
    frame.loc[5, "crop"] = None
    frame.to_parquet(tmp_path / "points.parquet")
    return tmp_path / "points.parquet"


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Short trainings and a forest of few trees: that a fit is whole is tested here, not how good it can be."""
    monkeypatch.setattr("pipelines.training.own_labels.learner.NUM_TREES", 15)
    monkeypatch.setattr("flows.fit_points.PointOptions", partial(PointOptions, steps=60))


def ringmoe(*arguments):
    return CliRunner().invoke(app, ["fit", *map(str, arguments)])


def test_one_command_gives_a_head_and_one_report(table, tmp_path):
    out = tmp_path / "heads" / "crop.safetensors"
    done = ringmoe("--table", table, "--column", "crop", "--out", out, "--folds", 3, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["labels"] == {"path": str(table), "column": "crop", "sample": "points"}
    assert told["skipped"] == {"no_class": 1}
    blocks, surveys = told["designs"]
    assert (blocks["folds"]["kind"], blocks["folds"]["num_blocks"]) == ("blocks of 0.1 degrees", 12)
    assert (surveys["folds"]["kind"], surveys["folds"]["num_folds"]) == ("surveys", 2)
    assert blocks["methods"]["head"]["overall_accuracy"]["value"] > 0.9
    assert blocks["methods"]["majority"]["overall_accuracy"]["value"] < 0.7
    assert sum(blocks["folds"]["samples"]) == 95
    page = out.with_name("crop.report.html")
    assert told["report"] == str(page)
    assert page.read_text().count("<svg") == 4
    loaded = load_heads(out)
    assert loaded.sha256 == told["head"]["sha256"]
    config = loaded.metadata.configs["crop"]
    assert (config.kind, config.class_names) == ("pixel_series", ("early", "late"))
    shown = loaded.metadata.inputs["crop"]
    assert shown.windows_px == ()
    assert shown.bands["ms"]
    assert loaded.metadata.temperature("crop") == pytest.approx(blocks["calibration"]["temperature"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give a region with --labels, or --table alone"),
        (["region.yaml", "--table", "p.parquet"], "give a region with --labels, or --table alone"),
        (["region.yaml"], "a region needs --labels and --column"),
        (["--table", "p.parquet", "--labels", "l.gpkg"], "--labels and --layer belong to a region"),
        (["--table", "absent.parquet"], "points must be a file, got absent.parquet"),
        (["absent.yaml", "--labels", "l.gpkg", "--column", "crop"], "got absent.yaml"),
    ],
)
def test_wrong_commands_say_why_and_exit_2(arguments, says):
    done = ringmoe(*arguments)
    assert done.exit_code == 2
    assert says in done.stderr
    assert not done.stdout


def test_wrong_columns_and_too_few_labels_exit_2(table):
    assert "got 'soil' among" in ringmoe("--table", table, "--column", "soil").stderr
    few = ringmoe("--table", table, "--column", "crop", "--min-samples", 90)
    assert few.exit_code == 2
    assert "lower --min-samples" in few.stderr
    with pytest.raises(ConfigError, match="not negative"):
        PointOptions(table=table, buffer_m=-1.0)


def test_a_buffer_holds_at_every_latitude(table):
    frame = pd.read_parquet(table)
    frame["lat"] = np.where(np.arange(len(frame)) % 2 == 0, 60.0, 1.0)
    frame["lon"] = 10 + 0.01 * (np.arange(len(frame)) // 2)
    frame.to_parquet(table)
    samples = _chosen(read_points(table, "crop")[0], PointOptions(table=table))[0].samples
    north = samples.y > samples.y.mean()
    true_m = 6_371_000 * np.radians(0.01) * np.cos(np.radians(60.0))
    assert np.diff(np.sort(samples.x[north])).min() <= true_m * 1.001


@pytest.mark.parametrize(("num_surveys", "num_folds"), [(12, 12), (24, 20)])
def test_many_surveys_are_left_out_together(table, num_surveys, num_folds):
    frame = pd.read_parquet(table)
    frame["ref_id"] = [f"s{index % num_surveys}" for index in range(len(frame))]
    frame.to_parquet(table)
    points = _chosen(read_points(table, "crop")[0], PointOptions(table=table))[0]
    name, folds = list(_divisions(points, PointOptions(table=table)).items())[1]
    assert (folds.num_folds, folds.num_blocks) == (num_folds, num_surveys)
    assert (name == SURVEYS) == (num_surveys == num_folds)


def test_surveys_of_one_class_each_do_not_end_a_fit(table, tmp_path):
    frame = pd.read_parquet(table)
    frame["ref_id"] = frame["crop"].fillna("early")
    frame.to_parquet(table)
    out = tmp_path / "crop.safetensors"
    report, _ = fit_points(PointOptions(table=table, column="crop", folds=2, steps=2, out=out))
    assert [design.name for design in report.designs] == ["Spatial folds"]
    assert [line for line in report.warnings if line.startswith("surveys could not be left out: each fold needs two")]


@pytest.mark.slow
def test_worldcereal_as_a_new_user_would(shared_data, tmp_path):
    table = shared_data / "points" / "worldcereal_public_extractions.parquet"
    report, head = fit_points(PointOptions(table=table, out=tmp_path / "crop.safetensors", steps=100))
    blocks = report.designs[0]
    value = {name: score.overall.value for name, score in blocks.scores.items()}
    counts = np.array(report.counts)
    assert value["majority"] == pytest.approx(counts.max() / counts.sum())
    assert value["majority"] == pytest.approx(0.63, abs=0.01)
    assert value["random_forest"] == pytest.approx(0.69, abs=0.03)
    assert value["head"] > value["majority"] + 0.03
    assert report.designs[1].folds.num_folds == 6
    assert any("not learnt where it was tested" in line for line in report.warnings)
    assert head.is_file()
