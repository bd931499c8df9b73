"""How much memory a build may use, and how its work is cut so that it keeps to that: arithmetic, no array.

The estimate of a unit is an upper bound of what reading, converting, merging and encoding hold at the same time; the
tests hold it against what processes were measured to use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from pipelines.cube.byte_size import readable
from pipelines.cube.errors import CubeError
from pipelines.cube.recipe import halo_of
from pipelines.cube.tile_read import KEPT_BYTES
from pipelines.schema import GROUP_SPECS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipelines.cube.acquisition import Acquisition
    from pipelines.cube.crew import CrewShape
    from pipelines.cube.recipe import Recipe
    from pipelines.schema import Group

MEMORY_SHARE: Final = 0.5
"""Share of the machine's memory that a build takes where none was declared: the rest is the system's and others'."""

PROGRAM_BYTES: Final = 256 << 20
"""A process with the program and its libraries loaded, before any work (measured 150 MB for a build, 230 with Dask)."""

FIXED_BYTES: Final = 64 << 20
"""Besides units: the store's manifests and buffers, headers, maps of warps, what the allocator does not give back."""

UNIT_SIDE_PX: Final = 1024
"""Longest side of a unit that is wanted: an inner tile, so that tiles which the chunks agree with are decoded once."""

_READ_BYTES: Final = 4
"""Of a value in a file whose item does not say its type."""

_PLANE_BYTES: Final = 8
"""Per pixel besides bands: the classification, reason and valid, and the two encoded."""

_MOSAIC_BYTES: Final = 6
"""Per pixel of a mosaic besides bands: its reason, ranks and choices."""

_WARP_BYTES: Final = 28
"""Per pixel of a warped block: places, weights and the raster's own windows, of all bands together."""

_STEP_BYTES: Final = 64
"""Per pixel of optional steps of physics: eight float64 planes of one band at the same time."""

_STEP_BAND_BYTES: Final = 8
"""Per pixel and band of optional steps: the values as floats, before and after."""

