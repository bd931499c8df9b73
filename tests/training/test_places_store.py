"""Places on disk: what is written comes back, what is damaged or foreign is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_places import images, place

from pipelines.training.places import PlaceError, PlaceStore, PlaceStoreError, write_place


@pytest.fixture
def folder(tmp_path):
    for number, kind in enumerate(("series", "slc", "vhr", "video")):
        write_place(place(kind, number), tmp_path, source=f"spec {number}")
    return tmp_path


def test_what_is_written_comes_back(folder):
    store = PlaceStore.open(folder)
    assert [entry.kind for entry in store.entries] == ["series", "slc", "vhr", "video"]
    for number, entry in enumerate(store.entries):
        wanted, found = place(entry.kind, number), store.place(entry.id)
        assert (found.id, found.kind, found.gsd_m, found.block, found.seed) == (
            wanted.id, wanted.kind, wanted.gsd_m, wanted.block, number,
        )  # fmt: skip
        assert set(found.series) == set(wanted.series) == set(entry.sensors)
        for name, one in wanted.series.items():
            for field in ("pixels", "valid", "observed", "present", "day", "age"):
                np.testing.assert_array_equal(getattr(found.series[name], field), getattr(one, field))
            assert found.series[name].pixels.dtype == np.float16
        assert set(found.targets) == set(wanted.targets) == set(entry.targets)
        for name, values in wanted.targets.items():
            np.testing.assert_array_equal(found.targets[name], values)
            assert found.targets[name].dtype == values.dtype
        assert entry.source == f"spec {number}"


def test_a_place_of_the_same_id_is_replaced(folder):
    before = PlaceStore.open(folder)
    write_place(place("slc", 1, block=(9, 9)), folder, source="another")
    after = PlaceStore.open(folder)
    assert len(after) == len(before)
    assert (after.place("slc-1").block, after.entries[1].source) == ((9, 9), "another")


def test_one_changed_byte_is_found(folder):
    path = folder / "vhr-2.safetensors"
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    with pytest.raises(PlaceStoreError, match=r"vhr-2.safetensors must have the SHA-256"):
        PlaceStore.open(folder)
    assert len(PlaceStore.open(folder, digest=False)) == 4


def test_a_cut_or_absent_file_is_refused_without_reading_bytes(folder):
    path = folder / "slc-1.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PlaceStoreError, match=r"slc-1.safetensors must have \d+ bytes"):
        PlaceStore.open(folder, digest=False)
    path.unlink()
    with pytest.raises(PlaceStoreError, match="every place of the index has a file"):
        PlaceStore.open(folder, digest=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "something"}, "ringmoe-places of version 1, got 'something'"),
        ({"version": 7}, "of version 1, got 'ringmoe-places', 7"),
        ({"normalisation": "imagenet"}, "normalised as 'physical-v1', got 'imagenet'"),
        ({"places": []}, "at least one place"),
        ({"places": [{"id": "x"}]}, "must be an index of places"),
        ({"places": "none"}, "must be an index of places"),
    ],
)
def test_a_foreign_index_is_refused(folder, change, message):
    index = folder / "index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | change))
    with pytest.raises(PlaceStoreError, match=message):
        PlaceStore.open(folder)


def test_an_entry_that_leaves_the_folder_is_refused(folder):
    index = folder / "index.json"
    document = json.loads(index.read_text())
    document["places"][0]["id"] = "../series-0"
    index.write_text(json.dumps(document))
    with pytest.raises(PlaceStoreError, match="must be an index of places"):
        PlaceStore.open(folder)


def test_a_folder_without_index_is_no_store(tmp_path):
    with pytest.raises(PlaceStoreError, match=r"a folder with index.json"):
        PlaceStore.open(tmp_path)


def test_nan_at_a_valid_pixel_is_refused_and_at_an_invalid_one_is_not():
    one = place("slc")
    pixels = one.series["sar_l1"].pixels.copy()
    pixels[0, 0, 3, 4] = np.nan
    broken = {"sar_l1": replace(one.series["sar_l1"], pixels=pixels)}
    with pytest.raises(PlaceError, match="a valid pixel is finite, got 1 that are not in slc-0, sar_l1"):
        replace(one, series=broken)
    unseen = np.ones(pixels.shape[::2][:1] + pixels.shape[2:], bool)
    unseen[0, 3, 4] = False
    replace(one, series={"sar_l1": replace(broken["sar_l1"], valid=unseen, observed=unseen)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "../up"}, "a place's id is lower case"),
        ({"kind": "film"}, "a place's kind is one of"),
        ({"gsd_m": 0.0}, "gsd_m is above 0"),
        ({"series": {}}, "images of at least one modality"),
        ({"targets": {"land_cover": np.zeros((4, 4), np.uint8)}}, r"land_cover of series-0 has shape \(96, 96\)"),
        ({"targets": {"boxes": np.zeros((2, 5), np.float32)}}, r"boxes of series-0 are finite \(n, 6\)"),
        ({"series": {"thermal": images(np.random.default_rng(0), "ms", 1, 96)}}, "modalities are"),
        ({"series": {"sar_l2": images(np.random.default_rng(0), "ms", 1, 96)}}, "pixels of series-0, sar_l2 has shape"),
    ],
)
def test_a_place_that_cannot_be_is_refused(change, message):
    with pytest.raises(PlaceError, match=message):
        place(**change)
