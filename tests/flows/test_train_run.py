"""Whole runs, small ones: what they leave, how they go on, what they say when they cannot."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import yaml
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import ConfigError
from flows.render import PlaceSpec, cube_places, place_specs, render_places
from flows.train_config import load_training
from flows.train_curves import read_curves
from flows.train_run import RoutingFailedError, train_run
from pipelines.training.loop import ResumeError, has_state
from pipelines.training.places import PlaceStore, PlaceStoreError, SamplerError
from ringmoe_core import RingMoE, load_checkpoint
from ringmoe_core.heads import load_heads

MODEL = {"dim": 16, "head_dim": 8, "depths": [1, 1], "fusion_dim": 8, "fusion_heads": 2, "skip_dim": 4,
         "skip_fused_dim": 4, "map_dim": 8}  # fmt: skip
TASKS = {"land_cover": 1, "change": 1, "radar_land_cover": 1, "height": 0.1, "objects": 1, "scene": 1}
PHASES = [{"size": 16, "batch": 2}]
CONFIG = {
    "name": "small", "preset": "nano", "model": MODEL, "threads": 1, "precision": "32", "device": "cpu",
    "data": {"hold_out": {"validation": 0.25, "test": 0.25, "buffer_px": 0}},
    "stages": [
        {"name": "look", "learn": "pretrain", "steps": 6, "phases": PHASES, "warmup_steps": 1,
         "objective": {"contrastive": "info_nce"}},
        {"name": "answer", "learn": "tasks", "steps": 8, "phases": PHASES, "warmup_steps": 1, "channels": 8,
         "tasks": TASKS},
    ],
    "resume": {"every_steps": 3}, "validation_batches": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Rendered in this process: starting others takes longer than rendering."""
    import flows.render
    from pipelines.training.places.store import write_index

    folder = tmp_path_factory.mktemp("places")
    specs = [PlaceSpec(kind="series", seed=1000 + number, size=64, dates=4) for number in range(8)]
    specs += [
        PlaceSpec(kind=kind, seed=1000 + number, size=64, dates=1) for kind in ("slc", "vhr") for number in range(4)
    ]
    write_index(folder, [flows.render.render_file(spec, folder) for spec in specs])
    return folder


@pytest.fixture
def config(places, tmp_path):
    def load(*overrides):
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(CONFIG))
        return load_training(str(path), [f"data.folder={places}", *overrides])

    return load


@pytest.fixture(scope="module")
def finished(places, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    out = folder / "out"
    return train_run(load_training(str(path), [f"data.folder={places}"]), out, say=lambda _: None, show=False), out


def test_a_run_leaves_weights_heads_curves_and_a_page(finished):
    report, out = finished
    assert sorted(path.name for path in out.iterdir()) == [
        "config.yaml", "curves.csv", "report.html", "report.json", "small.heads.safetensors", "small.look.safetensors",
        "small.safetensors",
    ]  # fmt: skip
    loaded = load_checkpoint(out / "small.safetensors")
    assert loaded.metadata.trained_modalities == ("optical", "sar_l1", "sar_l2", "ms")
    assert loaded.model.config.dim == 16
    heads = load_heads(out / "small.heads.safetensors", loaded)
    assert set(heads.heads) == {"radar_land_cover", "height", "objects", "scene"}
    shown = heads.metadata.inputs
    assert {name: (one.windows_px, tuple(one.bands)) for name, one in shown.items()} == {
        "radar_land_cover": ((16,), ("sar_l1",)), "height": ((16,), ("optical",)),
        "objects": ((16,), ("optical",)), "scene": ((16,), ("optical",)),
    }  # fmt: skip
    assert shown["radar_land_cover"].bands["sar_l1"][:3] == ("HH_I", "HH_Q", "HV_I")
    assert json.loads((out / "report.json").read_text()) == json.loads(json.dumps(report.to_dict()))
    assert [(stage.name, stage.steps) for stage in report.stages] == [("look", 6), ("answer", 8)]
    assert report.places == {"series": 8, "slc": 4, "vhr": 4}
    assert set(report.stages[1].last) == {*TASKS, "balance"}
    assert {"land_cover_overall_accuracy", "change_f1", "test_places"} <= set(report.figures)
    assert set(report.stages[1].held_out) <= {*TASKS, "balance"}
    assert any("no pixel of" in note for note in report.notes)  # a kind of place without some class says so


def test_a_stage_of_withheld_images_teaches_maps_from_series_alone(places, tmp_path):
    stages = [
        {"name": "dates", "learn": "withheld", "steps": 4, "dates": 4, "warmup_steps": 1, "learning_rate": 1e-2,
         "phases": [{"size": 32, "batch": 2}], "average": 0, "objective": {"ms_weight": 2.0}},
    ]  # fmt: skip
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"stages": stages}))
    report = train_run(load_training(str(path), [f"data.folder={places}"]), tmp_path / "out", say=lambda _: None)
    assert {"ms", "ms.angle", "sar_l2", "balance"} <= set(report.stages[0].last) <= {
        "ms", "ms.angle", "sar_l2", "balance", "z"
    }  # fmt: skip
    points = read_curves(tmp_path / "out" / "curves.csv")
    assert {point.kind for point in points} == {"series"}
    learnt, fresh = load_checkpoint(tmp_path / "out" / "small.safetensors").model, RingMoE(
        load_checkpoint(tmp_path / "out" / "small.safetensors").model.config, seed=0
    )  # fmt: skip
    own, first = learnt.state_dict(), fresh.state_dict()
    for name in ("decoder.refine.weight", "fusion.levels.0.output.weight", "encoder.skips.ms.convolution.weight"):
        assert not torch.allclose(own[name], first[name], atol=1e-3), name
    torch.testing.assert_close(own["segmentation_head.classify.weight"], first["segmentation_head.classify.weight"],
                               rtol=0.02, atol=1e-3)  # fmt: skip


