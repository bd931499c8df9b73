"""Expiry, collection, disk use and deletion; what an address may say."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fake_dates import draft_date, fake_scene, put_date, require_whole
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cube import CubeError, open_cube
from pipelines.cube.history import history, remove_tag, tag_snapshot, tags_of
from pipelines.cube.lease import LEASE, branch_of, is_stale, turn_of
from pipelines.cube.maintenance import collect_garbage, delete_store, expire
from pipelines.cube.storage import repository_fault, storage_of
from pipelines.cube.store import create_store, open_store
from pipelines.cube.usage import disk_usage


@pytest.fixture
def grown(tmp_path):
    """A cube whose one date was superseded four times: five versions, of which only the last is in the newest."""
    store = create_store(tmp_path / "cube")
    with store.run("r") as run:
        snapshots = [put_date(run, fake_scene(f"v{b}", 0, processing_baseline=f"0{b}.00")) for b in range(1, 6)]
    return store, snapshots


def size_on_disk(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def test_expiry_says_first_and_then_does(grown):
    store, snapshots = grown
    now = datetime.now(UTC)

    told = expire(store.uri, now)

    assert [v.snapshot for v in told.expired] == snapshots[-2::-1]
    assert len(history(store.uri)) == 6
    done = expire(store.uri, now, do_it=True)
    assert done.expired == told.expired
    assert [v.snapshot for v in history(store.uri)][:1] == snapshots[-1:]
    assert len(history(store.uri)) == 2
    assert require_whole(store.root()) == {"s2": ["v5"]}


def test_expiry_keeps_what_is_tagged_or_named(grown):
    store, snapshots = grown
    tag_snapshot(store.uri, "release", snapshots[1])
    now = datetime.now(UTC)

    done = expire(store.uri, now, keep=[snapshots[2]], do_it=True)
    collect_garbage(store.uri, do_it=True)

    assert [v.snapshot for v in done.expired] == [snapshots[3], snapshots[0]]
    assert set(done.kept) == {snapshots[1], snapshots[2], snapshots[4]}
    for snapshot, name in zip(snapshots, ("v1", "v2", "v3", "v4", "v5"), strict=True):
        if snapshot in {snapshots[3], snapshots[0]}:
            with pytest.raises(CubeError, match="unknown or has expired"):
                open_cube(store.uri, snapshot=snapshot)
        else:
            assert require_whole(store.root(snapshot)) == {"s2": [name]}
    assert tags_of(store) == {"release": snapshots[1], f"keep-{snapshots[2]}": snapshots[2]}
    assert open_cube(store.uri, tag="release").scene_ids.item() == "v2"
    again = expire(store.uri, datetime.now(UTC), keep=[snapshots[2]], do_it=True)
    assert again.expired == ()


def test_a_snapshot_whose_keeping_was_ended_can_be_kept_again(grown):
    store, snapshots = grown
    expire(store.uri, datetime.now(UTC), keep=[snapshots[1]], do_it=True)
    assert remove_tag(store.uri, f"keep-{snapshots[1]}") == snapshots[1]
    with store.run("r") as run:
        put_date(run, fake_scene("v6", 0, processing_baseline="06.00"))

    expire(store.uri, datetime.now(UTC), keep=[snapshots[1]], do_it=True)

    assert tags_of(store) == {f"keep-{snapshots[1]}-2": snapshots[1]}


def test_a_snapshot_to_keep_must_exist(grown):
    store, _ = grown
    with pytest.raises(CubeError, match="a snapshot must be one of"):
        expire(store.uri, datetime.now(UTC), keep=["NOSUCHSNAPSHOT000000"], do_it=True)
    with pytest.raises(CubeError, match="has a zone"):
        expire(store.uri, datetime(2031, 1, 1))  # noqa: DTZ001 it is what is tested
    assert len(history(store.uri)) == 6


def test_recent_versions_stay(grown):
    store, _ = grown
    assert expire(store.uri, datetime.now(UTC) - timedelta(hours=1), do_it=True).expired == ()
    assert len(history(store.uri)) == 6


def test_collection_frees_what_expiry_let_go_and_nothing_else(grown):
    store, _ = grown
    assert collect_garbage(store.uri).num_bytes == 0
    expire(store.uri, datetime.now(UTC), do_it=True)
    before = size_on_disk(store.uri)

    told = collect_garbage(store.uri)
    assert size_on_disk(store.uri) == before
    done = collect_garbage(store.uri, do_it=True)

    assert told.num_bytes == done.num_bytes > 0
    assert done.snapshots == 4
    assert before - size_on_disk(store.uri) > 0
    assert collect_garbage(store.uri).num_bytes == 0
    assert require_whole(open_store(store.uri).root()) == {"s2": ["v5"]}


def test_collection_takes_what_killed_and_dropped_drafts_left(grown):
    store, _ = grown
    with store.run("dropped") as run:
        draft = run.begin()
        draft_date(draft, fake_scene("never", 3))
        draft.commit("never published", {})
    with store.run("r"):
        store.repository.create_branch("run-of-a-killed-one", store.snapshot)
    told = collect_garbage(store.uri)
    assert (told.branches, told.done) == (("run-of-a-killed-one",), False)
    assert told.chunks > 0

    done = collect_garbage(store.uri, do_it=True)

    assert done.branches == ("run-of-a-killed-one",)
    assert store.repository.list_branches() == {"main"}
    assert len(history(store.uri)) == 6
    for version in history(store.uri)[:5]:
        assert require_whole(store.root(version.snapshot))


def test_a_running_write_is_not_disturbed(grown):
    store, _ = grown
    with store.run("r"):
        for step in (collect_garbage, lambda uri: expire(uri, datetime.now(UTC)), delete_store):
            with pytest.raises(CubeError, match="one run writes to a local cube at a time"):
                step(store.uri)


def test_disk_use_adds_up(grown):
    store, _ = grown

    used = disk_usage(store.uri)

    assert used.total_bytes == sum(used.ages.values()) == size_on_disk(store.uri)
    assert used.ages["1 day"] == used.total_bytes
    assert used.dates == {"s2": 1}
    assert used.versions == 6
    assert used.arrays["s2"]["reflectance"] > used.arrays["s2"]["platform"] > 0
    assert used.newest_bytes < used.kinds["chunks"] + used.kinds["manifests"]
    aged = disk_usage(store.uri, now=datetime.now(UTC) + timedelta(days=8))
    assert aged.ages["1 month"] == used.total_bytes
    assert json.loads(json.dumps(used.to_dict()))["total_bytes"] == used.total_bytes


def test_a_cube_is_deleted_when_told_to(grown, tmp_path):
    store, _ = grown
    told = delete_store(store.uri)
    assert (told.done, told.num_bytes) == (False, size_on_disk(store.uri))
    assert Path(store.uri).is_dir()

    assert delete_store(store.uri, do_it=True).done

    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CubeError, match="a folder with an Icechunk repository"):
        delete_store(store.uri, do_it=True)


def test_a_folder_that_is_no_cube_or_holds_more_is_not_deleted(grown, tmp_path):
    store, _ = grown
    letters = tmp_path / "letters"
    letters.mkdir()
    (letters / "mine.txt").write_text("dear")
    with pytest.raises(CubeError, match="an Icechunk repository"):
        delete_store(letters, do_it=True)
    (Path(store.uri) / "notes.txt").write_text("dear")
    with pytest.raises(CubeError, match=r"holds notes\.txt too"):
        delete_store(store.uri, do_it=True)
    (Path(store.uri) / "notes.txt").unlink()
    (tmp_path / "link").symlink_to(store.uri)
    with pytest.raises(CubeError, match="is a link"):
        delete_store(tmp_path / "link", do_it=True)
    assert (letters / "mine.txt").read_text() == "dear"
    assert require_whole(open_store(store.uri).root())


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("s3://cubes", "a prefix has segments"),
        ("s3://cubes/", "a prefix has segments"),
        ("s3://cubes/a//b", "a prefix has segments"),
        ("s3://cubes/../b", "a prefix has segments"),
        ("s3://Cubes/b", "a bucket's name"),
        ("s3://key:secret-value@cubes/b", "credentials come from the environment"),
        ("s3://cubes/b?endpoint=https://key:secret-value@host", "credentials come from the environment"),
        ("s3://cubes/b?endpoint=http://example.org", "by http on this machine only"),
        ("s3://cubes/b?endpoint=https://example.org/path", "https://host"),
        ("s3://cubes/b?access_key_id=secret-value", "endpoint and region only"),
        ("s3://cubes/b?region=a/b", "a region is named"),
        ("gs://cubes/secret-value", "a local folder or at s3://bucket/prefix"),
        ("https://example.org/secret-value", "a local folder or at s3://bucket/prefix"),
    ],
)
def test_addresses_that_break_a_rule_are_refused_and_no_secret_is_repeated(uri, told):
    with pytest.raises(CubeError, match=told) as refusal:
        storage_of(uri)
    assert "secret-value" not in str(refusal.value)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://cubes/region",
        "s3://my.bucket-1/a/b_c/d=e",
        "s3://cubes/a?endpoint=https://s3.example.org:9000&region=eu-central-1",
        "s3://cubes/a?endpoint=http://127.0.0.1:8333",
    ],
)
def test_an_address_comes_back_as_it_was_given(uri):
    assert storage_of(uri).uri == uri
    assert storage_of(storage_of(uri).uri) == storage_of(uri)


def test_the_environment_may_name_the_server_but_not_by_plain_http(monkeypatch):
    for name in ("RINGMOE_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    place = storage_of("s3://cubes/a")
    assert place.server == ""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://second.example.org/")
    assert place.server == "https://second.example.org"
    monkeypatch.setenv("RINGMOE_S3_ENDPOINT", "https://first.example.org")
    assert place.server == "https://first.example.org"
    assert place.uri == "s3://cubes/a"
    monkeypatch.setenv("RINGMOE_S3_ENDPOINT", "http://example.org")
    with pytest.raises(CubeError, match="by http on this machine only"):
        place.icechunk()


@given(hours=st.floats(-1, 60))
def test_a_branch_is_stale_after_its_lease(hours):
    made = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
    now = made + timedelta(hours=hours)
    for name in (branch_of("id-x", made), turn_of("id-x", made)):
        assert is_stale(name, now) == (now - made > LEASE)
    assert is_stale("run-17", now), "of a former version, without a time"


def test_turns_sort_by_time():
    made = datetime(2026, 3, 1, tzinfo=UTC)
    names = [turn_of("zz", made), turn_of("aa", made + timedelta(seconds=1)), turn_of("bb", made + timedelta(days=40))]
    assert names == sorted(names)


def test_faults_of_icechunk_are_told_in_one_line():
    store_fault = (
        "  x no such thing: `A`\n  | \n  | context:\n  |    0: icechunk::refs::x\n  |              at y\n  `-> because"
    )
    assert repository_fault(RuntimeError(store_fault)) == "no such thing: `A: because"
    assert repository_fault(RuntimeError("")) == "RuntimeError"