_LEFTOVER: Final = 1.15
"""What is held over what is in use: pages that the allocator keeps for the next unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLoad:
    """What hangs on one pixel of a unit, the worst group of a build."""

    num_bands: int
    """Bands of the group."""

    value_bytes: int
    """Bytes of a stored value."""

    num_scenes: int = 1
    """Most scenes of one date: from two on, a mosaic is held beside the scene that is read."""

    read_bytes: int = 4
    """Bytes of a value as it is read; 4 where the files have not been opened yet."""

    halo_px: int = 0
    """Pixels around a block that the optional steps need."""

    has_steps: bool = False
    """Whether optional steps of physics run."""

    is_warped: bool = True
    """Whether a file may lie on another grid than the cube's."""

    def __post_init__(self) -> None:
        if min(self.num_bands, self.value_bytes, self.num_scenes, self.read_bytes) < 1 or self.halo_px < 0:
            raise ValueError(f"a unit has bands, scenes and bytes, and no negative halo, got {self}; correct it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """How a build's work is cut and spread."""

    side: int
    """Longest side of a unit in pixels, a multiple of the chunk."""

    slots_each: int
    """Units under way at once in each process."""

    unit_bytes: int
    """Upper bound of what one unit holds."""

    process_bytes: int
    """Upper bound of what one process holds: the program, the fixed part and its units."""


def unit_load(group: str, bands: Sequence[str], dates: Iterable[Acquisition], *, recipe: Recipe, epsg: int) -> UnitLoad:
    """Returns what a pixel of a group costs, from what items say; files are not opened.

    Args:
        group: One of `pipelines.schema.GROUPS`.
        bands: Bands of the group.
        dates: Those to be written.
        recipe: Optional steps of physics.
        epsg: Code of the grid's CRS.
    """
    members = [date.scenes for date in dates]
    steps = recipe.steps(group)
    assets = [asset for scenes in members for scene in scenes for asset in scene.assets if asset.band in bands]
    return UnitLoad(
        num_bands=len(bands),
        value_bytes=GROUP_SPECS[cast("Group", group)].dtype.itemsize,
        num_scenes=max(map(len, members)),
        read_bytes=max((_stored_bytes(asset.data_type) for asset in assets), default=_READ_BYTES),
        halo_px=halo_of(steps),
        has_steps=bool(steps),
        is_warped=any(asset.epsg != epsg for asset in assets),
    )


def _stored_bytes(data_type: str | None) -> int:
    """Returns the bytes of a value as an item states its type; a type that is not known counts as a float32."""
    try:
        return np.dtype(data_type).itemsize if data_type else _READ_BYTES
    except TypeError:
        return _READ_BYTES


def unit_bytes(load: UnitLoad, height: int, width: int) -> int:
    """Returns an upper bound of the memory that one unit holds at a time, in bytes.

    Args:
        load: What hangs on a pixel.
        height: Rows of the unit in pixels.
        width: Columns, likewise.
    """
    pixels = (height + 2 * load.halo_px) * (width + 2 * load.halo_px)
    # read, converted and encoded values of all bands: what is let go of early is not given back at once
    per_pixel = load.num_bands * (load.read_bytes + 2 * load.value_bytes) + _PLANE_BYTES
    if load.num_scenes > 1:
        per_pixel += load.num_bands * load.value_bytes + _MOSAIC_BYTES
    if load.is_warped:
        per_pixel += _WARP_BYTES
    if load.has_steps:
        per_pixel += _STEP_BYTES + load.num_bands * _STEP_BAND_BYTES
    return math.ceil(_LEFTOVER * per_pixel * pixels)


def fixed_bytes(load: UnitLoad) -> int:
    """Returns an upper bound of what a process holds besides its program and its units, in bytes."""
    return FIXED_BYTES + load.num_scenes * KEPT_BYTES


def plan_workload(load: UnitLoad, *, shape: tuple[int, int], chunk: int, crew: CrewShape, memory: int) -> Workload:
    """Returns units and slots that keep within a memory budget: smaller units first, then fewer at once.

    Units are as large as the inner tiles of the usual rasters, and so small that every worker has two of a date.

    Args:
        load: What hangs on a pixel.
        shape: (height, width) of the grid in pixels.
        chunk: Side of a stored chunk in pixels, the least a unit can be.
        crew: Processes and their threads.
        memory: Bytes that one process may use, the program included.

    Raises:
        CubeError: Not one unit of one chunk fits.
    """
    base = PROGRAM_BYTES + fixed_bytes(load)
    rest = memory - base
    sides = [chunk * count for count in range(max(1, UNIT_SIDE_PX // chunk), 0, -1)]
    while len(sides) > 1 and _num_units(shape, sides[0]) < 2 * crew.num_processes * crew.threads_each:
        sides.pop(0)
    costs = [(one, unit_bytes(load, min(one, shape[0]), min(one, shape[1]))) for one in sides]
    fitting = next(((one, cost) for one, cost in costs if cost * crew.threads_each <= rest), costs[-1])
    slots = min(crew.threads_each, rest // fitting[1])
    if slots < 1:
        least = base + costs[-1][1]
        raise CubeError(
            f"cube.memory must hold one unit of one chunk in each process, {readable(least)} for chunks of {chunk} "
            f"pixels with {load.num_bands} bands, got {readable(memory)} a process; allow more memory, take fewer "
            "workers, or make a new cube of smaller chunks",
        )
    return Workload(
        side=fitting[0],
        slots_each=slots,
        unit_bytes=fitting[1],
        process_bytes=base + slots * fitting[1],
    )


def _num_units(shape: tuple[int, int], side: int) -> int:
    return math.ceil(shape[0] / side) * math.ceil(shape[1] / side)


def process_memory(declared: int | None, crew: CrewShape, machine: int) -> int:
    """Returns the bytes that each process of a crew may use.

    Processes of this machine share what was declared, or half of what it has; those of a cluster elsewhere each have
    what was declared, or half of their own limit.

    Args:
        declared: Bytes that the user allows, None where nothing was said.
        crew: The processes.
        machine: Bytes of memory that this machine lends.

    Raises:
        CubeError: Nothing was declared and the cluster's workers have no limit of their own.
    """
    if crew.on_this_machine:
        return (declared or int(machine * MEMORY_SHARE)) // crew.num_processes
    if declared is not None:
        return declared
    if crew.memory_each is None:
        raise CubeError(
            "workers of a cluster say how much memory they may use, those named by cube.cluster have no limit; set "
            "cube.memory to what one of them may use, such as 4GB",
        )
    return int(crew.memory_each * MEMORY_SHARE)
