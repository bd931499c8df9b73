"""The command that torchrun starts: what it refuses, what it shares, what it writes."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

import flows.train
from flows import train_parallel
from flows.errors import ConfigError
from flows.train_parallel import ParallelTrainConfig, Place, check_config, fit_config, joined, render_together

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("values", "world", "message"),
    [
        ({"preset": "giant"}, 1, r"preset: must be one of \['nano', 'tiny', 'small'\], got 'giant'"),
        ({"precision": "float16"}, 1, "precision: must be auto, float32 or bfloat16, got 'float16'"),
        ({"batch": 16}, 3, "batch: must be a multiple of 4 times the 3 processes, got 16; use 12"),
        ({"expert_ranks": 4}, 2, "expert_ranks: must divide the 2 processes, got 4"),
    ],
)
def test_what_cannot_be_is_refused(values, world, message):
    with pytest.raises(ConfigError, match=message):
        check_config(ParallelTrainConfig(**values), Place(rank=0, world=world, device=CPU))


def test_the_command_says_what_is_wrong_and_ends_with_two(monkeypatch, tmp_path):
    import typer

    monkeypatch.delenv("WORLD_SIZE", raising=False)
    app = typer.Typer()
    app.command()(train_parallel.main)
    result = CliRunner().invoke(app, ["--out", str(tmp_path / "w.safetensors"), "--precision", "float16"])
    assert result.exit_code == 2
    assert "precision: must be auto, float32 or bfloat16" in result.stderr


def test_one_process_needs_no_group(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as place:
        assert (place.rank, place.world) == (0, 1)
        assert not torch.distributed.is_initialized()


def test_every_process_gets_all_regions_in_order(monkeypatch):
    monkeypatch.setattr(flows.train, "render", lambda seeds, **_: [f"region {seed}" for seed in seeds])

    def gather(parts, own):
        assert own == ["region 11", "region 14"]
        parts[:] = [[f"region {seed}" for seed in range(10, 15)[rank::3]] for rank in range(3)]

    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    found = render_together(range(10, 15), 1, Place(rank=1, world=3, device=CPU))
    assert found == [f"region {seed}" for seed in range(10, 15)]


def test_phases_divide_among_the_processes():
    phases = fit_config(ParallelTrainConfig(batch=32, steps=7)).phases
    assert [(phase.size, phase.batch) for phase in phases] == [(64, 32), (128, 8)]


@pytest.mark.slow
def test_two_processes_train_and_the_first_one_writes(tmp_path):
    from ringmoe_core import load_checkpoint

    out = tmp_path / "two.safetensors"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    local = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"]
    few = ["--steps", "2", "--regions", "2", "--validation-regions", "1", "--test-regions", "1", "--batch", "8"]
    done = subprocess.run(
        [*torchrun, *local, "-m", "flows.train_parallel", *few, "--expert-ranks", "2", "--out", str(out)],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=540, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["config"]["processes"] == 2
    assert report == json.loads(out.with_suffix(".json").read_text())
    with out.with_suffix(".curve.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2"]
    loaded = load_checkpoint(out)
    assert json.loads(loaded.metadata.provenance)["expert_ranks"] == 2
    assert all(torch.isfinite(value).all() for value in loaded.model.state_dict().values())
