"""Places cut from a cube of Sentinel-1 and Sentinel-2, one a block of ground."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from pipelines.legend import LAND_COVER_CODES
from pipelines.training.places.errors import PlaceError
from pipelines.training.places.place import Place
from pipelines.training.scene_arrays import class_indices, sensor_arrays

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt
    import xarray as xr

LEAST_SIDE_PX: Final = 64
"""Pieces at the cube's edge that are narrower than this are left out."""

_FED: Final[Mapping[Literal["s2", "s1"], tuple[str, str]]] = {"s2": ("ms", "reflectance"), "s1": ("sar_l2", "power")}


def places_of_cube(
    cube: Mapping[Literal["s2", "s1"], xr.Dataset],
    *,
    name: str,
    block_px: int = 256,
    land_cover: npt.NDArray[np.uint8] | None = None,
) -> Iterator[Place]:
    """Yields the places of a cube; one is read at a time.

    Blocks are counted from the origin of the cube's projection, so that the same ground has the same block in every
    cube of one projection and resolution. A place without any valid pixel is left out.

    Args:
        cube: Groups as `open_cube` gives them, on one grid; either may be absent.
        name: Start of the places' ids.
        block_px: Pixels along a block.
        land_cover: (y, x), WorldCover codes on the cube's grid, where known.

    Raises:
        PlaceError: There is no group, the groups' grids differ, or the labels do not fit.
    """
    groups = {group: cube[group] for group in _FED if group in cube and cube[group].sizes["time"]}
    if not groups:
        raise PlaceError(f"places need Sentinel-2 or Sentinel-1 dates (groups {list(_FED)}), got {sorted(cube)}")
    first = next(iter(groups.values()))
    shape = (first.sizes["y"], first.sizes["x"])
    if any(not np.array_equal(one[axis], first[axis]) for one in groups.values() for axis in ("y", "x")):
        raise PlaceError("the groups of a cube share one grid, got different coordinates; give groups of one cube")
    if land_cover is not None and land_cover.shape != shape:
        raise PlaceError(f"land cover is on the cube's grid {shape}, got {land_cover.shape}; warp it first")
    gsd = abs(float(first["x"][1] - first["x"][0]))
    newest = max(one["time"].to_numpy().max() for one in groups.values())
    rows = _pieces(-float(first["y"][0]) / gsd, shape[0], block_px)
    columns = _pieces(float(first["x"][0]) / gsd, shape[1], block_px)
    for block_row, down in rows:
        for block_column, right in columns:
            part = {group: one.isel(y=down, x=right).load() for group, one in groups.items()}
            series = {_FED[group][0]: sensor_arrays(one, _FED[group][1], newest) for group, one in part.items()}
            if not any(one.valid.any() for one in series.values()):
                continue
            targets = (
                {} if land_cover is None else {"land_cover": class_indices(land_cover[down, right], LAND_COVER_CODES)}
            )
            yield Place(
                id=f"{name}-r{block_row}-c{block_column}", kind="series", series=series, gsd_m=gsd,
                targets=targets, block=(block_row, block_column),
            )  # fmt: skip


def _pieces(first_px: float, length: int, block_px: int) -> list[tuple[int, slice]]:
    """Blocks along an axis whose first pixel's centre lies at `first_px`, with the pixels of each."""
    start = math.floor(first_px)
    numbers = range(start // block_px, (start + length - 1) // block_px + 1)
    pieces = [
        (number, slice(max(0, number * block_px - start), min(length, (number + 1) * block_px - start)))
        for number in numbers
    ]
    return [(number, piece) for number, piece in pieces if piece.stop - piece.start >= LEAST_SIDE_PX]
