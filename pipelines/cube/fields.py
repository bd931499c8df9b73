"""What each array of a cube's group is: dtype, fill, dims and attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from pipelines.cube.encoding import GRID_MAPPING
from pipelines.schema import (
    DIMS,
    GROUP_SPECS,
    PER_TIME_COORDS,
    PLANE_DIMS,
    REASON_DTYPE,
    TIME_UNITS,
    VALUE_NAME,
    Reason,
    reason_attrs,
)

if TYPE_CHECKING:
    from pipelines.cube.acquisition import Acquisition
    from pipelines.cube.encoding import Attributes
    from pipelines.schema import Group

STRING_COORDS: Final = frozenset(
    {
        "scene_ids",
        "platform",
        "orbit_direction",
        "processing_baseline",
        "radiometric_rule",
        "radiometric_evidence",
        "radiometric_verdict",
        "coregistration",
        "processing",
        "lineage",
        "read_failures",
    }
)
"""Coordinates along time that hold text; the others of PER_TIME_COORDS are float64, NaN where not known."""

_COORD_ATTRS: Final[Mapping[str, Mapping[str, str]]] = {
    "scene_ids": {"long_name": "ids of the scenes of the date, joined by a blank, in mosaic order"},
    "platform": {"long_name": "satellite"},
    "orbit_direction": {"long_name": "orbit direction"},
    "relative_orbit": {"long_name": "relative orbit number", "units": "1"},
    "processing_baseline": {"long_name": "processing baseline of the product"},
    "radiometric_rule": {"long_name": "rule by which stored numbers became physical values"},
    "radiometric_evidence": {"long_name": "evidence for the rule and origin of the pixels, JSON by scene id"},
    "sun_azimuth_deg": {"long_name": "sun azimuth", "standard_name": "solar_azimuth_angle", "units": "degree"},
    "sun_elevation_deg": {"long_name": "sun elevation", "standard_name": "solar_elevation_angle", "units": "degree"},
    "view_azimuth_deg": {"long_name": "view azimuth", "standard_name": "sensor_azimuth_angle", "units": "degree"},
    "view_incidence_deg": {"long_name": "incidence angle", "standard_name": "angle_of_incidence", "units": "degree"},
    "shift_x_m": {"long_name": "how far east of the reference the features lay", "units": "metre"},
    "shift_y_m": {"long_name": "how far north of the reference the features lay", "units": "metre"},
    "radiometric_verdict": {"long_name": "what the pixels say of the radiometric rule"},
    "coregistration": {"long_name": "measured shift against the reference and what was done about it, JSON"},
    "processing": {"long_name": "optional corrections, filters and composites that were applied, JSON"},
    "lineage": {"long_name": "scenes and versions that the date superseded, JSON"},
    "read_failures": {"long_name": "parts of the date that could not be read and why, JSON"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One array with the dimensions of (time, ...) that grows by a date at a time."""

    dtype: np.dtype
    fill: int | float | bool
    dims: tuple[str, ...]
    attributes: Attributes


def image_fields(group: str) -> dict[str, Field]:
    """Returns the gridded arrays of a group: the physical value, `valid` and `reason`."""
    mapping = {"grid_mapping": GRID_MAPPING}
    known = reason_attrs()
    flags: Attributes = {
        "long_name": str(known["long_name"]),
        "flag_masks": np.asarray(known["flag_masks"]).tolist(),
        "flag_meanings": str(known["flag_meanings"]),
    }
    return {
        VALUE_NAME[group]: _value_field(group),
        "valid": Field(
            dtype=np.dtype("bool"),
            fill=False,
            dims=PLANE_DIMS,
            attributes={"long_name": "true where the pixel is usable", **mapping},
        ),
        "reason": Field(dtype=REASON_DTYPE, fill=int(Reason.NODATA), dims=PLANE_DIMS, attributes={**flags, **mapping}),
    }


def time_attributes() -> Attributes:
    """Returns the CF attributes of `time`."""
    return {
        "standard_name": "time",
        "long_name": "time of the acquisition in UTC, middle of a composite",
        "units": TIME_UNITS,
        "calendar": "proleptic_gregorian",
        "bounds": "time_bounds",
        "axis": "T",
    }


def coord_attributes(name: str) -> Attributes:
    """Returns the attributes of one of PER_TIME_COORDS."""
    return dict(_COORD_ATTRS[name])


def coord_values(acquisition: Acquisition, rule: str, evidence: str) -> dict[str, str | float]:
    """Returns the values of PER_TIME_COORDS for one date.

    A mosaic has the satellite, orbit and angles of its first scene that states them; baselines are joined by a blank.

    Args:
        acquisition: The scenes that the date was made of.
        rule: Names of the radiometric rules, joined by a blank.
        evidence: JSON object by scene id.
    """
    first = acquisition.scenes[0]
    values: dict[str, str | float] = {name: "" if name in STRING_COORDS else float("nan") for name in PER_TIME_COORDS}
    values |= {
        "scene_ids": " ".join(acquisition.ids),
        "platform": first.platform,
        "orbit_direction": first.orbit_direction,
        "processing_baseline": " ".join(dict.fromkeys(s.processing_baseline for s in acquisition.scenes)).strip(),
        "radiometric_rule": rule,
        "radiometric_evidence": evidence,
    }
    for name in ("relative_orbit", "sun_azimuth_deg", "sun_elevation_deg", "view_azimuth_deg", "view_incidence_deg"):
        stated = [getattr(scene, name) for scene in acquisition.scenes if getattr(scene, name) is not None]
        if stated:
            values[name] = float(stated[0])
    return values


def _value_field(group: str) -> Field:
    spec = GROUP_SPECS[cast("Group", group)]
    attributes: Attributes = {"long_name": spec.long_name}
    if spec.standard_name:
        attributes["standard_name"] = spec.standard_name
    if spec.radiometry != "calibrated":
        attributes["radiometry"] = spec.radiometry
    if spec.scale_factor is not None:
        attributes |= {"scale_factor": spec.scale_factor, "add_offset": spec.add_offset}
    if spec.packed:
        attributes["_FillValue"] = int(spec.fill)
    attributes |= {"units": spec.units, "ancillary_variables": "valid reason", "grid_mapping": GRID_MAPPING}
    return Field(dtype=spec.dtype, fill=int(spec.fill) if spec.packed else spec.fill, dims=DIMS, attributes=attributes)
