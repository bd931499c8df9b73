"""A build that is given up, however and whenever, leaves a clean store and nobody behind."""

import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import xarray as xr
from made_scenes import GRID, optical_scene, scene_set
from test_cluster import running_cluster

from pipelines.cube import BuildOptions, CubeError, build_cube, open_cube
from pipelines.cube.crew import Stopped, ThreadCrew
from pipelines.cube.store import open_store

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = BuildOptions(chunk=16, num_threads=2)

BUILD = """
import pickle, signal, sys, time
from pathlib import Path
from pipelines.cube import BuildOptions, build_cube
from pipelines.cube.source import Source

def interrupt(number, frame):
    raise KeyboardInterrupt(number)

def tell(step):
    print(step.done, flush=True)

if __name__ == "__main__":
    folder, cluster, slow = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    signal.signal(signal.SIGTERM, interrupt)
    scenes, grid = pickle.loads((folder / "scenes.pickle").read_bytes())
    read = Source.read
    def slowly(self, block):
        time.sleep(slow)
        return read(self, block)
    Source.read = slowly
    print("begins", flush=True)
    build_cube(scenes, grid, folder / "cube", options=BuildOptions(chunk=16, num_threads=2, cluster=cluster),
               on_progress=tell)
"""


def season(folder, dates=3):
    return scene_set(*(optical_scene(folder, f"o{day}", day=day) for day in range(dates)))


def start(folder, cluster, slow=0.3):
    """Starts a build in a process group of its own; its temporary files go below the folder."""
    (folder / "scenes.pickle").write_bytes(pickle.dumps((season(folder), GRID)))
    (folder / "build.py").write_text(BUILD)
    (folder / "temporary").mkdir(exist_ok=True)
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(folder / "temporary"),
        "PYTHONPATH": f"{ROOT}:{folder}",
        "CANCEL_TEST": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, str(folder / "build.py"), str(folder), cluster, str(slow)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def left_behind(folder):
    """Processes that the build started and that still run, by the mark in their environment."""
    mark = f"CANCEL_TEST={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text())
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return found


def wait_until_alone(folder):
    deadline = time.monotonic() + 30
    while left_behind(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left_behind(folder) == []


def assert_clean(folder, *, killed=False):
    """Whole dates only, no branch but main, and the next run makes the cube that an undisturbed one makes."""
    wait_until_alone(folder)
    if (folder / "cube").exists():  # a build can be stopped before it has made its store
        store = open_store(folder / "cube")
        assert killed or store.repository.list_branches() == {"main"}
        if store.root() is not None:
            cube = open_cube(folder / "cube").load()
            assert cube.valid.all()
            assert cube.scene_ids.to_numpy().tolist() == [f"o{day}" for day in range(cube.sizes["time"])]
    if not killed:
        assert [path for path in (folder / "temporary").rglob("*") if path.is_file()] == []
    scenes, _ = pickle.loads((folder / "scenes.pickle").read_bytes())
    build_cube(scenes, GRID, folder / "cube", options=OPTIONS)
    build_cube(scenes, GRID, folder / "undisturbed", options=OPTIONS)
    found, expected = (open_cube(folder / name).load() for name in ("cube", "undisturbed"))
    found.attrs.pop("snapshot"), expected.attrs.pop("snapshot")
    xr.testing.assert_identical(found, expected)
    assert open_store(folder / "cube").repository.list_branches() == {"main"}
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def interrupted(folder, cluster, after, number, *, group=False):
    """Runs a build and signals it once it has told so many units; returns its exit code."""
    process = start(folder, cluster)
    for _ in range(after + 1):
        process.stdout.readline()
    (os.killpg if group else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=90)
    return process.returncode, errors


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_threads_stop_at_any_moment(tmp_path, number):
    moment = random.Random(int(number)).randrange(12)
    for after in {0, 7, moment}:
        folder = tmp_path / str(after)
        folder.mkdir()
        code, errors = interrupted(folder, "threads", after, number)
        assert code == -signal.SIGKILL if number == signal.SIGKILL else "KeyboardInterrupt" in errors, errors
        assert_clean(folder, killed=number == signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGKILL, False)],
)
def test_processes_stop_at_any_moment(tmp_path, number, group):
    code, errors = interrupted(tmp_path, "local", 8, number, group=group)
    assert code == -signal.SIGKILL if number == signal.SIGKILL else "KeyboardInterrupt" in errors, errors
    assert_clean(tmp_path, killed=number == signal.SIGKILL)


