"""Memory is declared and checked before anything is read; the estimate is an upper bound of what is measured."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_scenes import GRID, optical_scene, scene_set

from pipelines.cube import BuildOptions, CubeError, build_cube
from pipelines.cube.budget import PROGRAM_BYTES, UnitLoad, fixed_bytes, plan_workload, process_memory, unit_bytes
from pipelines.cube.byte_size import parse_bytes
from pipelines.cube.crew import CrewShape
from pipelines.cube.machine import memory_bytes

ROOT = Path(__file__).resolve().parents[2]
MB, GB = 10**6, 10**9
TEN_BANDS = UnitLoad(num_bands=10, value_bytes=2, read_bytes=2, is_warped=False)
TWO_THREADS = CrewShape(num_processes=1, threads_each=2)


def workload(memory, *, load=TEN_BANDS, shape=(8000, 8000), crew=TWO_THREADS, chunk=512):
    return plan_workload(load, shape=shape, chunk=chunk, crew=crew, memory=memory)


def test_a_unit_costs_more_with_all_that_it_holds():
    least = unit_bytes(TEN_BANDS, 512, 512)
    assert least > 10 * 512 * 512 * (2 + 2)  # what is read and what is written, at the very least
    assert unit_bytes(TEN_BANDS, 1024, 512) > least
    for more in (
        {"num_bands": 12},
        {"num_scenes": 2},
        {"read_bytes": 4},
        {"value_bytes": 4},
        {"halo_px": 30},
        {"has_steps": True},
        {"is_warped": True},
    ):
        load = UnitLoad(**{"num_bands": 10, "value_bytes": 2, "read_bytes": 2, "is_warped": False, **more})
        assert unit_bytes(load, 512, 512) > least, more


def test_the_estimate_knows_nothing_of_the_region():
    assert workload(8 * GB, shape=(2048, 2048)) == workload(8 * GB, shape=(80000, 80000))


def test_less_memory_gives_smaller_units_then_fewer_at_once():
    base = PROGRAM_BYTES + fixed_bytes(TEN_BANDS)
    large, small = unit_bytes(TEN_BANDS, 1024, 1024), unit_bytes(TEN_BANDS, 512, 512)
    for memory, side, slots in (
        (100 * GB, 1024, 2),
        (base + 2 * large, 1024, 2),
        (base + 2 * large - 1, 512, 2),
        (base + 2 * small, 512, 2),
        (base + 2 * small - 1, 512, 1),
        (base + small, 512, 1),
    ):
        work = workload(memory)
        assert (work.side, work.slots_each) == (side, slots), memory
        assert work.process_bytes == base + slots * work.unit_bytes <= memory


def test_every_worker_has_units_of_a_small_grid():
    assert workload(8 * GB, shape=(2000, 2000)).side == 1024
    assert workload(8 * GB, shape=(1500, 1000)).side == 512
    assert workload(8 * GB, shape=(300, 300), chunk=300).side == 300


def test_too_little_is_refused_with_what_would_do():
    with pytest.raises(CubeError, match=r"must hold one unit .* got 0\.30 GB .*smaller chunks"):
        workload(300 * MB)
    least = PROGRAM_BYTES + fixed_bytes(TEN_BANDS) + unit_bytes(TEN_BANDS, 512, 512)
    assert workload(least).slots_each == 1
    with pytest.raises(CubeError):
        workload(least - 1)


def test_processes_of_one_machine_share_and_those_elsewhere_do_not():
    here, there = (
        CrewShape(num_processes=4, threads_each=1, on_this_machine=where, memory_each=None if where else 10 * GB)
        for where in (True, False)
    )
    assert process_memory(8 * GB, here, 64 * GB) == 2 * GB
    assert process_memory(None, here, 64 * GB) == 8 * GB
    assert process_memory(8 * GB, there, 1) == 8 * GB
    assert process_memory(None, there, 1) == 5 * GB
    with pytest.raises(CubeError, match=r"no limit; set cube\.memory"):
        process_memory(None, CrewShape(num_processes=1, threads_each=1, on_this_machine=False), 1)


def test_sizes_are_read_as_they_are_written():
    assert [parse_bytes(text) for text in ("2GB", "512 MiB", "1.5gb", "800000000")] == [
        2 * GB,
        512 << 20,
        1_500_000_000,
        800_000_000,
    ]
    for wrong in ("", "GB", "2 parsecs", "-1GB", "0"):
        with pytest.raises(ValueError, match="a size is a number"):
            parse_bytes(wrong)


def test_the_machine_says_what_it_has():
    installed = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < memory_bytes() <= installed


def test_a_build_without_room_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.cube.build.prepare", lambda *_, **__: pytest.fail("a scene was opened"))
    scenes = scene_set(optical_scene(tmp_path, "a"))

    with pytest.raises(CubeError, match=r"cube\.memory must hold one unit"):
        build_cube(scenes, GRID, tmp_path / "cube", options=BuildOptions(memory=100 * MB))


@pytest.mark.parametrize(
    "wrong", [{"cluster": "yarn"}, {"cluster": "tcp://nowhere"}, {"memory": 0}, {"retries": -1}, {"retry_wait_s": -1.0}]
)
def test_options_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="got"):
        BuildOptions(**wrong)


LOADS = {
    "aligned": TEN_BANDS,
    "warped": UnitLoad(num_bands=10, value_bytes=2, read_bytes=2),
    "radar": UnitLoad(num_bands=2, value_bytes=4, read_bytes=4, is_warped=False),
}
MEASURED = """
import sys
sys.path.insert(0, "tests/cube")
from pathlib import Path
import numpy as np
from made_scenes import digital_numbers, optical_scene, radar_scene, scene_set
from pipelines.cube import BuildOptions, build_cube
from pipelines.grid import TargetGrid

