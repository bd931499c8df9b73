"""Coordinates written together are stored as zarr-python would have stored them one by one."""

import asyncio

import numpy as np
import pytest
import zarr

from pipelines.cube.coords import image_names, read_values, rewrite

NAMES = ("time", "bounds", "angle", "ids")


def made(**options):
    group = zarr.group(zarr.storage.MemoryStore()).create_group("s2")
    group.create_array("time", shape=(3,), chunks=(4096,), dtype="int64", **options)[:] = [10, 20, 40]
    group.create_array("bounds", shape=(3, 2), chunks=(4096, 2), dtype="int64", **options)[:] = [[1, 2], [3, 4], [5, 6]]
    angle = group.create_array("angle", shape=(3,), chunks=(4096,), dtype="float64", fill_value=np.nan, **options)
    angle[:] = [1.5, np.nan, 3.5]
    ids = group.create_array("ids", shape=(3,), chunks=(4096,), dtype=str, fill_value="", **options)
    ids[:] = np.array(["a", "", "c"], dtype=object)
    return group


def by_zarr(group, order, new):
    for name, value in new.items():
        array = group[name]
        rows = [value if index is None else array[:][index] for index in order]
        array.resize((len(order), *array.shape[1:]))
        array[:] = np.array(rows, dtype=object if isinstance(value, str) else array.dtype)


def contents(group):
    return {key: value.to_bytes() for key, value in group.store._store_dict.items()}


ROUNDS = (
    ((0, None, 2), {"time": 30, "bounds": (7, 8), "angle": float("nan"), "ids": "neu ü"}),
    ((0, 1, 2, None), {"time": 50, "bounds": (9, 9), "angle": 4.0, "ids": ""}),
    ((None,), {"time": 0, "bounds": (0, 0), "angle": float("nan"), "ids": ""}),
)


@pytest.mark.parametrize(("order", "new"), ROUNDS)
def test_what_is_stored_is_zarrs(order, new):
    ours, theirs = made(), made()
    rewrite(ours, order, new)
    by_zarr(theirs, order, new)
    assert contents(ours) == contents(theirs)
    found = read_values(ours, NAMES)
    for name in NAMES:
        np.testing.assert_array_equal(found[name], theirs[name][:])


def test_several_dates_one_after_the_other():
    ours, theirs = made(), made()
    for order, new in (*ROUNDS[:2], *ROUNDS[:1]):
        rewrite(ours, order, new)
        by_zarr(theirs, order, new)
    for name in NAMES:
        np.testing.assert_array_equal(ours[name][:], theirs[name][:])


@pytest.mark.parametrize("options", [{"compressors": None}, {"compressors": [zarr.codecs.GzipCodec()]}])
def test_an_array_stored_otherwise_goes_through_zarr(options):
    group = made(**options)
    rewrite(group, *ROUNDS[0])
    assert group["time"][:].tolist() == [10, 30, 40]
    assert read_values(group, ("ids",))["ids"].tolist() == ["a", "neu ü", "c"]


def test_a_second_chunk_goes_through_zarr():
    group = zarr.group(zarr.storage.MemoryStore())
    group.create_array("time", shape=(2,), chunks=(2,), dtype="int64")[:] = [1, 2]
    rewrite(group, (0, 1, None), {"time": 3})
    assert group["time"][:].tolist() == [1, 2, 3]
    rewrite(group, (0, 1, 2, None), {"time": 4})
    assert read_values(group, ("time",))["time"].tolist() == [1, 2, 3, 4]


def test_images_are_told_by_their_dims():
    group = made()
    group.create_array("value", shape=(1, 2, 4, 4), dtype="int16", dimension_names=("time", "band", "y", "x"))
    group.create_array("valid", shape=(1, 4, 4), dtype="bool", dimension_names=("time", "y", "x"))
    group.create_array("mask", shape=(4, 4), dtype="bool", dimension_names=("y", "x"))
    assert image_names(group) == ("valid", "value")


def test_a_notebooks_thread_may_ask():
    async def cell():
        group = made()
        rewrite(group, *ROUNDS[0])
        return read_values(group, ("time",))["time"].tolist()

    assert asyncio.run(cell()) == [10, 30, 40]
