"""Versions: what a reader sees, and what a killed, repeated or late build leaves."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import icechunk
import numpy as np
import pytest
import xarray as xr
from made_scenes import FIRST, GRID, digital_numbers, optical_scene, radar_scene, scene_set

from catalogs import SceneSet
from pipelines.cube import BuildOptions, CubeError, build_cube, open_cube
from pipelines.cube.store import create_store, open_store

ROOT = Path(__file__).resolve().parents[2]


def season(folder):
    """Three optical and two radar dates."""
    optical = [optical_scene(folder, f"o{day}", day=day) for day in (0, 10, 20)]
    return scene_set(*optical, *(radar_scene(folder, f"r{day}", day=day) for day in (0, 10)))


def commits(uri):
    return [(info.message, info.metadata) for info in open_store(uri).repository.ancestry(branch="main")]


def assert_same_cube(first, second):
    for group in ("s2", "s1"):
        a, b = (open_cube(uri, group).load() for uri in (first, second))
        a.attrs.pop("snapshot"), b.attrs.pop("snapshot")
        xr.testing.assert_identical(a, b)


def test_a_second_build_changes_nothing(tmp_path):
    scenes = season(tmp_path)
    first = build_cube(scenes, GRID, tmp_path / "cube")
    told = []

    second = build_cube(scenes, GRID, tmp_path / "cube", on_progress=told.append)

    assert first.changed
    assert not second.changed
    assert second.ref == first.ref
    assert second.added == ()
    assert second.outcomes == first.outcomes
    assert second.dates == {"s1": 2, "s2": 3}
    assert told == []


def test_each_date_is_one_commit_with_its_run(tmp_path):
    scenes = season(tmp_path)
    build_cube(scenes, GRID, tmp_path / "cube", options=BuildOptions(run_id="r-17"))

    history = commits(tmp_path / "cube")
    assert len(history) == 5 + 1
    message, metadata = history[0]
    assert message == "s2 2021-03-21: o20"
    assert metadata == {
        "run": "r-17",
        "input_hash": scenes.input_hash(),
        "schema_version": "1.1",
        "group": "s2",
        "scenes": ["o20"],
    }
    assert open_store(tmp_path / "cube").repository.list_branches() == {"main"}


def test_a_snapshot_keeps_showing_what_it_showed(tmp_path):
    scenes = season(tmp_path)
    early = SceneSet(scenes=scenes.scenes[:2])
    first = build_cube(early, GRID, tmp_path / "cube")
    before = open_cube(tmp_path / "cube").load()

    build_cube(scenes, GRID, tmp_path / "cube")

    assert open_cube(tmp_path / "cube").sizes["time"] == 3
    xr.testing.assert_identical(open_cube(first.ref.uri, snapshot=first.ref.snapshot).load(), before)


def test_a_late_date_goes_to_its_place(tmp_path):
    scenes = season(tmp_path)
    late = SceneSet(scenes=tuple(scene for scene in scenes.scenes if scene.id not in {"o0", "o10", "r0"}))
    build_cube(late, GRID, tmp_path / "late", options=BuildOptions(chunk=16))
    build_cube(scenes, GRID, tmp_path / "late")
    build_cube(scenes, GRID, tmp_path / "whole", options=BuildOptions(chunk=16))

    assert open_cube(tmp_path / "late").scene_ids.to_numpy().tolist() == ["o0", "o10", "o20"]
    assert_same_cube(tmp_path / "late", tmp_path / "whole")


def test_a_newer_version_of_a_product_takes_the_place_of_the_old(tmp_path):
    scenes = season(tmp_path)
    build_cube(scenes, GRID, tmp_path / "cube")
    bands = {"B02": digital_numbers(77), "B04": digital_numbers(78)}
    newer = optical_scene(tmp_path, "o10-v2", day=10, bands=bands, facts={"processing_baseline": "05.00"})

    result = build_cube(scene_set(newer), GRID, tmp_path / "cube")

    cube = open_cube(tmp_path / "cube")
    assert result.added == ("o10-v2",)
    assert cube.scene_ids.to_numpy().tolist() == ["o0", "o10-v2", "o20"]
    found = np.rint(cube.reflectance.isel(time=1).sel(band="B02").to_numpy() / 1e-4)
    np.testing.assert_array_equal(found, digital_numbers(77))


def test_a_late_tile_joins_its_pass(tmp_path):
    west = optical_scene(tmp_path, "west", bands={"B02": digital_numbers(1, (30, 20))})
    other = optical_scene(tmp_path, "other", day=3, bands={"B02": digital_numbers(5)})
    east = optical_scene(
        tmp_path,
        "east",
        bands={"B02": digital_numbers(2, (30, 20))},
        corner=(GRID.x_min + 200.0, GRID.y_max),
        facts={"time": FIRST - timedelta(seconds=14)},
    )
    build_cube(scene_set(west, other), GRID, tmp_path / "cube")

    result = build_cube(scene_set(west, other, east), GRID, tmp_path / "cube")

    cube = open_cube(tmp_path / "cube")
    assert cube.scene_ids.to_numpy().tolist() == ["east west", "other"]
    assert result.added == ("east", "west")
    assert not np.isnan(cube.reflectance.to_numpy()).any()
    assert not build_cube(scene_set(west), GRID, tmp_path / "cube").changed


def test_composites_keep_their_bounds(tmp_path):
    scene = optical_scene(tmp_path, "month", day=14)
    start, end = FIRST, FIRST + timedelta(days=28)
    build_cube(scene_set(replace(scene, time_start=start, time_end=end)), GRID, tmp_path / "cube")

    bounds = open_cube(tmp_path / "cube").time_bounds.isel(time=0).to_numpy()
    assert bounds.astype("datetime64[us]").tolist() == [start.replace(tzinfo=None), end.replace(tzinfo=None)]


KILLED_BUILD = """
import os, pickle, signal, sys
from pathlib import Path
import pipelines.cube.date_units as date_units
import pipelines.cube.execute as execute
from pipelines.cube import BuildOptions, build_cube

