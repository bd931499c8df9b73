from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from flows import prune, prune_chips
from flows.errors import ConfigError
from flows.prune import PruneRun, prune_weights
from flows.prune_chips import ChipSet, agree, draw_chips, fed_modalities
from flows.prune_command import prune as command
from flows.train import TEST_SEED, TRAIN_SEED, VALIDATION_SEED
from ringmoe_core import CheckpointMetadata, RingMoE, RingMoEConfig, load_checkpoint, save_checkpoint
from ringmoe_core.prune import dense_config, extract, extracted_config, pruned_config

CONFIG = RingMoEConfig(
    modalities=("optical", "sar_l2", "ms"),
    channels=(3, 2, 10),
    dim=16,
    depths=(1, 1),
    num_collaborative=4,
    fusion_dim=16,
    skip_dim=8,
    map_dim=8,
)


@pytest.fixture(scope="module", autouse=True)
def small_sets():
    """One region of either set, two batches of two chips."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prune_chips, "CHIPS_A_BATCH", 2)
        patch.setattr(prune_chips, "SIDE_PX", 64)
        patch.setattr(prune_chips, "NUM_DATES", 6)
        patch.setattr(prune, "CALIBRATION", ChipSet(regions=1, batches=2, seed=prune_chips.CALIBRATION_SEED))
        patch.setattr(prune, "HELD_OUT", ChipSet(regions=1, batches=2, seed=prune_chips.HELD_OUT_SEED))
        yield


def write(folder, config, trained=("sar_l2", "ms")):
    from pipelines.inference.channels import NORMALISATION_ID
    from pipelines.legend import CHANGE, LAND_COVER

    model = RingMoE(config, seed=2)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "norm" not in name:
                value.add_(0.1 * torch.randn(value.shape, generator=generator))
    metadata = CheckpointMetadata(
        trained_modalities=trained,
        normalisation=NORMALISATION_ID,
        class_names=tuple(entry.name for entry in LAND_COVER),
        change_names=tuple(entry.name for entry in CHANGE),
        change_threshold=0.7,
        provenance="random values of a test",
    )
    path = folder / "source.safetensors"
    save_checkpoint(model, path, metadata=metadata)
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write(tmp_path_factory.mktemp("source"), CONFIG)


@pytest.fixture
def run(source):
    def make(**values) -> PruneRun:
        return PruneRun(weights=str(source), **values)

    return make


CASES = {
    "modality": ({"modalities": ("ms",)}, extracted_config(CONFIG, ("ms",))),
    "quarter": ({"keep": 0.25}, pruned_config(CONFIG, keep=0.25)),
    "recalibrated": (
        {"modalities": ("ms", "sar_l2"), "keep": 0.5, "by": "frequency", "gate": "recalibrated"},
        pruned_config(extracted_config(CONFIG, ("sar_l2", "ms")), keep=0.5, gate="recalibrated"),
    ),
    "dense": ({"dense": "select", "ratio": 3}, dense_config(CONFIG, mlp_ratio=3)),
    "control": ({"dense": "random"}, dense_config(CONFIG)),
}


@pytest.mark.parametrize("name", CASES)
def test_smaller_weights_are_written_and_told_of(name, run, tmp_path):
    values, config = CASES[name]
    out = tmp_path / "new" / "small.safetensors"
    lines = []
    report = prune_weights(run(**values), out, say=lines.append)
    loaded = load_checkpoint(out)
    assert loaded.model.config == config
    assert loaded.sha256 == report.sha256
    assert loaded.metadata.change_threshold == 0.7
    assert loaded.metadata.trained_modalities == tuple(n for n in ("sar_l2", "ms") if n in config.modalities)
    told = json.loads(loaded.metadata.provenance)
    assert told["source_sha256"] == report.source_sha256 == load_checkpoint(Path(report.source)).sha256
    assert told["source_provenance"] == "random values of a test"
    assert (told["calibration"] is None) == (name == "modality")
    assert report.after.total == sum(value.numel() for value in loaded.model.parameters())
    assert report.after.total < report.before.total
    assert report.after.file_bytes == out.stat().st_size
    assert report.agreement.chips == 4
    if name == "modality":
        assert (report.agreement.land_cover, report.agreement.change) == (1.0, 1.0)
        assert report.agreement.features_error < 1e-3
    else:
        assert report.agreement.features_error > 0
    assert "comparing on 1 simulated regions" in lines


def test_equal_runs_write_equal_bytes(run, tmp_path):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    for path in (first, second):
        prune_weights(run(keep=0.5, gate="recalibrated"), path, say=lambda _line: None)
    assert first.read_bytes() == second.read_bytes()


def test_chips_are_as_asked_for_and_seeds_are_nobody_elses():
    (batch,) = draw_chips(ChipSet(regions=1, batches=1, seed=7), ("optical", "ms"))
    assert batch.membership_BGT.shape == (2, 3, 12)
    optical, ms = batch.series["optical"], batch.series["ms"]
    assert torch.equal(optical.pixels_BTCHW, ms.pixels_BTCHW[:, :, [2, 1, 0]])
    assert torch.equal(batch.membership_BGT[..., :6], batch.membership_BGT[..., 6:])
    seeds = [TRAIN_SEED, VALIDATION_SEED, prune_chips.CALIBRATION_SEED, prune_chips.HELD_OUT_SEED, TEST_SEED]
    assert sorted(seeds) == seeds
    assert min(late - early for early, late in pairwise(seeds)) >= 1000


def test_agreement_counts_what_differs():
    model = RingMoE(CONFIG, seed=1).eval()
    chips = list(draw_chips(ChipSet(regions=1, batches=1, seed=8), ("ms",)))
    same = agree(extract(model, ("ms",)), model, chips)
    assert (same.land_cover, same.change, same.features_error) == (1.0, 1.0, 0.0)
    other = extract(model, ("ms",))
    with torch.no_grad():
        other.segmentation_head.classify.bias[0] += 1e4  # everything becomes the first class
        for norm in other.encoder.norms:  # every level but the finest doubles
            norm.weight.mul_(2)
            norm.bias.mul_(2)
    found = agree(other, model, chips)
    assert found.land_cover < 0.9
    assert found.features_error == pytest.approx(1, abs=0.2)


def test_backbones_are_compared_by_their_features(tmp_path):
    path = write(tmp_path, replace(CONFIG, maps=False))
    report = prune_weights(
        PruneRun(weights=str(path), dense="KC"), tmp_path / "small.safetensors", say=lambda _line: None
    )
    assert (report.agreement.land_cover, report.agreement.change) == (None, None)
    assert report.agreement.features_error > 0


def test_modalities_that_cannot_be_simulated(tmp_path):
    config = replace(CONFIG, modalities=("sar_l1", "ms"), channels=(8, 10))
    path = write(tmp_path, config, trained=("sar_l1", "ms"))
    assert fed_modalities(config, ("sar_l1", "ms")) == ("ms",)
    assert fed_modalities(replace(config, channels=(8, 4)), ("sar_l1", "ms")) == ()
    out = tmp_path / "small.safetensors"
    with pytest.raises(ConfigError, match=r"calibration needs a modality.*got none among \['sar_l1'\]"):
        prune_weights(PruneRun(weights=str(path), modalities=("sar_l1",), keep=0.5), out)
    assert not out.exists()
    report = prune_weights(PruneRun(weights=str(path), modalities=("sar_l1",)), out, say=lambda _line: None)
    assert report.agreement is None
    assert "agreement not measured" in prune.report_text(report)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "nothing to prune: got no --modality, --keep or --dense"),
        ({"keep": 0.5, "dense": "KS"}, "a dense model keeps no experts"),
        ({"keep": 0.5, "by": "size"}, r"--by must be one of \['output-norm', 'frequency'\], got 'size'"),
        ({"keep": 0.5, "gate": "softmax"}, "--gate must be one of"),
        ({"dense": "KD"}, "--dense must be one of"),
        ({"modalities": ("ms",), "by": "frequency"}, "--by belongs to --keep, got 'frequency' without it; add"),
        ({"keep": 0.5, "ratio": 2}, "--ratio belongs to --dense, got 2 without it; add"),
        ({"keep": 0.5, "refit": False}, "--refit belongs to --dense"),
    ],
)
def test_contradictions_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        PruneRun(weights="nano", **values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"keep": 0.0}, r"keep must lie in \(0, 1\], got 0.0; give the share"),
        ({"keep": 1.5}, r"keep must lie in \(0, 1\], got 1.5"),
        ({"modalities": ("lidar",)}, r"must be among .* got \['lidar'\]; rename them"),
        ({"dense": "KS", "ratio": 0}, "mlp_ratio must be at least 1, got 0"),
        ({"dense": "KS", "ratio": 5}, r"KS gives \[32, 64, 96\] hidden units here"),
        ({"dense": "random", "refit": True}, "nothing to fit, got random with a refit"),
    ],
)
def test_what_does_not_fit_the_source_is_refused(values, message, run, tmp_path):
    with pytest.raises(ConfigError, match=message):
        prune_weights(run(**values), tmp_path / "small.safetensors", say=lambda _line: None)
    assert not list(tmp_path.iterdir())


def test_the_output_is_another_weights_file(run, source, tmp_path):
    for out in (source, tmp_path / "small.pt"):
        with pytest.raises(ConfigError, match=r"must be a \.safetensors file other than the source"):
            prune_weights(run(keep=0.5), out)


def test_the_command_prints_a_table_or_json_and_exits_2_for_wrong_input(source, tmp_path):
    app = typer.Typer()
    app.command()(command)
    runner, out = CliRunner(), tmp_path / "small.safetensors"
    done = runner.invoke(app, [str(source), "--out", str(out), "--modality", "ms"])
    assert done.exit_code == 0, done.output
    assert "parameters" in done.stdout
    assert f"wrote {out}" in done.stdout
    done = runner.invoke(app, [str(source), "--out", str(out), "--modality", "ms", "--keep", "0.5", "--json"])
    values = json.loads(done.stdout)
    assert values["run"]["keep"] == 0.5
    assert set(values["agreement"]) == {"land_cover", "change", "features_error", "chips"}
    for arguments, words in (
        ([str(source), "--out", str(out)], "nothing to prune"),
        ([str(source), "--out", str(out), "--keep", "0"], "keep must lie in (0, 1], got 0.0"),
        (["nowhere.safetensors", "--out", str(out), "--keep", "0.5"], "nowhere.safetensors"),
    ):
        done = runner.invoke(app, arguments)
        assert done.exit_code == 2
        assert words in done.stderr
    source_bytes = bytearray(source.read_bytes())
    source_bytes[-3] ^= 1
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(source_bytes)
    done = runner.invoke(app, [str(broken), "--out", str(out), "--keep", "0.5"])
    assert done.exit_code == 1
    assert "SHA-256" in done.stderr
