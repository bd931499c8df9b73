"""Versions of a cube: listed, opened by time and by name, never half of one."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from fake_dates import draft_date, fake_scene, pixels_of, put_date
from plain_reader import require_plain_reading

from pipelines.cube import CubeError, open_cube
from pipelines.cube.history import history, snapshot_as_of, tag_snapshot, tags_of
from pipelines.cube.store import create_store, open_store


@pytest.fixture
def grown(tmp_path):
    """A cube of three dates, the second written last, with its store and the snapshots in the order of writing."""
    store = create_store(tmp_path / "cube")
    with store.run("run-1") as run:
        snapshots = [put_date(run, fake_scene("a", 0)), put_date(run, fake_scene("c", 10))]
    with store.run("run-2") as run:
        snapshots.append(put_date(run, fake_scene("b", 5)))
    return store, snapshots


def ids(uri, **version):
    return open_cube(uri, **version).scene_ids.to_numpy().tolist()


def test_history_tells_when_by_whom_and_from_what(grown):
    store, snapshots = grown

    versions = history(store.uri)

    assert [v.snapshot for v in versions[:3]] == snapshots[::-1]
    assert [(v.run, v.group, v.scenes) for v in versions[:3]] == [
        ("run-2", "s2", ("b",)),
        ("run-1", "s2", ("c",)),
        ("run-1", "s2", ("a",)),
    ]
    assert versions[0].message == "s2 2021-03-06: b"
    assert all(v.time.tzinfo is UTC for v in versions)
    assert sorted(v.time for v in versions) == [v.time for v in versions][::-1]
    assert json.loads(json.dumps(versions[0].to_dict()))["scenes"] == ["b"]


def test_a_cube_is_opened_as_it_was(grown):
    store, snapshots = grown
    written = {v.snapshot: v.time for v in history(store.uri)}
    expected = [["a"], ["a", "c"], ["a", "b", "c"]]

    for snapshot, seen in zip(snapshots, expected, strict=True):
        moment = written[snapshot]
        assert ids(store.uri, as_of=moment) == seen
        assert ids(store.uri, as_of=moment + timedelta(microseconds=1)) == seen
        assert ids(store.uri, snapshot=snapshot) == seen
        require_plain_reading(store.uri, snapshot=snapshot)
    assert open_cube(store.uri, as_of=datetime.now(UTC)).attrs["snapshot"] == snapshots[-1]
    old = open_cube(store.uri, as_of=written[snapshots[1]])
    np.testing.assert_array_equal(np.rint(old.reflectance.isel(time=1) / 1e-4), pixels_of("c"))


def test_another_zone_means_the_same_instant(grown):
    from zoneinfo import ZoneInfo

    store, snapshots = grown
    moment = next(v.time for v in history(store.uri) if v.snapshot == snapshots[1])

    assert snapshot_as_of(store, moment.astimezone(ZoneInfo("Asia/Kathmandu"))) == snapshots[1]


def test_a_time_before_the_first_version_or_without_zone_is_refused(grown):
    store, _ = grown
    with pytest.raises(CubeError, match="must reach back to 2001"):
        open_cube(store.uri, as_of=datetime(2001, 1, 1, tzinfo=UTC))
    with pytest.raises(CubeError, match="an instant has a zone"):
        open_cube(store.uri, as_of=datetime(2031, 1, 1))  # noqa: DTZ001 it is what is tested
    with pytest.raises(CubeError, match=r"one of snapshot, as_of and tag, got \['as_of', 'tag'\]"):
        open_cube(store.uri, as_of=datetime.now(UTC), tag="x")


def test_a_tag_names_one_version_for_good(grown):
    store, snapshots = grown

    assert tag_snapshot(store.uri, "release-1", snapshots[1]) == snapshots[1]

    assert ids(store.uri, tag="release-1") == ["a", "c"]
    assert tag_snapshot(store.uri, "release-1", snapshots[1]) == snapshots[1]
    with pytest.raises(CubeError, match=f"names {snapshots[1]}"):
        tag_snapshot(store.uri, "release-1")
    with pytest.raises(CubeError, match=r"letters, digits, \. _ and -"):
        tag_snapshot(store.uri, "a/b")
    with pytest.raises(CubeError, match="a snapshot must be one of"):
        tag_snapshot(store.uri, "other", "NOSUCHSNAPSHOT000000")
    with pytest.raises(CubeError, match=r"\['release-1'\], got 'release-2'"):
        open_cube(store.uri, tag="release-2")
    assert tags_of(store) == {"release-1": snapshots[1]}
    assert next(v.tags for v in history(store.uri) if v.snapshot == snapshots[1]) == ("release-1",)


def test_a_checkpoint_is_never_a_version(tmp_path):
    """Room for a date is committed so that workers can fork the session: no one may ever be shown it."""
    store = create_store(tmp_path / "cube")
    with store.run("cluster") as run:
        put_date(run, fake_scene("a", 0))
        draft = run.begin()
        draft_date(draft, fake_scene("b", 5))
        draft = draft.checkpoint("room for b")
        half = store.repository.lookup_branch(draft.branch)
        assert ids(store.uri) == ["a"]
        draft.root["s2"].attrs["note"] = "whole"
        whole = draft.publish("s2: b", {"group": "s2", "scenes": ["b"]})

    assert ids(store.uri) == ["a", "b"]
    assert half in [info.id for info in store.repository.ancestry(branch="main")]
    versions = history(store.uri)
    assert half not in [v.snapshot for v in versions]
    between = store.repository.lookup_snapshot(half).written_at
    assert between > versions[1].time
    assert snapshot_as_of(open_store(store.uri), between) == versions[1].snapshot
    assert versions[0].snapshot == whole
