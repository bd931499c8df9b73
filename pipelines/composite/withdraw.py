"""Composites that go: their periods have no date any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.cube.chunk_bytes import copy_date
from pipelines.cube.group import array_of, image_arrays, values_of
from pipelines.schema import PER_TIME_COORDS

if TYPE_CHECKING:
    from collections.abc import Container

    import zarr


def withdraw(group: zarr.Group, times_us: Container[int]) -> None:
    """Takes composites out of a group; the images of the others move as they are stored, undecoded.

    Args:
        group: A group of a draft.
        times_us: Times of the composites that go, in microseconds since 1970-01-01 UTC.
    """
    kept = [index for index, time in enumerate(values_of(group, "time").tolist()) if time not in times_us]
    for array in image_arrays(group):
        for new, old in enumerate(kept):
            if new != old:  # leftward, from the front: no source is overwritten before it is read
                copy_date(array, old, array, new)
        array.resize((len(kept), *array.shape[1:]))
    for name in ("time", "time_bounds", *PER_TIME_COORDS):
        array, values = array_of(group, name), values_of(group, name)[kept]
        array.resize((len(kept), *array.shape[1:]))
        array[...] = values
