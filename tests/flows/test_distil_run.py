from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from flows import distil
from flows.distil import DistilRun, distillation_config, run_distillation
from flows.distil_command import distil as command
from flows.errors import ConfigError
from flows.train import THRESHOLDS, TRAIN_SEED

RUN = DistilRun(regions=1, validation_regions=1, test_regions=1, steps=2, workers=1)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    from pipelines.inference.channels import NORMALISATION_ID
    from pipelines.legend import CHANGE, LAND_COVER
    from ringmoe_core import CheckpointMetadata, RingMoE, RingMoEConfig, save_checkpoint

    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    config = RingMoEConfig(
        modalities=("sar_l2", "ms"), channels=(2, 10), dim=16, depths=(1, 1), fusion_dim=16, skip_dim=8, map_dim=8
    )
    metadata = CheckpointMetadata(
        trained_modalities=("ms",),
        normalisation=NORMALISATION_ID,
        class_names=tuple(entry.name for entry in LAND_COVER),
        change_names=tuple(entry.name for entry in CHANGE),
        provenance="random values of a test",
    )
    save_checkpoint(RingMoE(config), path, metadata=metadata)
    return path


@pytest.fixture
def small_regions(monkeypatch):
    """Regions of 128 pixels, the largest chip; which seeds were asked for comes back."""
    from pipelines.simulate import RegionSpec, simulate_region, to_cube
    from pipelines.training import scene_arrays

    asked = []

    def render(seeds, *, workers):
        asked.extend(seeds)
        regions = [simulate_region(RegionSpec(seed=seed, size=128, num_dates=6)) for seed in seeds]
        return [
            scene_arrays(to_cube(r), land_cover=r.land_cover, change=r.change, change_epoch=r.change_epoch)
            for r in regions
        ]

    monkeypatch.setattr(distil, "render", render)
    return asked


def test_a_student_is_written_with_its_origin_curve_and_figures(teacher, small_regions, tmp_path):
    from ringmoe_core import load_checkpoint

    out = tmp_path / "new" / "student.safetensors"
    seen = []
    run = replace(RUN, weights=str(teacher), width=2)
    report = run_distillation(run, out, on_step=seen.append, say=lambda _: None)
    source, loaded = load_checkpoint(teacher), load_checkpoint(out)
    assert small_regions[0] == TRAIN_SEED
    assert len(set(small_regions)) == 3
    assert loaded.model.config.num_specialised == loaded.model.config.num_collaborative == 0
    assert loaded.model.config.mlp_ratio == 2 * source.model.config.mlp_ratio
    assert loaded.metadata.trained_modalities == ("ms",)
    assert loaded.metadata.change_threshold == report.change_threshold
    assert report.change_threshold in THRESHOLDS
    assert 0 <= report.land_cover_overall_accuracy <= 1
    provenance = json.loads(loaded.metadata.provenance)
    assert provenance["teacher_sha256"] == source.sha256
    assert provenance["teacher_provenance"] == "random values of a test"
    assert provenance["method"] == "select"
    rows = list(csv.DictReader(out.with_suffix(".curve.csv").read_text().splitlines()))
    assert [int(row["step"]) for row in rows] == [1, 2]
    assert float(rows[0]["distillation_loss"]) == pytest.approx(seen[0].students["student"].distillation)
    assert json.loads(out.with_suffix(".json").read_text())["config"]["steps"] == 2


def test_a_short_run_still_warms_up_and_comes_down():
    config = distillation_config(replace(RUN, steps=50)).fit
    assert 0 < config.warmup_steps < 50
    assert distillation_config(DistilRun()).fit.learning_rate == DistilRun().learning_rate


def test_unknown_methods_and_weights_are_refused_before_anything_is_rendered(teacher, small_regions, tmp_path):
    with pytest.raises(ConfigError, match=r"one of \['KS', .*got 'magic'"):
        run_distillation(replace(RUN, weights=str(teacher), method="magic"), tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match=r"got 'absent'"):
        run_distillation(replace(RUN, weights="absent"), tmp_path / "a.safetensors")
    assert not small_regions
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_is_wrong_and_exits_2(tmp_path):
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, ["nano", "--out", str(tmp_path / "a.safetensors"), "--method", "magic"])
    assert result.exit_code == 2
    assert "got 'magic'" in result.output