def test_an_error_in_the_midst_leaves_no_half_date(tmp_path):
    def fail_at_eight(step):
        if step.done == 8:
            raise RuntimeError("the listener broke")

    scenes = season(tmp_path)
    with pytest.raises(RuntimeError, match="the listener broke"):
        build_cube(scenes, GRID, tmp_path / "cube", options=OPTIONS, on_progress=fail_at_eight)

    assert threading.active_count() == 1 or not [t for t in threading.enumerate() if t.name.startswith("cube-")]
    assert open_cube(tmp_path / "cube").sizes["time"] == 1
    assert open_store(tmp_path / "cube").repository.list_branches() == {"main"}
    assert build_cube(scenes, GRID, tmp_path / "cube", options=OPTIONS).dates == {"s2": 3}


@pytest.mark.slow
def test_a_cluster_that_goes_away_leaves_no_half_date(tmp_path):
    scenes = season(tmp_path)
    with running_cluster(tmp_path) as address:
        options = BuildOptions(chunk=16, num_threads=2, cluster=address)

        def cancel_all(step):
            if step.done == 8:
                from distributed import Client

                with Client(address, set_as_default=False) as other:
                    other.run_on_scheduler(cancel_everything)

        with pytest.raises(CubeError, match=r"lost or cancelled a unit .* run again"):
            build_cube(scenes, GRID, tmp_path / "cube", options=options, on_progress=cancel_all)
        assert open_cube(tmp_path / "cube").sizes["time"] == 1
        assert open_store(tmp_path / "cube").repository.list_branches() == {"main"}
        assert build_cube(scenes, GRID, tmp_path / "cube", options=options).dates == {"s2": 3}


@pytest.mark.slow
def test_a_cluster_without_workers_is_not_waited_for(tmp_path, monkeypatch):
    processes = []
    with running_cluster(tmp_path, processes) as address:

        def send_home(step):
            if step.done == 8:
                monkeypatch.setattr("pipelines.cube.cluster.CONNECT_SECONDS", 3)
                monkeypatch.setattr("pipelines.cube.cluster._CHECK_SECONDS", 0.5)
                processes[1].kill()  # its child ends with it

        with pytest.raises(CubeError, match=r"no worker is left"):
            build_cube(
                season(tmp_path),
                GRID,
                tmp_path / "cube",
                options=BuildOptions(chunk=16, num_threads=2, cluster=address),
                on_progress=send_home,
            )
    assert open_cube(tmp_path / "cube").sizes["time"] == 1
    assert open_store(tmp_path / "cube").repository.list_branches() == {"main"}


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced(tmp_path):
    scenes = season(tmp_path)
    with running_cluster(tmp_path) as address:
        from distributed import Client

        def kill(step):
            if step.done == 8:
                with Client(address, set_as_default=False) as other:
                    other.run(end_process, on_error="ignore")

        options = BuildOptions(chunk=16, num_threads=2, cluster=address)
        build_cube(scenes, GRID, tmp_path / "cube", options=options, on_progress=kill)
    build_cube(scenes, GRID, tmp_path / "undisturbed", options=OPTIONS)
    found, expected = (open_cube(tmp_path / name).load() for name in ("cube", "undisturbed"))
    found.attrs.pop("snapshot"), expected.attrs.pop("snapshot")
    xr.testing.assert_identical(found, expected)


def end_process():
    os.kill(os.getpid(), signal.SIGKILL)


async def cancel_everything(dask_scheduler):
    for client in list(dask_scheduler.clients):
        dask_scheduler.client_releases_keys(keys=list(dask_scheduler.tasks), client=client, stimulus_id="cancel")
        for key in list(dask_scheduler.tasks):
            dask_scheduler.report({"op": "cancelled-keys", "keys": [key]})


def test_a_wait_ends_when_the_build_does():
    began = time.monotonic()
    with ThreadCrew(1) as crew:
        crew.limit(1)
        answers = crew.run(lambda _: crew.pause(600), range(3))
        threading.Timer(0.2, crew._stop.set).start()
        with pytest.raises(Stopped):
            next(answers)
    assert time.monotonic() - began < 300