def test_options_of_withheld_images_are_checked_where_the_run_is_built(places, tmp_path):
    stages = [{"name": "dates", "learn": "withheld", "steps": 1, "objective": {"least_share": 2}}]
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"stages": stages}))
    with pytest.raises(ConfigError, match=r"stages, dates: objective: shares are .* got 2"):
        train_run(load_training(str(path), [f"data.folder={places}"]), tmp_path / "out", say=lambda _: None)


def test_curves_have_every_step_of_every_stage(finished):
    points = read_curves(finished[1] / "curves.csv")
    for stage, steps in (("look", 6), ("answer", 8)):
        totals = [point.step for point in points if (point.stage, point.name) == (stage, "total")]
        assert totals == list(range(1, steps + 1))
    assert {"rate", "norm", "waited", "balance"} <= {point.name for point in points}


def test_the_page_stands_alone_and_shows_everything(finished):
    page = (finished[1] / "report.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    for words in ("Training of small", "Stage look", "Stage answer", "Use of experts", "SAR-L1", "learning rate",
                  "Collaborative bank", "preset: nano", "held-out ground"):  # fmt: skip
        assert words in page, words
    assert page.count("<polyline") >= 20


def test_a_stage_leaves_the_weights_that_a_run_of_it_alone_leaves(finished, config, tmp_path):
    alone = config()
    alone = alone.model_copy(update={"stages": alone.stages[:1], "validation_batches": 0})
    report = train_run(alone, tmp_path / "out", say=lambda _: None, show=False)
    assert report.files == ("small.safetensors",)
    assert finished[0].files == ("small.look.safetensors", "small.safetensors", "small.heads.safetensors")
    wanted, kept = (load_checkpoint(path) for path in (tmp_path / "out/small.safetensors",
                                                      finished[1] / "small.look.safetensors"))  # fmt: skip
    for name, value in wanted.model.state_dict().items():
        assert torch.equal(kept.model.state_dict()[name], value), name
    assert kept.metadata.trained_modalities == wanted.metadata.trained_modalities


def test_a_finished_run_is_not_run_over(finished, config):
    with pytest.raises(ConfigError, match="holds a run that is finished"):
        train_run(config(), finished[1], show=False)


