"""Processes and clusters write the very cube that threads write."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from made_scenes import GRID, digital_numbers, optical_scene, radar_scene, scene_set, truncate

from pipelines.cube import BuildOptions, CubeError, build_cube, open_cube
from pipelines.cube.budget import PROGRAM_BYTES, UnitLoad, fixed_bytes, unit_bytes
from pipelines.cube.cluster import ClusterCrew
from pipelines.cube.store import open_store

ROOT = Path(__file__).resolve().parents[2]
PAIR = UnitLoad(num_bands=2, value_bytes=4, num_scenes=2)
ONE_UNIT = PROGRAM_BYTES + fixed_bytes(PAIR) + unit_bytes(PAIR, 16, 16)
TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16}


def season(folder):
    """Optical and radar dates: a mosaic, one with nodata, one that cannot be read everywhere."""
    west, east = digital_numbers(1), digital_numbers(2)
    west[:, 20:] = 0
    empty = digital_numbers(3)
    empty[:16, :16] = 0
    scenes = [
        optical_scene(folder, "west", day=10, bands={"B02": west, "B04": west}),
        optical_scene(folder, "east", day=10, bands={"B02": east, "B04": east}),
        optical_scene(folder, "empty", bands={"B02": empty, "B04": empty}),
        optical_scene(folder, "cut", day=20, **TILED),
        *(radar_scene(folder, f"r{day}", day=day) for day in (0, 10)),
    ]
    truncate(scenes[3].asset("B04").href)
    return scenes


def build(folder, scenes, cluster="threads", **options):
    options = BuildOptions(chunk=16, num_threads=2, cluster=cluster, **options)
    return build_cube(scene_set(*scenes), GRID, folder, options=options)


def assert_same_cubes(first, second):
    for group in ("s1", "s2"):
        a, b = (open_cube(folder, group).load() for folder in (first, second))
        a.attrs.pop("snapshot"), b.attrs.pop("snapshot")
        xr.testing.assert_identical(a, b)


def in_two_runs(folder, scenes, cluster):
    """The first dates come late, so that others move to make room; a tile joins its pass."""
    late = [scene for scene in scenes if scene.id not in {"east", "empty", "r0"}]
    build(folder, late, cluster)
    return build(folder, scenes, cluster)


@contextlib.contextmanager
def running_cluster(folder, processes=None):
    """A scheduler and a worker with two threads as processes of their own; yields the scheduler's address.

    The two processes are appended to a list where one is given.
    """
    processes = [] if processes is None else processes
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"}
    common = ["--host", "127.0.0.1", "--no-dashboard"]
    file = folder / "scheduler.json"
    commands = [
        ["scheduler", "--port", "0", "--scheduler-file", str(file), *common],
        [
            "worker",
            *("--scheduler-file", str(file), "--nthreads", "2", "--nworkers", "1"),
            *("--memory-limit", "2GB", "--local-directory", str(folder), *common),
        ],
    ]
    with contextlib.ExitStack() as stack:
        for command in commands:
            process = subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]],
                env=environment,
                cwd=folder,
                stderr=stack.enter_context((folder / f"{command[0]}.log").open("w")),
            )
            processes.append(process)
            stack.callback(process.wait, timeout=30)
            stack.callback(process.terminate)
            deadline = time.monotonic() + 60
            while not file.exists() and time.monotonic() < deadline:
                time.sleep(0.1)
        yield json.loads(file.read_text())["address"]


@pytest.mark.slow
def test_local_processes_write_the_same_cube(tmp_path):
    scenes = season(tmp_path)
    by_threads = in_two_runs(tmp_path / "threads", scenes, "threads")
    by_processes = in_two_runs(tmp_path / "local", scenes, "local")

    assert_same_cubes(tmp_path / "threads", tmp_path / "local")
    assert by_processes.outcomes == by_threads.outcomes
    assert by_processes.read_failures == by_threads.read_failures != ()
    assert open_store(tmp_path / "local").repository.list_branches() == {"main"}
    again = build(tmp_path / "local", scenes, "local")
    assert not again.changed


@pytest.mark.slow
def test_a_cluster_by_its_address_writes_the_same_cube(tmp_path):
    scenes = season(tmp_path)
    build(tmp_path / "threads", scenes)
    with running_cluster(tmp_path) as address:
        build(tmp_path / "cluster", scenes, address)
        build(tmp_path / "slow", scenes, address, memory=ONE_UNIT)
        with ClusterCrew(num_processes=2, address=address) as crew:
            shape = crew.shape
            assert (shape.num_processes, shape.threads_each, shape.memory_each) == (1, 2, 2 * 10**9)
            crew.limit(1)
            assert sorted(crew.run(most_at_once, range(6))) == [1] * 6

    for cluster in ("cluster", "slow"):
        assert_same_cubes(tmp_path / "threads", tmp_path / cluster)


def most_at_once(_number):
    """How many of these calls are under way in this process."""
    import builtins

    builtins.under_way = getattr(builtins, "under_way", 0) + 1
    time.sleep(0.1)
    seen = builtins.under_way
    builtins.under_way -= 1
    return seen


def test_a_cluster_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.cube.cluster.CONNECT_SECONDS", 1)
    scenes = season(tmp_path)

    with pytest.raises(CubeError, match=r"cube\.cluster names a scheduler .* start it, or take `threads`"):
        build(tmp_path / "cube", scenes, "tcp://127.0.0.1:9")

    assert np.all([branch == "main" for branch in open_store(tmp_path / "cube").repository.list_branches()])
