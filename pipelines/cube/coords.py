"""Small arrays of a group read and written together: one trip to Zarr's event loop instead of one for each.

A date has two dozen coordinates of a few bytes. Each trip costs half a millisecond, more than its bytes do.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.core.sync import sync

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from zarr import AsyncArray, AsyncGroup


def read_values(group: zarr.Group, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Returns the values of arrays of a group by their names."""
    return sync(_read_values(group._async_group, names))  # noqa: SLF001 zarr has no public way to it


def rewrite(group: zarr.Group, order: Sequence[int | None], new: Mapping[str, object]) -> None:
    """Writes arrays along time in a new order.

    Args:
        group: A group of a draft.
        order: Old index of each date in the new order, None where the new date goes.
        new: Value of the new date by array; text goes to arrays of text.
    """
    sync(_rewrite(group._async_group, order, new))  # noqa: SLF001


async def _read_values(group: AsyncGroup, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    arrays = await asyncio.gather(*(_array(group, name) for name in names))
    values = await asyncio.gather(*(array.getitem(...) for array in arrays))
    return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}


async def _rewrite(group: AsyncGroup, order: Sequence[int | None], new: Mapping[str, object]) -> None:
    async def one(name: str, value: object) -> None:
        array = await _array(group, name)
        old = np.asarray(await array.getitem(...))
        rows = [value if index is None else old[index] for index in order]
        await array.resize((len(order), *array.shape[1:]))
        await array.setitem(slice(None), np.array(rows, dtype=object if isinstance(value, str) else array.dtype))

    await asyncio.gather(*(one(name, value) for name, value in new.items()))


async def _array(group: AsyncGroup, name: str) -> AsyncArray[Any]:
    array = await group.getitem(name)
    assert isinstance(array, zarr.AsyncArray), name
    return array
