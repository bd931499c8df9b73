"""Dask's threads: tasks declared, and a graph of them run."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dask.base import compute
from dask.delayed import delayed

if TYPE_CHECKING:
    from collections.abc import Callable


def task(function: Callable[..., object], *args: object, **kwargs: object) -> object:
    """Returns a call to be made later; arguments that are tasks or Dask arrays are run first."""
    return cast("object", delayed(function, pure=False)(*args, **kwargs))


def run(graph: object, num_workers: int) -> object:
    """Returns the values of tasks, of Dask arrays, or of containers of them, from so many threads of this process."""
    (values,) = compute(graph, scheduler="threads", num_workers=num_workers)  # type: ignore[no-untyped-call]
    return cast("object", values)
