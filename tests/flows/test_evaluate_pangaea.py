"""`ringmoe evaluate` on sets of PANGAEA: what it answers of given masks is what counting their pixels gives."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from flows.evaluate_command import evaluate
from pipelines.training.benchmarks import benchmark_class, open_benchmark
from pipelines.training.benchmarks.sample import IGNORE

TRAINING = Path(__file__).parents[1] / "training"
NAMES = (
    "pangaea-crop-type-mapping",
    "pangaea-five-billion-pixels",
    "pangaea-pastis-r",
    "pangaea-spacenet7",
    "pangaea-spacenet7-change",
    "pangaea-xview2",
)


def maker(name):
    sys.path.insert(0, str(TRAINING))
    try:
        import benchmarks_made_pangaea
    finally:
        sys.path.remove(str(TRAINING))
    return benchmarks_made_pangaea.MADE[name]


def told(*arguments):
    app = typer.Typer()
    app.command()(evaluate)
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_measures_of_masks_are_those_of_counting(name, tmp_path):
    """The truth, but the next class in the first three rows; what is to be ignored counts for nothing, said or true."""
    maker(name)(tmp_path / "data")
    info = benchmark_class(name).info
    opened = open_benchmark(name, tmp_path / "data", "test")
    answers, truth, said = {}, [], []
    for index in range(len(opened)):
        sample = opened[index]
        mask = np.where(sample.target.mask == IGNORE, 0, sample.target.mask)
        mask[:3] = (mask[:3] + 1) % len(info.classes)
        answers[sample.id] = {"mask": mask.tolist()}
        counts = sample.target.mask != IGNORE
        truth.append(sample.target.mask[counts])
        said.append(mask[counts])
    true, found = np.concatenate(truth), np.concatenate(said)
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps({"benchmark": name, "split": "test", "predictions": answers}))
    metrics = told("--benchmark", name, "--data", tmp_path / "data", "--predictions", path)["metrics"]
    by_class = [
        np.sum((true == k) & (found == k)) / np.sum((true == k) | (found == k))
        for k in sorted({*true.tolist(), *found.tolist()})
    ]
    expected = {"mean_iou": np.mean(by_class), "iou": by_class[-1], "overall_accuracy": np.mean(true == found)}
    for measure in set(expected) & set(metrics):
        assert metrics[measure]["value"] == pytest.approx(expected[measure])
        assert 0 < expected[measure] < 1
    assert len(set(expected) & set(metrics)) == 2
