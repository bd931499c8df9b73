"""The cube's contract: groups, dims, dtypes, units, flags and version.

Every writer and every reader of a cube goes by the names below, and `check` holds a dataset to them. One group
stands for one sensor family; all groups share one grid (y descending, coordinates at pixel centres).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray as xr
    from numpy.typing import NDArray

SCHEMA_VERSION: Final = "1.1"
"""Written to every group; a cube of another version is refused, never guessed at."""

Group = Literal["s2", "s1"]
GROUPS: Final[tuple[Group, ...]] = ("s1", "s2")

VALUE_NAME: Final[dict[str, str]] = {"s2": "reflectance", "s1": "power"}
"""Name of the physical variable of a group, dims (time, band, y, x)."""

DIMS: Final = ("time", "band", "y", "x")
PLANE_DIMS: Final = ("time", "y", "x")

PACKED_DTYPE: Final = np.dtype("int16")
PACKED_FILL: Final = -32768
PACKED_SCALE: Final = 1e-4
PACKED_MAX: Final = 32767
PACKED_MIN: Final = -32767
"""Sentinel-2 on disk: int16 after the offset is harmonised, reflectance = packed * PACKED_SCALE."""

TIME_UNITS: Final = "microseconds since 1970-01-01"


class Reason(enum.IntFlag):
    """Why a pixel is not usable, or what is known about it: bits of the uint16 plane `reason`."""

    NODATA = 1 << 0
    CLOUD = 1 << 1
    CLOUD_SHADOW = 1 << 2
    CIRRUS = 1 << 3
    SNOW = 1 << 4
    SATURATED = 1 << 5
    BORDER = 1 << 6
    LAYOVER = 1 << 7
    RADAR_SHADOW = 1 << 8
    READ_FAILED = 1 << 9
    OUTSIDE_SWATH = 1 << 10
    NOT_MASKED = 1 << 11
    CLOUD_BUFFER = 1 << 12


ADVISORY: Final = Reason.NOT_MASKED | Reason.SNOW
"""Bits that inform without making a pixel unusable."""

PREDICTION_REASONS: Final = tuple(bit for bit in Reason if bit is not Reason.CLOUD_BUFFER)
"""Bits that predictions and products carry on: bits 12 to 15 are a product's own, see `without_buffer`."""

REASON_DTYPE: Final = np.dtype("uint16")

PER_TIME_COORDS: Final = (
    "scene_ids",
    "platform",
    "orbit_direction",
    "relative_orbit",
    "processing_baseline",
    "radiometric_rule",
    "radiometric_evidence",
    "sun_azimuth_deg",
    "sun_elevation_deg",
    "view_azimuth_deg",
    "view_incidence_deg",
    "shift_x_m",
    "shift_y_m",
    "radiometric_verdict",
    "coregistration",
    "processing",
    "lineage",
    "read_failures",
)
"""Coordinates along `time`: strings are '' and numbers NaN where nothing is known.

`scene_ids` joins the ids of the scenes of one date by a space; `radiometric_evidence`, `coregistration`, `processing`
(optional corrections, filters and composites that were applied), `lineage` (scenes that the date superseded) and
`read_failures` (parts that could not be read) are JSON objects."""


class SchemaError(ValueError):
    """A dataset breaks the cube's contract."""


def reason_attrs(bits: Iterable[Reason] = tuple(Reason)) -> dict[str, object]:
    """Returns the CF attributes of a `reason` plane: flag_masks (uint16) and flag_meanings.

    Args:
        bits: The bits that the plane may hold; all of a cube's where left out.
    """
    chosen = tuple(bits)
    return {
        "long_name": "why a pixel is not usable",
        "flag_masks": np.array([int(bit) for bit in chosen], dtype=REASON_DTYPE),
        "flag_meanings": " ".join((bit.name or "").lower() for bit in chosen),
    }


def without_buffer(reason: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Returns reasons of `PREDICTION_REASONS` alone: the margin around clouds counts as cloud.

    Args:
        reason: Bits of `Reason`, any shape; not changed.
    """
    buffer, cloud = np.uint16(int(Reason.CLOUD_BUFFER)), np.uint16(int(Reason.CLOUD))
    margin = (reason & buffer) != 0
    return np.where(margin, (reason & ~buffer) | cloud, reason).astype(REASON_DTYPE, copy=False)


def check(dataset: xr.Dataset, group: str) -> None:
    """Raises where a decoded group (as `open_cube` gives it) breaks the contract.

    Args:
        dataset: One group with its coordinates, values decoded (float32, missing is NaN).
        group: `s2` or `s1`.

    Raises:
        SchemaError: The rule, the offending value and the fix.
    """
    if group not in VALUE_NAME:
        raise SchemaError(f"a cube group is one of {sorted(VALUE_NAME)}, got {group!r}; use a known sensor family")
    version = dataset.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        raise SchemaError(f"schema_version must be {SCHEMA_VERSION!r}, got {version!r}; rebuild the cube")
    name = VALUE_NAME[group]
    _check_variable(dataset, name, DIMS, np.dtype("float32"))
    _check_variable(dataset, "valid", PLANE_DIMS, np.dtype("bool"))
    _check_variable(dataset, "reason", PLANE_DIMS, REASON_DTYPE)
    if dataset[name].attrs.get("units") != "1":
        raise SchemaError(
            f"{name} must have units '1', got {dataset[name].attrs.get('units')!r}; write it by the store"
        )
    for axis, ascending in (("time", True), ("x", True), ("y", False)):
        _check_sorted(dataset, axis, ascending=ascending)
    if "spatial_ref" not in dataset.coords:
        raise SchemaError("a group carries the scalar coordinate spatial_ref, got none; open it by open_cube")
    if "band" not in dataset.coords:
        raise SchemaError("band must hold the sensor's band ids, got no such coordinate; write it by the store")
    missing = [name for name in PER_TIME_COORDS if name not in dataset.coords or dataset[name].dims != ("time",)]
    if missing:
        raise SchemaError(
            f"every date carries {list(PER_TIME_COORDS)}, got none along time for {missing}; write it by the store",
        )


def _check_variable(dataset: xr.Dataset, name: str, dims: tuple[str, ...], dtype: np.dtype) -> None:
    if name not in dataset:
        raise SchemaError(f"the group must hold {name!r}, it holds {sorted(map(str, dataset))}; write it by the store")
    variable = dataset[name]
    if variable.dims != dims:
        raise SchemaError(f"{name} must have dims {dims}, got {variable.dims}; transpose it")
    if variable.dtype != dtype:
        raise SchemaError(f"{name} must be {dtype}, got {variable.dtype}; convert it")
    mapping = variable.attrs.get("grid_mapping", variable.encoding.get("grid_mapping"))
    if mapping != "spatial_ref":
        raise SchemaError(f"{name} must name grid_mapping 'spatial_ref', got {mapping!r}; write it by the store")


def _check_sorted(dataset: xr.Dataset, axis: str, *, ascending: bool) -> None:
    if axis not in dataset.coords:
        raise SchemaError(f"{axis} must be a coordinate, the group has none of that name; write it by the store")
    values = dataset[axis].to_numpy()
    steps = np.diff(values.astype("int64" if axis == "time" else "float64"))
    if not ((steps > 0).all() if ascending else (steps < 0).all()):
        order = "ascending" if ascending else "descending"
        raise SchemaError(f"{axis} must be strictly {order}, got {values[:4]}...; sort it and drop duplicates")
