"""Cubes of schema 1.0 brought to this version; others refused."""

import numpy as np
import pytest
import xarray as xr
from made_scenes import GRID, optical_scene, radar_scene, scene_set
from plain_reader import require_plain_reading

from pipelines.cube import BuildOptions, CubeError, build_cube, open_cube
from pipelines.cube.forecast import forecast_cube
from pipelines.cube.history import history
from pipelines.cube.migration import ADDED_IN_1_1, migrate
from pipelines.cube.store import open_store
from pipelines.schema import PER_TIME_COORDS, SCHEMA_VERSION

COORDS_1_0 = (
    "scene_ids",
    "platform",
    "orbit_direction",
    "relative_orbit",
    "processing_baseline",
    "radiometric_rule",
    "radiometric_evidence",
    "sun_azimuth_deg",
    "sun_elevation_deg",
    "view_azimuth_deg",
    "view_incidence_deg",
    "shift_x_m",
    "shift_y_m",
)
FLAGS_1_0 = (
    "nodata cloud cloud_shadow cirrus snow saturated border layover radar_shadow read_failed outside_swath not_masked"
)


def to_schema_1_0(uri):
    """Takes from a cube what 1.0 did not have, as a 1.0 program wrote it."""
    with open_store(uri).run("down") as run:
        draft = run.begin()
        root = draft.root
        for _, group in root.groups():
            for name in ADDED_IN_1_1:
                del group[name]
            names = ("spatial_ref", "time_bounds", "common_name", "wavelength_nm", *COORDS_1_0)
            group.attrs.update({"schema_version": "1.0", "coordinates": " ".join(names)})
            group["reason"].attrs.update(
                {"flag_masks": [1 << bit for bit in range(12)], "flag_meanings": FLAGS_1_0},
            )
            evidence = group["radiometric_evidence"]
            texts = [str(text).replace('"scene":', '"unknown to 1.0":') for text in evidence[...]]
            evidence[:] = np.array(texts, dtype=object)
        attributes = {key: value for key, value in root.attrs.items() if key != "recipe"}
        root.attrs.put(attributes | {"schema_version": "1.0", "configuration": "of 1.0"})
        return draft.publish("as 1.0", {})


@pytest.fixture
def old(tmp_path):
    """A cube of schema 1.0, its scenes, and the id of its snapshot."""
    facts = {"processing_baseline": "02.14"}
    scenes = scene_set(
        *(optical_scene(tmp_path, f"o{d}", day=d, facts=facts) for d in (0, 9)), radar_scene(tmp_path, "r")
    )
    build_cube(scenes, GRID, tmp_path / "cube")
    return tmp_path / "cube", scenes, to_schema_1_0(tmp_path / "cube")


def images(uri, group, snapshot=None):
    """All that 1.0 had, as plain xarray gives it."""
    plain = xr.open_zarr(open_store(uri).read(snapshot), group=group, consolidated=False, mask_and_scale=False).load()
    plain = plain.drop_vars([name for name in ADDED_IN_1_1 if name in plain.coords])
    plain.attrs = {k: v for k, v in plain.attrs.items() if k not in {"schema_version", "coordinates"}}
    plain.reason.attrs = {k: v for k, v in plain.reason.attrs.items() if not k.startswith("flag_")}
    return plain


def test_the_rule_covers_what_the_schema_has():
    assert (*COORDS_1_0, *ADDED_IN_1_1) == PER_TIME_COORDS


def test_a_build_migrates_in_a_commit_of_its_own_and_touches_nothing_else(old):
    uri, scenes, before = old

    result = build_cube(scenes, GRID, uri)

    assert result.added == ()
    newest, *_ = history(uri)
    assert newest.message == "schema 1.0 to 1.1"
    store = open_store(uri)
    assert store.repository.lookup_snapshot(newest.snapshot).parent_id == before
    changed = store.repository.diff(from_snapshot_id=before, to_snapshot_id=newest.snapshot)
    assert set(changed.new_arrays) == {f"/{group}/{name}" for group in ("s1", "s2") for name in ADDED_IN_1_1}
    assert changed.updated_chunks == {}
    assert changed.deleted_arrays == changed.deleted_groups == changed.new_groups == set()
    for group in ("s1", "s2"):
        xr.testing.assert_identical(images(uri, group), images(uri, group, before))
        cube = open_cube(uri, group)
        assert all((cube[name] == "").all() for name in ADDED_IN_1_1)
    require_plain_reading(uri, ("s1", "s2"))
    assert not build_cube(scenes, GRID, uri).changed


def test_a_forecast_takes_an_old_cube_as_it_is(old, tmp_path):
    uri, scenes, snapshot = old
    late = optical_scene(tmp_path, "late", day=20)
    forecast = forecast_cube(scene_set(*scenes.scenes, late), GRID, uri, options=BuildOptions())
    assert (forecast.dates, forecast.num_settled) == ({"s2": 1}, 3)
    assert open_store(uri).snapshot == snapshot


def test_a_migrated_cube_grows(old, tmp_path):
    uri, scenes, _ = old
    more = scene_set(*scenes.scenes, optical_scene(tmp_path, "late", day=4))

    assert build_cube(more, GRID, uri).added == ("late",)

    cube = open_cube(uri)
    assert cube.scene_ids.to_numpy().tolist() == ["o0", "late", "o9"]
    assert cube.attrs["schema_version"] == SCHEMA_VERSION
    require_plain_reading(uri, ("s1", "s2"))


def test_a_reprocessed_scene_supersedes_one_that_1_0_kept_no_facts_of(old, tmp_path):
    """There the time alone tells."""
    uri, _, _ = old
    newer = optical_scene(tmp_path, "o9b", day=9, seed=5, facts={"processing_baseline": "05.00"})

    assert build_cube(scene_set(newer), GRID, uri).added == ("o9b",)

    cube = open_cube(uri)
    assert cube.scene_ids.to_numpy().tolist() == ["o0", "o9b"]
    assert '"id": "o9"' in cube.lineage.to_numpy()[1]
    assert '"baseline": "02.14"' in cube.lineage.to_numpy()[1]


def test_an_old_cube_is_read_as_this_version_has_it_and_stays_as_it_is(old):
    uri, scenes, before = old

    cube = open_cube(uri).load()

    assert open_store(uri).snapshot == before
    assert (cube.lineage == "").all()
    build_cube(scenes, GRID, uri)
    old_again, migrated = open_cube(uri, snapshot=before).load(), open_cube(uri).load()
    for dataset in (old_again, migrated):
        dataset.attrs.pop("snapshot")
        for name in ADDED_IN_1_1:
            dataset[name].attrs.clear()
        dataset.reason.attrs.clear()
    xr.testing.assert_identical(old_again, migrated)


def test_migration_is_done_once(old):
    uri, _, _ = old
    store = open_store(uri)
    with store.run("m") as run:
        first = migrate(run)
        assert first == store.snapshot
        assert migrate(run) is None


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", None])
def test_other_versions_are_refused(old, version):
    uri, scenes, _ = old
    with open_store(uri).run("other") as run:
        draft = run.begin()
        draft.root.attrs["schema_version"] = version
        snapshot = draft.publish("another version", {})

    for attempt in (lambda: build_cube(scenes, GRID, uri), lambda: open_cube(uri)):
        with pytest.raises(CubeError, match=r"schema_version must be '1\.1', or '1\.0', which is migrated") as refusal:
            attempt()
        assert repr(version) in str(refusal.value)
    assert open_store(uri).snapshot == snapshot