@pytest.mark.parametrize("stop", [("look", 5), ("answer", 5)])
def test_a_stopped_run_goes_on_to_the_same_weights(finished, config, tmp_path, monkeypatch, stop):
    from flows.train_curves import Curves

    out, add = tmp_path / "out", Curves.add

    def interrupted(self, record):
        add(self, record)
        if (record.stage, record.step) == stop:
            raise KeyboardInterrupt

    monkeypatch.setattr(Curves, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_run(config(), out, show=False)
    monkeypatch.setattr(Curves, "add", add)
    assert has_state(out / "resume")
    with pytest.raises(ConfigError, match="add --resume"):
        train_run(config(), out, show=False)
    with pytest.raises(ResumeError, match=r"other values of stages\.1\.steps in"):
        train_run(config("stages.1.steps=9"), out, resume=True, show=False)
    report = train_run(config(), out, resume=True, say=lambda _: None, show=False)
    wanted, made = (load_checkpoint(folder / "small.safetensors") for folder in (finished[1], out))
    for name, value in wanted.model.state_dict().items():
        assert torch.equal(made.model.state_dict()[name], value), name
    assert [stage.last for stage in report.stages][1] == pytest.approx(finished[0].stages[1].last) or stop[
        0
    ] == "answer"
    timed = {"seconds", "waited"}
    curves = [[p for p in read_curves(folder / "curves.csv") if p.name not in timed] for folder in (finished[1], out)]
    assert curves[0] == curves[1]


def test_threads_are_the_configured_ones_while_a_run_lasts(config):
    from flows.train_processes import joined

    before = torch.get_num_threads()
    with joined(config(f"threads={before + 1}")):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_weights_of_another_preset_are_refused(config, tmp_path):
    from ringmoe_core import CheckpointError

    with pytest.raises(CheckpointError, match="config"):
        train_run(config("start=nano"), tmp_path / "out", show=False)


def test_weights_to_start_from_are_started_from(finished, config, tmp_path):
    start = finished[1] / "small.safetensors"
    quiet = ["stages.1.learning_rate=1e-12", "stages.1.final_learning_rate=0", "stages.1.steps=2"]
    config_one = config(f"start={start}", "stages.0.learning_rate=1e-12", "stages.0.final_learning_rate=0", *quiet)
    train_run(config_one, tmp_path / "out", say=lambda _: None, show=False)
    wanted, made = (load_checkpoint(path).model.state_dict() for path in (start, tmp_path / "out/small.safetensors"))
    for name, value in wanted.items():
        torch.testing.assert_close(made[name], value, rtol=1e-2, atol=1e-4)


def test_heads_alone_leave_the_backbone_and_what_its_file_says_as_they_were(finished, config, tmp_path):
    start = finished[1] / "small.safetensors"
    tasks = {"height": 0.1, "objects": 1}
    stage = CONFIG["stages"][1] | {"train": "heads", "tasks": tasks, "steps": 5}
    alone = config(f"start={start}", "stages=" + json.dumps([stage]), "resume.every_steps=3", "model={}")
    report = train_run(alone, tmp_path / "out", say=lambda _: None, show=False)
    before, after = load_checkpoint(start), load_checkpoint(tmp_path / "out/small.safetensors")
    assert (after.sha256, after.metadata) == (before.sha256, before.metadata)
    assert set(report.stages[0].last) == set(tasks)  # no loss of routers that nobody teaches
    assert report.figures == {}
    assert not any("threshold" in note for note in report.notes)
    assert set(load_heads(tmp_path / "out/small.heads.safetensors", after).heads) == set(tasks)


def test_products_in_bfloat16_train_too(config, tmp_path):
    out = tmp_path / "out"
    steps = ["stages.0.steps=6", "stages.1.steps=6", "precision=bf16", "validation_batches=0"]
    report = train_run(config(*steps), out, say=lambda _: None, show=False)
    kinds = {point.kind for point in read_curves(out / "curves.csv")}
    assert kinds == {"series", "slc", "vhr"}
    assert all(math.isfinite(value) for stage in report.stages for value in stage.last.values())


def test_dead_experts_fail_a_stage_that_is_told_to(config, tmp_path, monkeypatch):
    from flows.routing_verdict import Finding
    from flows.train_health import RoutingHealth

    bad = Finding(about="dead", state="bad", text="3 of 9 experts dead")
    monkeypatch.setattr(RoutingHealth, "findings", lambda *_: (bad,))
    said = []
    short = ("stages.0.steps=1", "stages.1.steps=1", "validation_batches=0")
    report = train_run(config(*short), tmp_path / "warned", say=said.append, show=False)
    assert "warning: look: 3 of 9 experts dead" in said
    assert "look: 3 of 9 experts dead" in report.notes
    with pytest.raises(RoutingFailedError, match=r"experts must stay in use, got in look: 3 of 9 experts dead"):
        train_run(config("stages.0.routing=fail", *short), tmp_path / "failed", say=said.append, show=False)


def test_no_place_of_a_kind_and_no_store_are_said_so(config, tmp_path):
    with pytest.raises(SamplerError, match=r"there must be a place of \['video'\]"):
        train_run(
            config("stages.1.tasks={movers: 1}", "stages.0.steps=1"), tmp_path / "a", say=lambda _: None, show=False
        )
    with pytest.raises(PlaceStoreError, match=r"a folder with index.json"):
        train_run(config(f"data.folder={tmp_path / 'none'}"), tmp_path / "b", show=False)
    with pytest.raises(ConfigError, match=r"stages, look: objective: a pre-training configuration holds known keys"):
        train_run(config("stages.0.objective={masked: 1}"), tmp_path / "c", show=False)
    with pytest.raises(ConfigError, match=r"model: a configuration holds known keys only"):
        train_run(config("model={dims: 3}"), tmp_path / "d", show=False)


def test_the_command_says_what_is_wrong_and_ends_with_two(tmp_path):
    run = CliRunner().invoke
    for arguments, message in (
        ([], "a run needs a CONFIG or a --preset"),
        (["nano", "--preset", "nano"], "only one of them"),
        (["--preset", "nano"], "--preset needs --out"),
        (["--preset", "giant", "--out", str(tmp_path / "w")], "preset: must be one of"),
        (["absent.yaml"], "a readable YAML file, got 'absent.yaml'"),
        (["nano", "--set", "seed"], "--set takes key=value"),
        (["nano", "--out", str(tmp_path), "--resume", "--set", f"data.folder={tmp_path}", "--set", "data.render={}"],
         "a resume needs a state"),
    ):  # fmt: skip
        result = run(app, ["train", *arguments])
        assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


def test_places_that_are_there_are_kept(tmp_path, monkeypatch):
    # threads instead of processes, which take longer to start than to render
    monkeypatch.setattr("flows.render.ProcessPoolExecutor", lambda workers, **_: ThreadPoolExecutor(workers))
    config = load_training("nano", ["data.render={vhr: {places: 3, size: 64}}"])
    specs = place_specs(config.data.render)
    told = []
    assert render_places(specs, tmp_path, workers=1, on_place=lambda done, total: told.append((done, total))) == 3
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    (tmp_path / "vhr-001001.safetensors").unlink()
    larger = [PlaceSpec(kind="vhr", seed=specs[2].seed, size=96, dates=1)]
    assert render_places([*specs[:2], *larger], tmp_path, workers=1) == 2
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    assert [name for name in before if after[name] == before[name]] == ["vhr-001000.safetensors"]
    store = PlaceStore.open(tmp_path)
    assert [entry.shape for entry in store.entries] == [(64, 64), (64, 64), (96, 96)]


def test_equal_specs_give_equal_files(tmp_path):
    from flows.render import render_file

    for kind in ("series", "slc", "vhr"):
        spec = PlaceSpec(kind=kind, seed=5, size=64, dates=4 if kind == "series" else 1)
        digests = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir(exist_ok=True)
            digests.append(render_file(spec, tmp_path / name).sha256)
        assert digests[0] == digests[1]


def test_an_own_cube_becomes_places_on_blocks_of_its_ground(tmp_path, monkeypatch):
    import numpy as np

    import pipelines.cube
    from pipelines.cube import CubeError
    from pipelines.simulate import RegionSpec, simulate_region, to_cube

    region = simulate_region(RegionSpec(seed=3, size=192, num_dates=2, num_changes=(0, 0)))
    groups = to_cube(region)

    def open_cube(uri, group, **_):
        if group not in groups:
            raise CubeError(f"no group {group}")
        return groups[group]

    monkeypatch.setattr(pipelines.cube, "open_cube", open_cube)
    count = cube_places("mine", tmp_path, name="mine", block_px=128)
    store = PlaceStore.open(tmp_path)
    assert count == len(store)
    for entry in store.entries:
        place = store.place(entry.id)
        row, col = entry.block
        first = (max(0, row * 128 + 562_000), max(0, col * 128 - 60_000))
        height, width = entry.shape
        assert max(height, width) <= 128
        wanted = groups["s1"]["power"].to_numpy()[:, 0, first[0] : first[0] + height, first[1] : first[1] + width]
        seen = place.series["sar_l2"]
        decibels = 10 * np.log10(np.maximum(wanted, 1e-4))
        known = seen.valid
        np.testing.assert_allclose(seen.pixels[:, 0][known] * 5.0 - 11.0, decibels[known], atol=0.02)
    del groups["s2"]
    cube_places("mine", tmp_path / "radar", name="radar", block_px=128)
    assert all(set(entry.sensors) == {"sar_l2"} for entry in PlaceStore.open(tmp_path / "radar").entries)
    del groups["s1"]
    with pytest.raises(CubeError, match="no group s2"):
        cube_places("mine", tmp_path / "none", name="none")


def test_tensorboard_gets_what_the_curves_have(config, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out = tmp_path / "out"
    short = ("tensorboard=true", "validation_batches=0", "stages.0.steps=2", "stages.1.steps=2")
    train_run(config(*short), out, say=lambda _: None, show=False)
    events = accumulator.EventAccumulator(str(out / "tensorboard")).Reload()
    points = read_curves(out / "curves.csv")
    assert set(events.Tags()["scalars"]) == {f"{point.stage}/{point.name}" for point in points}
    for tag in events.Tags()["scalars"]:
        wanted = {point.step: point.value for point in points if f"{point.stage}/{point.name}" == tag}
        assert {one.step: one.value for one in events.Scalars(tag)} == pytest.approx(wanted, rel=1e-6)


def two_processes(tmp_path, places, out, *more):
    """Starts torchrun with two processes on a run of few steps and few tasks."""
    short = CONFIG | {
        "stages": [
            CONFIG["stages"][0] | {"steps": 4},
            CONFIG["stages"][1] | {"steps": 4, "tasks": {"land_cover": 1, "height": 0.1}},
        ],
        "resume": {"every_steps": 1}, "validation_batches": 0, "expert_ranks": 2,
    }  # fmt: skip
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(short))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    local = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"]
    given = ["--out", str(out), "--set", f"data.folder={places}", *more]
    return subprocess.Popen(
        [*torchrun, *local, "-m", "flows.train", str(path), *given], env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_two_processes_of_torchrun_train_and_go_on_after_a_kill(places, tmp_path):
    psutil = pytest.importorskip("psutil")
    killed = two_processes(tmp_path, places, tmp_path / "killed")
    while not has_state(tmp_path / "killed" / "resume") and killed.poll() is None:
        time.sleep(0.01)
    psutil.Process(killed.pid).children()[0].send_signal(signal.SIGKILL)
    killed.communicate(timeout=120)
    assert killed.returncode
    assert not (tmp_path / "killed" / "report.json").exists()
    for out, more in ((tmp_path / "killed", ["--resume"]), (tmp_path / "whole", [])):
        run = two_processes(tmp_path, places, out, *more)
        said, errors = run.communicate(timeout=240)
        assert run.returncode == 0, errors[-3000:]
        report = json.loads(said.splitlines()[-1])
        assert report["processes"] == 2
        assert report == json.loads((out / "report.json").read_text())
    found = [tmp_path / name for name in ("killed", "whole")]
    made, wanted = (load_checkpoint(out / "small.safetensors").model.state_dict() for out in found)
    for name, value in wanted.items():
        assert torch.isfinite(value).all(), name
        assert torch.equal(made[name], value), name
    timed = {"seconds", "waited"}
    curves = [[p for p in read_curves(out / "curves.csv") if p.name not in timed] for out in found]
    assert curves[0] == curves[1]
    assert [p.step for p in curves[0] if p.name == "total"] == [*range(1, 5), *range(1, 5)]