where, dates, moment = sys.argv[1], int(sys.argv[2]), sys.argv[3]
scenes, grid = pickle.loads(Path(where, "scenes.pickle").read_bytes())
done = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def killing(module, name):
    wrapped = getattr(module, name)
    def call(*arguments, **named):
        global done
        if done == dates and moment == "before " + name:
            die()
        answer = wrapped(*arguments, **named)
        if done == dates and moment == "after " + name:
            die()
        done += name == "_publish"
        return answer
    setattr(module, name, call)

for name in ("make_room", "write_coords", "_publish"):
    killing(execute, name)
killing(date_units, "work_unit")
if moment == "committed":
    import pipelines.cube.store as store
    commit = store.icechunk.Session.commit
    def committed(self, *arguments, **named):
        answer = commit(self, *arguments, **named)
        if done == dates:
            die()
        return answer
    store.icechunk.Session.commit = committed
build_cube(scenes, grid, Path(where, "cube"), options=BuildOptions(chunk=16))
"""


def test_a_killed_build_is_taken_up_where_it_stood(tmp_path):
    import pickle

    scenes = season(tmp_path)
    (tmp_path / "scenes.pickle").write_bytes(pickle.dumps((scenes, GRID)))
    build_cube(scenes, GRID, tmp_path / "undisturbed", options=BuildOptions(chunk=16))
    # each run goes on from what the one before left: dates to finish, where to die, dates that a reader then sees
    for dates, moment, seen in ((0, "after work_unit", 0), (1, "after write_coords", 1), (1, "committed", 2)):
        command = [sys.executable, "-c", KILLED_BUILD, str(tmp_path), str(dates), moment]
        ended = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False, timeout=300)
        assert ended.returncode == -signal.SIGKILL
        root = open_store(tmp_path / "cube").root()
        groups = [] if root is None else [name for name, _ in root.groups()]
        opened = [open_cube(tmp_path / "cube", group).load() for group in groups]
        assert sum(cube.sizes["time"] for cube in opened) == seen, moment

    result = build_cube(scenes, GRID, tmp_path / "cube", options=BuildOptions(chunk=16))

    assert len(result.added) == 5 - 2
    assert_same_cube(tmp_path / "cube", tmp_path / "undisturbed")
    assert open_store(tmp_path / "cube").repository.list_branches() == {"main"}
    assert [m for m, _ in commits(tmp_path / "cube")] == [m for m, _ in commits(tmp_path / "undisturbed")]


def test_debris_of_a_killed_process_is_no_hindrance(tmp_path):
    scenes = season(tmp_path)
    build_cube(SceneSet(scenes=scenes.scenes[:2]), GRID, tmp_path / "cube")
    store = open_store(tmp_path / "cube")
    store.repository.create_branch("run-dead", store.snapshot)
    store.repository.create_branch("run-torn", store.snapshot)
    (tmp_path / "cube" / "refs" / "branch.run-torn" / "ref.json").write_text("")
    (tmp_path / "cube" / "refs" / "branch.main" / "ref.json#1").write_text("{")
    (tmp_path / "cube" / "chunks" / "HALFWRITTEN").write_bytes(b"\0" * 7)
    (tmp_path / ".cube.new-abc").mkdir()

    assert open_cube(tmp_path / "cube").sizes["time"] == 1
    result = build_cube(scenes, GRID, tmp_path / "cube")

    assert result.dates == {"s1": 2, "s2": 3}
    assert "run-dead" not in open_store(tmp_path / "cube").repository.list_branches()


def test_one_run_writes_at_a_time(tmp_path):
    scenes = season(tmp_path)
    with create_store(tmp_path / "cube").run("first"), pytest.raises(CubeError, match="one run writes"):
        build_cube(scenes, GRID, tmp_path / "cube")
    assert build_cube(scenes, GRID, tmp_path / "cube").changed


@pytest.mark.parametrize(
    ("grid", "options", "named"),
    [
        (replace(GRID, x_min=664010.0), BuildOptions(), ["x_min", "664000.0", "664010.0"]),
        (replace(GRID, epsg=32632), BuildOptions(), ["epsg", "32631", "32632"]),
        (replace(GRID, width=41), BuildOptions(), ["width", "40", "41"]),
        (GRID, BuildOptions(bands_s2=("B04", "B02")), ["bands", "['B02', 'B04']", "['B04', 'B02']"]),
    ],
)
def test_another_configuration_is_refused(tmp_path, grid, options, named):
    scenes = season(tmp_path)
    first = build_cube(scenes, GRID, tmp_path / "cube")

    with pytest.raises(CubeError) as refusal:
        build_cube(scenes, grid, tmp_path / "cube", options=options)

    for word in [*named, "choose another output"]:
        assert word in str(refusal.value)
    assert open_store(tmp_path / "cube").snapshot == first.ref.snapshot


def test_another_schema_version_is_refused(tmp_path):
    scenes = season(tmp_path)
    build_cube(scenes, GRID, tmp_path / "cube")
    with open_store(tmp_path / "cube").run("older") as run:
        draft = run.begin()
        draft.root.attrs["schema_version"] = "0.9"
        draft.publish("an older schema", {})

    for attempt in (lambda: build_cube(scenes, GRID, tmp_path / "cube"), lambda: open_cube(tmp_path / "cube")):
        with pytest.raises(CubeError, match=r"must be '1.1', .* has '0.9'"):
            attempt()


def test_a_cube_keeps_its_bands_and_chunks_when_nothing_is_asked(tmp_path):
    build_cube(scene_set(optical_scene(tmp_path, "a")), GRID, tmp_path / "cube", options=BuildOptions(chunk=16))
    bands = {band: digital_numbers(i) for i, band in enumerate(("B02", "B03", "B04"))}

    build_cube(scene_set(optical_scene(tmp_path, "b", day=1, bands=bands)), GRID, tmp_path / "cube")

    cube = open_cube(tmp_path / "cube")
    assert cube.band.to_numpy().tolist() == ["B02", "B04"]
    assert cube.reflectance.encoding["chunks"] == (1, 1, 16, 16)


def test_a_full_disk_is_said_and_nothing_half_written_is_seen(tmp_path):
    import resource

    scenes = season(tmp_path)
    first = build_cube(SceneSet(scenes=scenes.scenes[:2]), GRID, tmp_path / "cube")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(CubeError, match="could not be written") as failure:
            build_cube(scenes, GRID, tmp_path / "cube")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert "free space" in str(failure.value)
    assert open_store(tmp_path / "cube").snapshot == first.ref.snapshot
    build_cube(scenes, GRID, tmp_path / "cube")
    build_cube(scenes, GRID, tmp_path / "undisturbed")
    assert_same_cube(tmp_path / "cube", tmp_path / "undisturbed")


def test_a_folder_of_other_files_is_not_taken(tmp_path):
    (tmp_path / "cube").mkdir()
    (tmp_path / "cube" / "letters.txt").write_text("mine")

    with pytest.raises(CubeError, match="holds other files"):
        build_cube(season(tmp_path), GRID, tmp_path / "cube")

    (tmp_path / "empty").mkdir()
    assert build_cube(season(tmp_path), GRID, tmp_path / "empty").changed


def test_an_empty_answer_gives_an_empty_cube(tmp_path):
    result = build_cube(scene_set(), GRID, tmp_path / "cube")

    assert not result.changed
    assert result.dates == {}
    assert result.ref.snapshot
    with pytest.raises(CubeError, match="no date"):
        open_cube(tmp_path / "cube")


def test_a_branch_that_moved_is_not_overwritten(tmp_path):
    store = create_store(tmp_path / "cube")
    with store.run("one") as run:
        draft = run.begin()
        draft.root.attrs["a"] = 1
        store.repository.reset_branch("main", _sneak(store))
        with pytest.raises(icechunk.IcechunkError):
            store.repository.reset_branch("main", draft.session.commit("late"), from_snapshot_id="1CECHNKREP0F1RSTCMT0")


def _sneak(store):
    session = store.repository.writable_session("main")
    import zarr

    zarr.group(session.store).attrs["b"] = json.dumps(2)
    return session.commit("sneaked in")
