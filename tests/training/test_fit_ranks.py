"""Processes that train together do what one process does, on the same batches."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
import two_ranks
from labelled_scene import scene
from two_ranks import CONFIG, FLOAT32, SHAPE

from pipelines.training import Phase, fit
from pipelines.training.fit_ranks import fit_ranks
from ringmoe_core import RingMoE


def fitted():
    losses = []
    start = RingMoE(SHAPE, seed=2)
    start.encoder.runs_every_modality = True  # else AdamW leaves out the modality that a batch lacks
    model = fit(
        start, [scene(0)], CONFIG,
        on_step=lambda step: losses.append((step.losses.land_cover, step.losses.change, step.losses.accuracy)),
    )  # fmt: skip
    return model.state_dict(), losses


def assert_near(state, wanted):
    """Steps are a thousandth: what differs by less than a hundredth of one has taken the same."""
    assert set(state) == set(wanted)
    for name, value in wanted.items():
        assert float((state[name] - value).abs().max()) < 1e-5 + 1e-4 * float(value.abs().max()), name


def test_one_process_alone_does_what_the_plain_loop_does():
    wanted, losses = fitted()
    model, found = RingMoE(SHAPE, seed=2), []
    model.encoder.runs_every_modality = True
    fit_ranks(
        model, [scene(0)], CONFIG, precision=FLOAT32,
        on_step=lambda step: found.append((step.losses.land_cover, step.losses.change, step.losses.accuracy)),
    )  # fmt: skip
    assert len(found) == CONFIG.steps
    torch.testing.assert_close(torch.tensor(found), torch.tensor(losses))
    assert_near(model.state_dict(), wanted)


def test_a_loss_that_is_not_finite_ends_the_run():
    model = RingMoE(SHAPE, seed=2)
    with torch.no_grad():
        model.decoder.refine.weight.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="must stay finite, got nan"):
        fit_ranks(model, [scene(0)], CONFIG, precision=FLOAT32)


def test_a_batch_must_divide_evenly(monkeypatch):
    monkeypatch.setattr("pipelines.training.fit_ranks._place", lambda: (0, 4))
    config = replace(CONFIG, phases=(Phase(size=16, batch=6, share=1.0),))
    with pytest.raises(ValueError, match=r"multiple of the 4 processes, got \[6\]"):
        fit_ranks(RingMoE(SHAPE, seed=2), [scene(0)], config, precision=FLOAT32)


@pytest.mark.slow
def test_two_processes_of_torchrun_do_what_the_plain_loop_does(tmp_path):
    file = tmp_path / "found.pt"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    local = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"]
    done = subprocess.run(
        [*torchrun, *local, two_ranks.__file__, str(file)],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=420, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = torch.load(file, weights_only=True)
    wanted, losses = fitted()
    torch.testing.assert_close(torch.tensor(found["losses"]), torch.tensor(losses), rtol=1e-4, atol=1e-5)
    assert_near(found["state"], wanted)
