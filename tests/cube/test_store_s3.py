"""Cubes on S3: several processes write at once, a reader never sees half a date."""

import json
import os
import pickle
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import icechunk
import numpy as np
import pytest
import rioxarray  # noqa: F401 registers the accessor
import xarray as xr
from fake_dates import BANDS, fake_scene, pixels_of, put_date, require_whole
from made_scenes import GRID, optical_scene, radar_scene, scene_set
from plain_reader import require_plain_reading

from pipelines.cube import BuildOptions, CubeError, build_cube, open_cube
from pipelines.cube.history import history
from pipelines.cube.lease import LEASE, branch_of
from pipelines.cube.maintenance import collect_garbage, delete_store
from pipelines.cube.store import create_store, open_store
from pipelines.cube.usage import disk_usage

pytestmark = pytest.mark.s3
ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import json, sys, time
sys.path[:0] = [{tests!r}, {here!r}]
from fake_dates import fake_scene, put_date
from pipelines.cube.store import create_store

uri, name, group, first, step, number = sys.argv[1:4] + [int(value) for value in sys.argv[4:]]
store = create_store(uri)
print("ready", flush=True)
sys.stdin.readline()
sensor = "sentinel-2-msi" if group == "s2" else "sentinel-1-csar"
with store.run(name) as run:
    for index in range(number):
        put_date(run, fake_scene(f"{{name}}{{index}}", first + step * index, sensor=sensor), group)
print("done", flush=True)
"""

BUILDER = """
import pickle, sys
from pathlib import Path
from pipelines.cube import BuildOptions, build_cube, open_cube

scenes, grid = pickle.loads(Path(sys.argv[1]).read_bytes())
print("ready", flush=True)
sys.stdin.readline()
result = build_cube(scenes, grid, sys.argv[2], options=BuildOptions(chunk=32, num_threads=2, run_id=sys.argv[3]))
print(*result.added, flush=True)
"""

READER = """
import json, sys, threading
sys.path[:0] = [{tests!r}, {here!r}]
from fake_dates import require_whole
from pipelines.cube.store import open_store

uri, sizes, last = sys.argv[1], [], threading.Event()
print("ready", flush=True)
sys.stdin.readline()
threading.Thread(target=lambda: (sys.stdin.readline(), last.set()), daemon=True).start()
while True:
    enough = last.is_set()
    store = open_store(uri)
    root = store.root(store.snapshot)
    seen = {{}} if root is None else require_whole(root)
    sizes.append(sum(map(len, seen.values())))
    if enough:
        break
