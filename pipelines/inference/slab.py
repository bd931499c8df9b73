"""Rows of a cube, read once and held normalised while windows are cut from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from pipelines.inference.channels import (
    MODALITY_BANDS,
    MODALITY_GROUP,
    CubeModality,
    age_years,
    day_fraction,
    normalise,
)
from pipelines.inference.threads import run, task
from pipelines.schema import VALUE_NAME, without_buffer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

    from pipelines.grid import Window
    from pipelines.inference.channels import BoolArray, FloatArray
    from pipelines.inference.epochs import Epochs


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The used dates of one modality over the rows of a slab."""

    values: tuple[FloatArray, ...]
    """Of each date, normalised (channel, y, x), NaN is missing."""

    valid: tuple[BoolArray, ...]
    """Of each date the cube's plane (y, x)."""

    day: FloatArray
    """Fraction of the year (date,)."""

    age: FloatArray
    """Years before the newest date used, of either sensor (date,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slab:
    """Rows `top` to `top + height` of a cube over its whole width."""

    top: int
    stacks: Mapping[CubeModality, Stack]
    observed: Mapping[str, tuple[BoolArray, ...]]
    """Per group and used date (y, x): valid, and at least one of the model's bands is finite."""

    reason_any: npt.NDArray[np.uint16]
    reason_all: npt.NDArray[np.uint16]
    """(y, x), OR and AND of the reason bits over all dates of the cube, used or not."""

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.reason_any.shape[0])


def read_slab(
    cube: Mapping[str, xr.Dataset], plan: Epochs, modalities: Sequence[CubeModality], rows: slice, *, num_workers: int
) -> Slab:
    """Returns rows of the cube, read by Dask's threads, one task a date.

    Args:
        cube: The groups as `open_cube` gives them.
        plan: Says which dates are used; of the others only the reasons are read.
        modalities: What the model is fed; at most one a group.
        rows: Pixel rows within the grid.
        num_workers: Threads.
    """
    feeds: dict[str, CubeModality] = {MODALITY_GROUP[name]: name for name in modalities}
    tasks = {group: _tasks(dataset, group, plan, feeds.get(group), rows) for group, dataset in cube.items()}
    read = cast("dict[str, list[_Read]]", run(tasks, num_workers))
    stacks: dict[CubeModality, Stack] = {}
    observed: dict[str, tuple[BoolArray, ...]] = {}
    for group, modality in feeds.items():
        dates = list(plan.dates(group))
        times = cube[group]["time"].to_numpy()[dates]
        stacks[modality] = Stack(
            values=tuple(read[group][date].values for date in dates),
            valid=tuple(read[group][date].valid for date in dates),
            day=day_fraction(times),
            age=age_years(times, plan.epochs[-1].end),
        )
        observed[group] = tuple(read[group][date].observed for date in dates)
    reasons = [entry.reason for entries in read.values() for entry in entries]
    return Slab(
        top=rows.start,
        stacks=stacks,
        observed=observed,
        reason_any=np.bitwise_or.reduce(reasons),
        reason_all=np.bitwise_and.reduce(reasons),
    )


def slab_rows(cube: Mapping[str, xr.Dataset], plan: Epochs, modalities: Sequence[CubeModality], budget_mb: int) -> int:
    """Returns how many pixel rows of a slab fit the budget, at least 1.

    Args:
        cube: The groups.
        plan: The used dates.
        modalities: What is held per used date: its channels in float32 and two planes of bool.
        budget_mb: MiB.
    """
    per_pixel = sum(
        len(plan.dates(MODALITY_GROUP[name])) * (4 * len(MODALITY_BANDS[name]) + 2) for name in modalities
    ) + 4 * sum(dataset.sizes["time"] for dataset in cube.values())
    width = next(iter(cube.values())).sizes["x"]
    return max(1, (budget_mb << 20) // (per_pixel * width))


def cut(stack: Stack, window: Window, slab_top: int) -> tuple[FloatArray, BoolArray]:
    """Returns one window's normalised values and valid plane; beyond the grid NaN and False.

    Args:
        stack: Rows that hold the window's part of the grid.
        window: May reach beyond the grid.
        slab_top: Pixel row of the stack's first row.
    """
    dates = len(stack.values)
    channels, height, width = stack.values[0].shape
    values = np.full((dates, channels, window.size, window.size), np.nan, dtype=np.float32)
    valid = np.zeros((dates, window.size, window.size), dtype=np.bool_)
    inside = window.inside((slab_top + height, width))
    source = (..., slice(inside.row - slab_top, inside.row_stop - slab_top), slice(inside.col, inside.col_stop))
    to = (
        ...,
        slice(inside.row - window.top, inside.row_stop - window.top),
        slice(inside.col - window.left, inside.col_stop - window.left),
    )
    for date in range(dates):
        values[date][to] = stack.values[date][source]
        valid[date][to] = stack.valid[date][source]
    return values, valid


def _tasks(dataset: xr.Dataset, group: str, plan: Epochs, modality: CubeModality | None, rows: slice) -> list[object]:
    """Returns one task a date: its rows, or only their reasons where the date feeds no modality.

    Arrays are indexed as Dask arrays: `isel` on a dataset takes as long as reading, with so many coordinates.
    """
    reason, valid, values = (dataset[name].data for name in ("reason", "valid", VALUE_NAME[group]))
    used = plan.dates(group) if modality else ()
    ids = [str(band) for band in dataset["band"].to_numpy()]
    wanted = [index for index, band in enumerate(ids) if modality and band in MODALITY_BANDS[modality]]
    bands = tuple(ids[index] for index in wanted)
    whole = len(wanted) == len(ids)
    return [
        task(
            _normalised,
            reason[date, rows],
            values[date, :, rows] if whole else values[date, :, rows][wanted],
            valid[date, rows],
            bands=bands,
            modality=modality,
        )
        if date in used
        else task(_reason_only, reason[date, rows])
        for date in range(dataset.sizes["time"])
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Rows of one date."""

    reason: npt.NDArray[np.uint16]
    values: FloatArray
    """Normalised (channel, y, x), empty where only the reasons are read."""

    valid: BoolArray
    observed: BoolArray


def _reason_only(reason: npt.NDArray[np.uint16]) -> _Read:
    nothing = np.empty((0, 0), dtype=np.bool_)
    return _Read(reason=without_buffer(reason), values=np.empty((0, 0, 0), np.float32), valid=nothing, observed=nothing)


def _normalised(
    reason: npt.NDArray[np.uint16],
    values: FloatArray,
    valid: BoolArray,
    *,
    bands: tuple[str, ...],
    modality: CubeModality,
) -> _Read:
    normalised = normalise(values, bands, modality)
    observed = valid & np.isfinite(normalised).any(axis=0)
    return _Read(reason=without_buffer(reason), values=normalised, valid=valid, observed=observed)
