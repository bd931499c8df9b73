"""The cube's contract: groups, dims, dtypes, units, flags and version.

Every writer and every reader of a cube goes by the names below, and `check` holds a dataset to them. One group
stands for one sensor family; all groups share one grid (y descending, coordinates at pixel centres).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray as xr
    from numpy.typing import NDArray

SCHEMA_VERSION: Final = "1.1"
"""Written to every group; a cube of another version is refused, never guessed at."""

Group = Literal["l8", "modis", "s1", "s2", "slc", "vhr"]

DIMS: Final = ("time", "band", "y", "x")
PLANE_DIMS: Final = ("time", "y", "x")

PACKED_DTYPE: Final = np.dtype("int16")
PACKED_FILL: Final = -32768
PACKED_SCALE: Final = 1e-4
PACKED_MAX: Final = 32767
PACKED_MIN: Final = -32767
"""Sentinel-2 on disk: int16 after the offset is harmonised, reflectance = packed * PACKED_SCALE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpec:
    """How the physical value of a group is named, stored and decoded: value = stored * scale_factor + add_offset."""

    value_name: str
    """Name of the variable, dims (time, band, y, x)."""

    dtype: np.dtype
    """Type on disk: the integer steps of the sensor, or float32."""

    fill: float
    """Stored where there is no value."""

    long_name: str
    scale_factor: float | None = None
    """Physical value of one step; None where the stored number is the value."""

    add_offset: float = 0.0
    """Added after scaling."""

    units: str = "1"
    standard_name: str = ""
    """CF standard name, '' where there is none that fits."""

    radiometry: Literal["calibrated", "stated", "relative"] = "calibrated"
    """`calibrated`: a physical quantity; `stated`: so where the date's radiometric rule says so; `relative`: numbers of
    the sensor or of its producer, comparable within an image only and never called reflectance."""

    @property
    def packed(self) -> bool:
        """Whether the stored numbers differ from the decoded ones."""
        return self.dtype.kind in "iu"

    @property
    def limits(self) -> tuple[int, int]:
        """Least and largest storable step of a packed group, the fill left out."""
        info = np.iinfo(self.dtype)
        return info.min + (self.fill == info.min), info.max - (self.fill == info.max)


GROUP_SPECS: Final[Mapping[Group, GroupSpec]] = {
    "l8": GroupSpec(
        value_name="reflectance",
        dtype=np.dtype("uint16"),
        fill=0,
        scale_factor=2.75e-5,
        add_offset=-0.2,
        long_name="surface reflectance of Landsat Collection 2 Level 2, in the steps of the product",
        standard_name="surface_bidirectional_reflectance",
    ),
    "modis": GroupSpec(
        value_name="reflectance",
        dtype=PACKED_DTYPE,
        fill=PACKED_FILL,
        scale_factor=PACKED_SCALE,
        long_name="surface reflectance of MODIS, in the steps of the product",
        standard_name="surface_bidirectional_reflectance",
    ),
    "s1": GroupSpec(
        value_name="power",
        dtype=np.dtype("float32"),
        fill=float("nan"),
        long_name="backscatter coefficient, linear power",
        standard_name="surface_backwards_scattering_coefficient_of_radar_wave",
    ),
    "s2": GroupSpec(
        value_name="reflectance",
        dtype=PACKED_DTYPE,
        fill=PACKED_FILL,
        scale_factor=PACKED_SCALE,
        long_name="reflectance, offset of the processing baseline taken out",
    ),
    "slc": GroupSpec(
        value_name="intensity",
        dtype=np.dtype("float32"),
        fill=float("nan"),
        long_name="squared magnitude of single-look complex pixels, linear",
        radiometry="stated",
    ),
    "vhr": GroupSpec(
        value_name="digital_number",
        dtype=np.dtype("uint16"),
        fill=65535,
        long_name="image numbers as delivered, not calibrated",
        radiometry="relative",
    ),
}
"""Every sensor family that a cube may hold, sorted. `vhr` keeps the numbers of 8 to 15 bit images unchanged, but in
uint16: 0 is a legal dark pixel there, and missing must not look like it."""

GROUPS: Final[tuple[Group, ...]] = tuple(GROUP_SPECS)

VALUE_NAME: Final[dict[str, str]] = {group: spec.value_name for group, spec in GROUP_SPECS.items()}
"""Name of the physical variable of a group, dims (time, band, y, x)."""

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
    UNCALIBRATED = 1 << 13
    """A calibration or noise table of the product holds no value there."""


ADVISORY: Final = Reason.NOT_MASKED | Reason.SNOW
"""Bits that inform without making a pixel unusable."""

PREDICTION_REASONS: Final = tuple(bit for bit in Reason if bit < Reason.CLOUD_BUFFER)
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

    What a product has no calibration for is an edge or has no data at all, and these bits stand beside it already.

    Args:
        reason: Bits of `Reason`, any shape; not changed.
    """
    buffer, cloud = np.uint16(int(Reason.CLOUD_BUFFER)), np.uint16(int(Reason.CLOUD))
    reason = reason & ~np.uint16(int(Reason.UNCALIBRATED))
    margin = (reason & buffer) != 0
    return np.where(margin, (reason & ~buffer) | cloud, reason).astype(REASON_DTYPE, copy=False)


def check(dataset: xr.Dataset, group: str) -> None:
    """Raises where a decoded group (as `open_cube` gives it) breaks the contract.

    Args:
        dataset: One group with its coordinates, values decoded (float32, missing is NaN).
        group: One of `GROUPS`.

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
    spec = GROUP_SPECS[group]  # type: ignore[index]
    for key, wanted in (("units", spec.units), ("radiometry", spec.radiometry)):
        got = dataset[name].attrs.get(key, "calibrated" if key == "radiometry" else None)
        if got != wanted:
            raise SchemaError(f"{name} of {group} must have {key} {wanted!r}, got {got!r}; write it by the store")
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
