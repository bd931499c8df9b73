"""A run that stops and goes on ends where an undisturbed one ends, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import loop_victim
import numpy as np
import pytest
import torch
from made_places import place
from made_stage import PlainFabric, learner, stage

from pipelines.training.loop import ResumeError, SaveRule, StageRun, has_state, read_state, run_stage, write_state
from pipelines.training.loop.resume import differing_keys, random_state, set_random_state
from pipelines.training.places import PlaceStore, write_place

CONFIG = {"stages": [{"steps": 12}], "seed": 3}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    for number in range(2):
        write_place(place("series", number), folder)
    return folder


def run(places, folder, *, stop=None, **changes):
    """Weights, and the records of the steps that ran."""
    learnt, records = learner(PlaceStore.open(places)), []

    def on_step(record):
        records.append(record)
        if record.step == stop:
            raise KeyboardInterrupt

    def write(tensors, values):
        write_state(folder, f"state-{values['progress']['step']}", tensors, values, CONFIG)

    save = SaveRule(every_steps=5, write=write)
    one = StageRun(
        learner=learnt, stage=stage(**changes), fabric=PlainFabric(), seed=1, save=save, on_step=on_step
    )  # fmt: skip
    try:
        run_stage(one, read_state(folder, CONFIG) if has_state(folder) else None)
    except KeyboardInterrupt:
        return None, records
    return learnt.module.state_dict(), records


def assert_equal(state, wanted):
    assert set(state) == set(wanted)
    for name, value in wanted.items():
        assert torch.equal(state[name], value), name


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2, "average": 0.0}])
def test_a_resumed_run_is_the_undisturbed_one(places, tmp_path, changes):
    wanted, whole = run(places, tmp_path / "one", **changes)
    assert run(places, tmp_path / "two", stop=7, **changes)[0] is None
    state, rest = run(places, tmp_path / "two", **changes)
    assert_equal(state, wanted)
    assert [record.step for record in rest] == list(range(6, 13))
    for one, other in zip(rest, whole[5:], strict=True):
        assert (one.terms, one.total, one.rate, one.norm, one.counts) == (
            other.terms, other.total, other.rate, other.norm, other.counts,
        )  # fmt: skip


def test_another_configuration_is_refused_by_its_keys(places, tmp_path):
    run(places, tmp_path, stop=7)
    with pytest.raises(ResumeError, match=r"other values of seed, stages.0.steps in"):
        read_state(tmp_path, {"stages": [{"steps": 13}], "seed": 4})
    assert differing_keys({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1], "c": {}}) == ["b.1", "c"]


@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json"])
def test_a_damaged_state_is_refused(places, tmp_path, file):
    run(places, tmp_path, stop=6)
    path = next(tmp_path.glob(f"*/{file}"))
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(ResumeError, match="a state must be"):
        read_state(tmp_path, CONFIG)
    path.unlink()
    with pytest.raises(ResumeError, match="a state must be whole"):
        read_state(tmp_path, CONFIG)


def test_a_folder_without_state_says_so(tmp_path):
    with pytest.raises(ResumeError, match="a resume needs a state"):
        read_state(tmp_path, {})


def test_a_pointer_cannot_leave_its_folder(tmp_path):
    outside = tmp_path / "outside"
    write_state(outside, "evil", {"a": torch.zeros(1)}, {}, {})
    inside = tmp_path / "inside"
    write_state(inside, "mine", {"a": torch.ones(1)}, {}, {})
    pointer = json.loads((outside / "latest.json").read_text())
    (inside / "latest.json").write_text(json.dumps(pointer | {"name": "../outside/evil"}))
    with pytest.raises(ResumeError, match="a state must be whole"):
        read_state(inside, {})


def test_generators_go_on_where_they_were(tmp_path):
    tensors, values = random_state()
    write_state(tmp_path, "s", tensors, values, {})
    wanted = torch.rand(3), np.random.rand(3), random.random()  # noqa: NPY002
    read = read_state(tmp_path, {})
    set_random_state(read.tensors, read.values)
    assert torch.equal(torch.rand(3), wanted[0])
    np.testing.assert_array_equal(np.random.rand(3), wanted[1])  # noqa: NPY002
    assert random.random() == wanted[2]


def test_an_older_state_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    write_state(tmp_path, "old", {"a": torch.zeros(2)}, {"n": 1}, {})
    monkeypatch.setattr("pipelines.training.loop.resume._flush", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_state(tmp_path, "new", {"a": torch.ones(2)}, {"n": 2}, {})
    assert read_state(tmp_path, {}).values == {"n": 1}


@pytest.mark.slow
def test_killed_five_times_ends_as_undisturbed(places, tmp_path):
    def start(folder):
        folder.mkdir(exist_ok=True)
        command = [sys.executable, loop_victim.__file__, str(places), str(folder)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(loop_victim.__file__).parent)}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)

    def steps(folder):
        log = folder / "log.txt"
        return len(log.read_text().split()) if log.exists() else 0

    draws, killed = np.random.default_rng(), tmp_path / "killed"
    for _ in range(5):
        victim = start(killed)
        until = steps(killed) + int(draws.integers(1, 8))
        while steps(killed) < until and victim.poll() is None:
            time.sleep(0.01)
        time.sleep(float(draws.uniform(0, 0.1)))  # in the middle of a step, or of a write
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        assert not (killed / "final.pt").exists(), "the run ended before it was killed: give it more steps"
    for folder in (killed, tmp_path / "whole"):
        last = start(folder)
        _, errors = last.communicate(timeout=120)
        assert last.returncode == 0, errors.decode()[-3000:]
    wanted = torch.load(tmp_path / "whole" / "final.pt", weights_only=True)
    assert_equal(torch.load(killed / "final.pt", weights_only=True), wanted)