print(json.dumps(sizes), flush=True)
"""


@pytest.fixture
def start():
    """Starts a script that says when it is ready; what still runs at the end is killed."""
    started = []

    def begin(script, *arguments):
        code = script.format(tests=str(ROOT / "tests"), here=str(Path(__file__).parent))
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n", process.communicate()[1][-2000:]
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def release(*processes):
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def parents(store):
    return [(info.id, info.parent_id) for info in store.repository.ancestry(branch="main")]


@pytest.mark.slow
def test_two_processes_write_one_cube_and_a_reader_never_sees_half_a_date(s3_uri, start, capsys):
    number = 12
    store = create_store(s3_uri)
    # the dates of the two interleave: whoever is second finds its place among the other's
    writers = [start(WRITER, s3_uri, name, "s2", first, 2, number) for name, first in (("even", 0), ("odd", 1))]
    reader = start(READER, s3_uri)
    release(reader, *writers)
    for writer in writers:
        out, error = writer.communicate(timeout=300)
        assert writer.returncode == 0, error[-3000:]
        assert out == "done\n"
    out, error = reader.communicate("\n", timeout=60)
    assert reader.returncode == 0, error[-3000:]

    sizes = json.loads(out)
    assert sizes[-1] == 2 * number
    seen = require_whole(store.root())
    require_plain_reading(s3_uri)
    assert seen == {"s2": [f"{name}{index}" for index in range(number) for name in ("even", "odd")]}
    line = parents(store)
    assert len(line) == 2 * number + 1
    assert [parent for _, parent in line] == [*(snapshot for snapshot, _ in line[1:]), None]
    assert sizes == sorted(sizes), "a date that was seen went away"
    versions = history(s3_uri)
    assert {version.run for version in versions if version.group} == {"even", "odd"}
    assert store.repository.list_branches() == {"main"}
    facts = [info.metadata for info in store.repository.ancestry(branch="main")]
    again = [fact["rebased"] for fact in facts if "rebased" in fact]
    assert again, "the two never met: the test shows nothing"
    assert max(again) <= 3, "one of the two was kept waiting"
    with capsys.disabled():
        sys.stderr.write(
            f"\n{2 * number} dates of two processes, {len(again)} applied again (each at most {max(again)} times), "
            f"{len(sizes)} looks of a reader, {len(set(sizes))} different sizes, none half\n"
        )


@pytest.mark.slow
def test_two_builds_of_one_cube_at_once_make_what_one_build_makes(s3_uri, start, tmp_path):
    scenes = [optical_scene(tmp_path, f"o{day}", day=day) for day in range(6)]
    scenes += [radar_scene(tmp_path, f"r{day}", day=day) for day in range(4)]
    builders = []
    for number in (0, 1):
        path = tmp_path / f"{number}.pickle"
        path.write_bytes(pickle.dumps((scene_set(*scenes[number::2]), GRID)))
        builders.append(start(BUILDER, path, s3_uri, f"build-{number}"))
    release(*builders)
    added = []
    for builder in builders:
        out, error = builder.communicate(timeout=200)
        assert builder.returncode == 0, error[-3000:]
        added += out.split()
    build_cube(scene_set(*scenes), GRID, tmp_path / "alone", options=BuildOptions(chunk=32))

    assert sorted(added) == sorted(scene.id for scene in scenes)
    for group in ("s2", "s1"):
        both, alone = (open_cube(uri, group).load() for uri in (s3_uri, tmp_path / "alone"))
        both.attrs.pop("snapshot"), alone.attrs.pop("snapshot")
        xr.testing.assert_identical(both, alone)
    require_plain_reading(s3_uri, ("s2", "s1"))
    line = parents(open_store(s3_uri))
    assert [parent for _, parent in line] == [*(snapshot for snapshot, _ in line[1:]), None]
    assert not build_cube(scene_set(*scenes), GRID, s3_uri).changed


@pytest.mark.parametrize(("key", "value"), [("grid", {"epsg": 1}), ("recipe", {"speckle": {"window": 9}})])
def test_two_runs_of_different_regions_do_not_mix(s3_uri, key, value):
    store = create_store(s3_uri)

    def other():
        with store.run("other") as run:
            put_date(run, fake_scene("x", 1))
            draft = run.begin()
            draft.root.attrs[key] = value
            draft.publish("another configuration", {})

    with store.run("a") as run, pytest.raises(CubeError, match=f"agree on its {key}"):
        put_date(run, fake_scene("mine", 3), between=other)

    assert open_store(s3_uri).root()["s2/scene_ids"][:].tolist() == ["x"]


def test_a_reference_that_one_run_added_is_kept_or_refused(s3_uri):
    store = create_store(s3_uri)

    def note(reference, scene_id, day):
        def write():
            with store.run("other") as run:
                draft = run.begin()
                draft.root["s2"].attrs["reference"] = reference
                draft.publish("reference", {})
                put_date(run, fake_scene(scene_id, day))

        return write

    with store.run("a") as run:
        put_date(run, fake_scene("first", 1))
        with pytest.raises(CubeError, match="agree on the reference of s2, got None here and o1"):
            put_date(run, fake_scene("mine", 3), between=note("o1", "x", 2))
        put_date(run, fake_scene("mine", 3))
    assert require_whole(store.root()) == {"s2": ["first", "x", "mine"]}
    assert store.root()["s2"].attrs["reference"] == "o1"


def test_two_processes_make_one_cube_at_once(s3_uri, start):
    writers = [start(WRITER, s3_uri, name, group, 0, 1, 2) for name, group in (("o", "s2"), ("r", "s1"))]
    release(*writers)
    for writer in writers:
        _, error = writer.communicate(timeout=120)
        assert writer.returncode == 0, error[-3000:]

    assert require_whole(open_store(s3_uri).root()) == {"s2": ["o0", "o1"], "s1": ["r0", "r1"]}


def test_a_date_is_applied_again_on_the_other_runs_date(s3_uri):
    store = create_store(s3_uri)
    with store.run("slow") as slow, store.run("quick") as quick:
        put_date(slow, fake_scene("first", 5))
        put_date(slow, fake_scene("late", 2), between=lambda: put_date(quick, fake_scene("other", 1)))

    assert require_whole(store.root()) == {"s2": ["other", "late", "first"]}
    newest = next(iter(store.repository.ancestry(branch="main")))
    assert newest.metadata["run"] == "slow"
    assert newest.metadata["rebased"] == 1


def test_the_first_date_of_two_runs_at_once_makes_one_group(s3_uri):
    store = create_store(s3_uri)
    with store.run("a") as a, store.run("b") as b:
        put_date(a, fake_scene("mine", 3), between=lambda: put_date(b, fake_scene("theirs", 4)))

    assert require_whole(store.root()) == {"s2": ["mine", "theirs"]}
    cube = open_cube(s3_uri)
    assert cube.rio.crs.to_epsg() == GRID.epsg
    assert cube.reflectance.attrs["units"] == "1"
    assert cube.band.to_numpy().tolist() == list(BANDS)


def test_the_same_date_of_two_runs_is_written_once(s3_uri):
    from pipelines.cube.plan import AlreadyThere

    store = create_store(s3_uri)
    same = fake_scene("same", 3)
    with store.run("a") as a, store.run("b") as b, pytest.raises(AlreadyThere):
        put_date(a, same, between=lambda: put_date(b, same))

    assert require_whole(store.root()) == {"s2": ["same"]}
    assert len(parents(store)) == 2


def test_a_newer_version_wins_whoever_comes_second(s3_uri):
    old, new = (fake_scene(f"p-{b}", 3, processing_baseline=b) for b in ("02.14", "05.00"))
    store = create_store(s3_uri)
    with store.run("a") as a, store.run("b") as b:
        put_date(a, new, between=lambda: put_date(b, old))

    assert require_whole(store.root()) == {"s2": ["p-05.00"]}
    (entry,) = json.loads(open_cube(s3_uri).lineage.item())["superseded"]
    assert (entry["id"], entry["by"], entry["baseline"]) == ("p-02.14", "p-05.00", "02.14")
    assert open_cube(s3_uri, snapshot=entry["snapshot"]).scene_ids.item() == "p-02.14"


def test_a_run_that_lives_keeps_its_branch_and_a_dead_ones_is_swept(s3_uri):
    store = create_store(s3_uri)
    dead = branch_of("dead", datetime.now(UTC) - LEASE - timedelta(minutes=1))
    store.repository.create_branch(dead, store.snapshot)
    with store.run("slow") as slow:
        draft = slow.begin()
        with store.run("other") as other:
            put_date(other, fake_scene("x", 1))
            assert draft.branch in store.repository.list_branches()
            assert dead not in store.repository.list_branches()
        assert collect_garbage(s3_uri, do_it=True).branches == ()
        assert draft.branch in store.repository.list_branches()


def test_collection_leaves_what_a_running_date_has_written(s3_uri):
    store = create_store(s3_uri)
    with store.run("a") as run:

        def collect():
            assert collect_garbage(s3_uri, do_it=True).chunks == 0

        put_date(run, fake_scene("x", 1), between=collect)

    assert require_whole(store.root()) == {"s2": ["x"]}
    # a day later the leftovers of a dropped draft go, and what is pointed to stays
    session = store.repository.writable_session("main")
    import zarr

    zarr.open_group(session.store)["s2/reflectance"][0] = pixels_of("dropped")
    later = datetime.now(UTC) + LEASE + timedelta(minutes=1)
    assert collect_garbage(s3_uri, now=later).num_bytes > 0
    assert collect_garbage(s3_uri, do_it=True, now=later).chunks > 0
    assert collect_garbage(s3_uri, now=later).num_bytes == 0
    assert require_whole(store.root()) == {"s2": ["x"]}


def test_a_cube_is_built_read_measured_and_deleted_on_s3(s3_uri, tmp_path):
    scenes = scene_set(optical_scene(tmp_path, "o0"), radar_scene(tmp_path, "r0"))
    here = build_cube(scenes, GRID, tmp_path / "cube")
    there = build_cube(scenes, GRID, s3_uri)

    assert there.ref.uri == s3_uri
    assert not build_cube(scenes, GRID, s3_uri).changed
    for group in ("s2", "s1"):
        local, remote = (open_cube(ref.uri, group, snapshot=ref.snapshot).load() for ref in (here.ref, there.ref))
        local.attrs.pop("snapshot"), remote.attrs.pop("snapshot")
        assert local.identical(remote)
        assert remote.rio.crs.to_epsg() == GRID.epsg
    used = disk_usage(s3_uri)
    assert used.dates == {"s1": 1, "s2": 1}
    assert used.total_bytes == sum(found.num_bytes for found in open_store(s3_uri).storage.objects())
    assert used.ages["1 day"] == used.total_bytes
    assert not delete_store(s3_uri).done
    assert open_cube(s3_uri).sizes["time"] == 1
    assert delete_store(s3_uri, do_it=True).objects > 0
    with pytest.raises(CubeError, match="an Icechunk repository"):
        open_cube(s3_uri)


def test_a_wrong_secret_is_said_and_not_repeated(s3_uri, monkeypatch):
    create_store(s3_uri)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "guessed-and-wrong")

    with pytest.raises(CubeError, match=r"must be reachable.*credentials in the environment") as refusal:
        open_store(s3_uri)

    assert "guessed-and-wrong" not in str(refusal.value)


def test_other_objects_are_not_taken_for_a_cube(s3_uri, seaweed):
    import obstore
    from obstore.store import S3Store

    store = S3Store("cubes", endpoint=seaweed.endpoint, client_options={"allow_http": True})
    path = s3_uri.removeprefix("s3://cubes/")
    obstore.put(store, f"{path}/letters.txt", b"mine")
    with pytest.raises(CubeError, match=r"holds letters\.txt"):
        create_store(s3_uri)
    neighbour = f"{s3_uri}-2"
    create_store(neighbour)
    obstore.put(store, f"{path}-2/notes/today.txt", b"mine")
    with pytest.raises(CubeError, match=r"notes/today\.txt"):
        delete_store(neighbour, do_it=True)
    assert open_store(neighbour).snapshot


def test_main_never_moves_twice_from_one_place(s3_uri):
    """The primitive that all of it rests on: of many that move main from one tip, one succeeds."""
    store = create_store(s3_uri)
    base, wins = store.snapshot, []
    snapshots = []
    for index in range(8):
        with store.run(f"w{index}") as run:
            draft = run.begin()
            draft.root.attrs["a"] = index
            snapshots.append(draft.commit("candidate", {}))

    def move(snapshot):
        try:
            open_store(s3_uri).repository.reset_branch("main", snapshot, from_snapshot_id=base)
        except icechunk.IcechunkError:
            return
        wins.append(snapshot)

    threads = [threading.Thread(target=move, args=(snapshot,)) for snapshot in snapshots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wins == [store.snapshot]
    assert np.isin(wins, snapshots).all()


def test_pixels_differ_between_scenes():
    assert (pixels_of("a") != pixels_of("b")).mean() > 0.9