def peak():
    # not ru_maxrss, which begins with what the parent held when it forked
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024

folder, side, threads, what = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
grid = TargetGrid(epsg=32631, resolution=10.0, x_min=664000.0, y_max=5612000.0, width=side, height=side)
small = TargetGrid(epsg=32631, resolution=10.0, x_min=664000.0, y_max=5612000.0, width=64, height=64)
cog = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1}
make = {"aligned": optical_scene, "warped": optical_scene, "radar": radar_scene}[what]
place = {"epsg": 32632, "corner": (235000.0, 5621000.0)} if what == "warped" else {}
first = make(folder, "warm-up", day=0)
build_cube(scene_set(first), small, folder / "small", options=BuildOptions(num_threads=threads))
if not (folder / "scene").exists():
    import pickle
    bands = ("VV", "VH") if what == "radar" else ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
    extent = side + (1500 if place else 0)
    if what == "radar":
        arrays = {b: np.random.default_rng(1).gamma(4, 0.02, (extent, extent)).astype("float32") for b in bands}
    else:
        arrays = {b: digital_numbers(1, (extent, extent)) for b in bands}
    scene = make(folder, "scene", day=1, bands=arrays, **cog, **place)
    (folder / "scene.pickle").write_bytes(pickle.dumps(scene))
    sys.exit()
import pickle
scene = pickle.loads((folder / "scene.pickle").read_bytes())
before = peak()
build_cube(scene_set(scene), grid, folder / "cube", options=BuildOptions(num_threads=threads))
print(before, peak())
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["aligned", "warped", "radar"])
def test_the_estimate_bounds_what_is_measured(tmp_path, what):
    side, threads = 4096, 2
    command = [sys.executable, "-c", MEASURED, str(tmp_path), str(side), str(threads), what]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    for _ in ("written", "measured"):
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    before, peak = map(int, ended.stdout.split())
    load = LOADS[what]
    work = workload(8 * GB, load=load, shape=(side, side), crew=CrewShape(num_processes=1, threads_each=threads))
    estimate = work.process_bytes - PROGRAM_BYTES

    assert before < PROGRAM_BYTES
    assert peak - before < estimate, f"{peak - before} measured, {estimate} estimated"
    assert estimate < 2.5 * (peak - before), f"{peak - before} measured, {estimate} estimated"
