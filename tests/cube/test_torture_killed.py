"""A build that is killed at any moment, again and again, ends in the cube of an undisturbed one."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import xarray as xr
from torture_case import OPTIONS, QUICK, search_place

from pipelines.cube import build_cube, open_cube
from pipelines.cube.read_policy import read_policy, use_read_policy
from pipelines.simulate.torture.catalog import write_torture

KILLS = 20
BUILD = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from torture_case import OPTIONS, QUICK, search_place
from pipelines.cube import build_cube
from pipelines.cube.read_policy import use_read_policy
from pipelines.simulate.torture.outcome import read_manifest
from test_torture_killed import some_of

use_read_policy(QUICK)
folder = Path(sys.argv[1])
place = read_manifest(folder / "expected.json").regions[0]
found = some_of(search_place(place, folder / "catalog.json"))
print("ready", flush=True)
sys.stdin.readline()
build_cube(found, place.grid, sys.argv[2], options=OPTIONS)
print("done", flush=True)
"""


def some_of(found):
    """Every fourth scene: used ones, ones with gaps, ones that cannot be read, of both sensors."""
    return replace(found, scenes=found.scenes[::4])


@pytest.fixture(autouse=True)
def quick():
    before = read_policy()
    use_read_policy(QUICK)
    yield
    use_read_policy(before)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_killed_at_twenty_random_moments_the_cube_is_the_same(tmp_path):
    folder = tmp_path / "catalogue"
    place = write_torture(folder).regions[0]
    begun = time.monotonic()
    found = some_of(search_place(place, folder / "catalog.json"))
    whole = build_cube(found, place.grid, tmp_path / "undisturbed", options=OPTIONS)
    taken_s = time.monotonic() - begun
    seed = int(os.environ.get("RINGMOE_TORTURE_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}: RINGMOE_TORTURE_SEED={seed} repeats the moments; an undisturbed build takes {taken_s:.1f} s")  # noqa: T201
    rng = random.Random(seed)
    kills = finished = 0
    while kills < KILLS:
        killed = _build(folder, tmp_path / "killed", kill_after_s=rng.uniform(0.0, 0.7 * taken_s))
        kills += killed
        if not killed:
            finished += 1
            _require_same(tmp_path / "killed", whole)
            shutil.rmtree(tmp_path / "killed")
    last = build_cube(found, place.grid, tmp_path / "killed", options=OPTIONS)
    _require_same(tmp_path / "killed", whole)
    assert _without_words(last.outcomes) == _without_words(whole.outcomes)
    print(f"{kills} kills, {finished} builds came to their end between them")  # noqa: T201


def _build(folder, uri, *, kill_after_s):
    """Whether a build was killed before its end."""
    command = [sys.executable, "-W", "ignore", "-c", BUILD, str(folder), str(uri), str(Path(__file__).parent)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        process.stdin.write("go\n")
        process.stdin.flush()
        try:
            process.wait(kill_after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        assert process.returncode == 0, process.stderr.read()
        assert process.stdout.readline() == "done\n"
    return False


def _without_gdal_words(cube):
    """Which file failed, how and where is compared; GDAL words one failure in several ways, as its threads come by."""
    texts = [json.loads(str(text) or "{}") for text in cube.read_failures.to_numpy()]
    for entry in (entry for by_scene in texts for entries in by_scene.values() for entry in entries):
        del entry["cause"]
    told = [json.dumps(by_scene, sort_keys=True) for by_scene in texts]
    return cube.assign_coords(read_failures=("time", told, cube.read_failures.attrs))


def _without_words(outcomes):
    """What became of each scene, and why; the words of a read error are GDAL's, which words one in several ways."""
    return [replace(outcome, detail=outcome.detail.split("could not be read")[0]) for outcome in outcomes]


def _require_same(uri, whole):
    for group, count in whole.dates.items():
        if count:
            mended, right = (_without_gdal_words(open_cube(path, group).load()) for path in (uri, whole.ref.uri))
            xr.testing.assert_equal(mended, right)
            for name in right.coords:
                xr.testing.assert_equal(mended[name], right[name])
