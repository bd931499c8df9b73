"""Coordinates written together are those written one by one."""

import numpy as np
import zarr

from pipelines.cube.coords import read_values, rewrite


def made():
    group = zarr.group(zarr.storage.MemoryStore())
    group.create_array("time", shape=(3,), chunks=(4096,), dtype="int64")[:] = [10, 20, 40]
    group.create_array("bounds", shape=(3, 2), chunks=(4096, 2), dtype="int64")[:] = [[1, 2], [3, 4], [5, 6]]
    group.create_array("angle", shape=(3,), chunks=(4096,), dtype="float64", fill_value=np.nan)[:] = [1.5, np.nan, 3.5]
    group.create_array("ids", shape=(3,), chunks=(4096,), dtype=str)[:] = np.array(["a", "", "c"], dtype=object)
    return group


def test_a_new_date_goes_to_its_place():
    group = made()
    rewrite(group, (0, None, 2), {"time": 30, "bounds": (7, 8), "angle": float("nan"), "ids": "neu ü"})
    found = read_values(group, ("time", "bounds", "angle", "ids"))
    assert found["time"].tolist() == [10, 30, 40]
    assert found["bounds"].tolist() == [[1, 2], [7, 8], [5, 6]]
    np.testing.assert_array_equal(found["angle"], [1.5, np.nan, 3.5])
    assert found["ids"].tolist() == ["a", "neu ü", "c"]


def test_a_group_may_grow_and_shrink():
    group = made()
    rewrite(group, (0, 1, 2, None), {"time": 50, "ids": "d"})
    assert group["time"][:].tolist() == [10, 20, 40, 50]
    assert group["ids"][:].tolist() == ["a", "", "c", "d"]
    rewrite(group, (None,), {"time": 5, "ids": "e"})
    assert group["time"][:].tolist() == [5]
    assert group["ids"][:].tolist() == ["e"]
