"""Growing a cube by date: what is written again, what gives way to what, what is refused."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from fake_dates import fake_scene, pixels_of, put_date, require_whole
from made_scenes import FIRST, GRID, digital_numbers, optical_scene, radar_scene, scene_set
from plain_reader import require_plain_reading
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from pipelines.cube import BuildOptions, CubeError, build_cube, open_cube
from pipelines.cube.store import create_store, open_store


def version(folder, name, baseline, *, day=0, late_ms=0, seed=0, **facts):
    """One processing of an acquisition; each has pixels of its own, and a time that differs by milliseconds."""
    time = FIRST + timedelta(days=day, milliseconds=late_ms)
    told = {"processing_baseline": baseline, "tile": "31UFS", "time": time, **facts}
    bands = {"B02": digital_numbers(seed), "B04": digital_numbers(seed + 1)}
    return optical_scene(folder, name, bands=bands, facts=told)


def superseded(cube, date=0):
    text = str(cube.lineage.to_numpy()[date])
    return json.loads(text)["superseded"] if text else []


def numbers(cube, date=0):
    return np.rint(cube.reflectance.isel(time=date).sel(band="B02").to_numpy() / 1e-4)


def test_a_reprocessed_scene_supersedes_and_the_date_says_so(tmp_path):
    old, new = version(tmp_path, "p1", "02.14"), version(tmp_path, "p2", "05.00", late_ms=3, seed=50)
    first = build_cube(scene_set(old), GRID, tmp_path / "cube")

    second = build_cube(scene_set(new), GRID, tmp_path / "cube")

    cube = open_cube(tmp_path / "cube")
    assert second.added == ("p2",)
    assert cube.sizes["time"] == 1, "milliseconds apart they are one date"
    np.testing.assert_array_equal(numbers(cube), digital_numbers(50))
    (entry,) = superseded(cube)
    assert {key: entry[key] for key in ("id", "by", "baseline", "snapshot")} == {
        "id": "p1",
        "by": "p2",
        "baseline": "02.14",
        "snapshot": first.ref.snapshot,
    }
    before = open_cube(tmp_path / "cube", snapshot=entry["snapshot"])
    assert before.scene_ids.item() == "p1"
    np.testing.assert_array_equal(numbers(before), digital_numbers(0))
    require_plain_reading(tmp_path / "cube")


def test_lineage_goes_back_through_all_versions(tmp_path):
    for number, baseline in enumerate(("02.14", "03.00", "05.00")):
        build_cube(scene_set(version(tmp_path, f"p{number}", baseline, seed=number)), GRID, tmp_path / "cube")

    cube = open_cube(tmp_path / "cube")
    assert [(e["id"], e["by"]) for e in superseded(cube)] == [("p0", "p1"), ("p1", "p2")]
    for entry, seed in zip(superseded(cube), (0, 1), strict=True):
        np.testing.assert_array_equal(
            numbers(open_cube(tmp_path / "cube", snapshot=entry["snapshot"])), digital_numbers(seed)
        )


def test_lineage_moves_with_its_date(tmp_path):
    build_cube(scene_set(version(tmp_path, "p1", "02.14", day=9)), GRID, tmp_path / "cube")
    build_cube(scene_set(version(tmp_path, "p2", "05.00", day=9)), GRID, tmp_path / "cube")

    build_cube(scene_set(version(tmp_path, "early", "05.00", day=1)), GRID, tmp_path / "cube")

    cube = open_cube(tmp_path / "cube")
    assert cube.scene_ids.to_numpy().tolist() == ["early", "p2"]
    assert superseded(cube, 0) == []
    assert [entry["id"] for entry in superseded(cube, 1)] == ["p1"]


@pytest.mark.parametrize("baseline", ["02.14", "05.00"])
def test_an_older_or_equal_version_writes_nothing_and_is_told(tmp_path, baseline):
    first = build_cube(scene_set(version(tmp_path, "new", "05.00", seed=50)), GRID, tmp_path / "cube")

    again = build_cube(scene_set(version(tmp_path, "other", baseline)), GRID, tmp_path / "cube")

    assert not again.changed
    assert again.ref == first.ref
    (outcome,) = again.outcomes
    assert (outcome.id, outcome.outcome, outcome.reason) == ("other", "skipped", "superseded")
    assert "05.00" in outcome.detail


def test_an_item_that_keeps_its_id_is_read_again_when_its_baseline_is_newer(tmp_path):
    build_cube(scene_set(version(tmp_path, "same", "02.14")), GRID, tmp_path / "cube")
    newer = version(tmp_path / "again", "same", "05.00", seed=50)

    assert build_cube(scene_set(newer), GRID, tmp_path / "cube").added == ("same",)
    assert not build_cube(scene_set(newer), GRID, tmp_path / "cube").changed

    cube = open_cube(tmp_path / "cube")
    np.testing.assert_array_equal(numbers(cube), digital_numbers(50))
    assert [(e["id"], e["by"], e["baseline"]) for e in superseded(cube)] == [("same", "same", "02.14")]


def test_neighbouring_tiles_do_not_supersede_each_other(tmp_path):
    west = version(tmp_path, "west", "02.14", tile="31UFS")
    east = version(tmp_path, "east", "05.00", tile="31UGS", late_ms=700)

    build_cube(scene_set(west), GRID, tmp_path / "cube")
    result = build_cube(scene_set(west, east), GRID, tmp_path / "cube")

    cube = open_cube(tmp_path / "cube")
    assert set(result.added) == {"west", "east"}
    assert cube.scene_ids.to_numpy().tolist() == ["west east"]
    assert superseded(cube) == []


def test_a_date_is_held_back_rather_than_lose_a_tile(tmp_path):
    west, east = (version(tmp_path, name, "02.14", tile=tile) for name, tile in (("west", "31UFS"), ("east", "31UGS")))
    first = build_cube(scene_set(west, east), GRID, tmp_path / "cube")
    newer = version(tmp_path, "west2", "05.00", tile="31UFS", seed=50)

    alone = build_cube(scene_set(newer), GRID, tmp_path / "cube")

    assert alone.ref == first.ref
    (outcome,) = alone.outcomes
    assert (outcome.reason, "east" in outcome.detail) == ("held_back", True)
    both = build_cube(scene_set(newer, east), GRID, tmp_path / "cube")
    assert set(both.added) == {"west2", "east"}
    assert [entry["id"] for entry in superseded(open_cube(tmp_path / "cube"))] == ["west"]


def test_versions_of_a_radar_product_are_told_by_their_name(tmp_path):
    name = "S1A_IW_GRDH_1SDV_20210301T170000_20210301T170025_036800_045400"
    old = radar_scene(tmp_path, f"{name}_AAAA", facts={"processing_baseline": "003.31", "acquisition_id": name})
    new = radar_scene(tmp_path, f"{name}_BBBB", facts={"processing_baseline": "003.40", "acquisition_id": name})
    build_cube(scene_set(old), GRID, tmp_path / "cube")

    assert build_cube(scene_set(new), GRID, tmp_path / "cube").added == (new.id,)

    cube = open_cube(tmp_path / "cube", "s1")
    assert cube.scene_ids.to_numpy().tolist() == [new.id]
    assert [entry["id"] for entry in superseded(cube)] == [old.id]


def chunk_bytes(uri, array, date):
    """The stored bytes of every chunk of a date, by key."""
    store = open_store(uri).read()

    async def read():
        held = {}
        async for key in store.list_prefix(array):
            if key.startswith(f"{array}/c/{date}/"):
                held[key.removeprefix(f"{array}/c/{date}/")] = await store.get(key, default_buffer_prototype())
        return held

    return {key: value.to_bytes() for key, value in sync(read()).items()}


def test_a_late_date_moves_the_others_byte_by_byte(tmp_path, monkeypatch):
    uri = tmp_path / "cube"
    scenes = [optical_scene(tmp_path, f"o{day}", day=day) for day in (0, 10, 20)]
    build_cube(scene_set(scenes[0], scenes[2]), GRID, uri, options=BuildOptions(chunk=16))
    arrays = ("s2/reflectance", "s2/valid", "s2/reason")
    before = {array: chunk_bytes(uri, array, 1) for array in arrays}

    build_cube(scene_set(*scenes), GRID, uri, options=BuildOptions(chunk=16))

    assert open_cube(uri).scene_ids.to_numpy().tolist() == ["o0", "o10", "o20"]
    assert {array: chunk_bytes(uri, array, 2) for array in arrays} == before
    assert before["s2/reflectance"]
    require_plain_reading(uri)


def test_a_chunk_that_is_all_fill_stays_so_when_its_date_moves(tmp_path):
    """The place that it moves to held pixels: they must not shine through."""
    half = digital_numbers(3)
    half[:16] = 0
    uri, options = tmp_path / "cube", BuildOptions(chunk=16)
    build_cube(scene_set(optical_scene(tmp_path, "full", day=10)), GRID, uri, options=options)
    build_cube(
        scene_set(optical_scene(tmp_path, "half", day=5, bands={"B02": half, "B04": half})), GRID, uri, options=options
    )
    build_cube(scene_set(optical_scene(tmp_path, "first", day=1)), GRID, uri, options=options)

    cube = open_cube(uri)
    assert cube.scene_ids.to_numpy().tolist() == ["first", "half", "full"]
    missing = np.isnan(cube.reflectance.sel(band="B02").to_numpy())
    np.testing.assert_array_equal(missing.any(axis=(1, 2)), [False, True, False])
    np.testing.assert_array_equal(missing[1], half == 0)


def test_dates_in_any_order_make_the_same_cube(tmp_path):
    """Against a cube that was written in order."""
    scenes = [fake_scene(f"d{day}", day) for day in range(7)]
    for name, order in (("sorted", range(7)), ("mixed", np.random.default_rng(4).permutation(7))):
        store = create_store(tmp_path / name)
        with store.run(name) as run:
            for index in order:
                put_date(run, scenes[index])
        assert require_whole(store.root()) == {"s2": [f"d{day}" for day in range(7)]}
    first, second = (open_cube(tmp_path / name).load() for name in ("sorted", "mixed"))
    first.attrs.pop("snapshot"), second.attrs.pop("snapshot")
    xr.testing.assert_identical(first, second)
    require_plain_reading(tmp_path / "mixed")
    np.testing.assert_array_equal(np.rint(first.reflectance.isel(time=3) / 1e-4), pixels_of("d3"))


def test_bands_are_not_added_to_a_cube(tmp_path):
    first = build_cube(scene_set(optical_scene(tmp_path, "a")), GRID, tmp_path / "cube")
    bands = {"B02": digital_numbers(1), "B03": digital_numbers(2), "B04": digital_numbers(3)}
    more = scene_set(optical_scene(tmp_path, "b", day=1, bands=bands))

    with pytest.raises(CubeError, match=r"bands of s2 .* choose another output"):
        build_cube(more, GRID, tmp_path / "cube", options=BuildOptions(bands_s2=("B02", "B03", "B04")))

    assert open_store(tmp_path / "cube").snapshot == first.ref.snapshot


def test_the_record_of_a_scene_survives_being_stored(tmp_path):
    from pipelines.cube.stored_scene import scene_of_record, scene_record

    whole = version(tmp_path, "p", "05.00", relative_orbit=8, product_type="S2MSI2A", tier="T1", generated=FIRST)
    scene = replace(whole, assets=(), offset_applied=None)
    short = ((5.0, 50.0), (5.1, 50.0), (5.1, 50.123456789012), (5.0, 50.0))
    long = tuple((5.0 + 0.001 * index, 50.0 + 0.0001 * index) for index in range(40))
    for ring, tile, kept in (
        (short, "31UFS", short),
        (long, "", long),  # the footprint is what tells it
        (long, "31UFS", ((5.0, 50.0), (5.039, 50.0), (5.039, 50.0039), (5.0, 50.0039), (5.0, 50.0))),
    ):
        one = replace(scene, footprint=ring, tile=tile)
        again = scene_of_record(one.id, json.loads(json.dumps(scene_record(one))))
        assert again == replace(one, footprint=kept)
