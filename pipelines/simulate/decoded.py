"""A simulated region as the cube would hold it, in memory: the same physics, the same schema, no files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from catalogs.scenes import Asset, Scene
from pipelines.physics import (
    decide_rule,
    pack_reflectance,
    power_rule,
    reasons_from_scl,
    reasons_without_mask,
    to_power,
    unpack_reflectance,
    usable,
)
from pipelines.schema import (
    PER_TIME_COORDS,
    REASON_DTYPE,
    SCHEMA_VERSION,
    VALUE_NAME,
    Reason,
    reason_attrs,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.simulate.acquisition import Acquisition
    from pipelines.simulate.region import SimulatedRegion

SimulatedGroup = Literal["s2", "s1"]

CUBE_BANDS: dict[SimulatedGroup, tuple[str, ...]] = {
    "s2": ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
    "s1": ("VV", "VH"),
}
"""The bands that a cube takes by default, in its order."""

OFFSET = -0.1
"""What an item declares where the offset is still in the numbers."""

COORDINATE_OF = {
    "platform": "platform",
    "orbit_direction": "orbit_direction",
    "processing_baseline": "processing_baseline",
    "sun_azimuth_deg": "sun_azimuth_deg",
    "sun_elevation_deg": "sun_elevation_deg",
    "view_azimuth_deg": "view_azimuth_deg",
    "view_incidence_deg": "view_incidence_deg",
}


def to_cube(region: SimulatedRegion) -> dict[SimulatedGroup, xr.Dataset]:
    """Returns the groups of a region in the schema's decoded form: reflectance or power, valid, reason, coordinates."""
    return {group: _group(region, group) for group in sorted(CUBE_BANDS)}


def scene_of(acquisition: Acquisition) -> Scene:
    """Returns the record that a search would give for an acquisition once it is written, less paths and footprint."""
    optical = acquisition.group == "s2"
    declared = OFFSET if acquisition.offset_applied is False else 0.0
    assets = tuple(
        Asset(band=band, href="", nodata=0.0, scale=1e-4, offset=declared, unit="1", data_type="uint16")
        if optical
        else Asset(band=band, href="", nodata=float("nan"), unit="1", data_type="float32")
        for band in sorted(acquisition.bands)
        if band != "SCL"
    )
    return Scene(
        id=acquisition.id,
        collection="sentinel-2-l2a" if optical else "sentinel-1-grd",
        sensor=acquisition.sensor,
        time=acquisition.time,
        time_start=acquisition.time,
        time_end=acquisition.time,
        footprint=(),
        assets=assets,
        processing_baseline=acquisition.processing_baseline,
        offset_applied=acquisition.offset_applied,
        product_type="" if optical else "GRD",
    )


UNUSED_TEXTS = ("radiometric_verdict", "coregistration", "processing", "lineage", "read_failures")
"""Coordinates that only a cube built from files has something to say in."""


def _group(region: SimulatedRegion, group: SimulatedGroup) -> xr.Dataset:
    scenes = [scene for scene in region.acquisitions if scene.group == group]
    bands = CUBE_BANDS[group]
    shape = region.spec.shape
    values = np.empty((len(scenes), len(bands), *shape), dtype=np.float32)
    reason = np.empty((len(scenes), *shape), dtype=REASON_DTYPE)
    rules: list[tuple[str, str]] = []
    fill = _fill_optical if group == "s2" else _fill_radar
    for row, scene in enumerate(scenes):
        rules.append(fill(scene, bands, values[row], reason[row]))
    dims = ("time", "y", "x")
    mapping = {"grid_mapping": "spatial_ref"}
    name = VALUE_NAME[group]
    return xr.Dataset(
        {
            name: (("time", "band", "y", "x"), values, {"units": "1", "long_name": name, **mapping}),
            "valid": (dims, usable(reason), {"long_name": "usable", **mapping}),
            "reason": (dims, reason, {**reason_attrs(), **mapping}),
        },
        coords=_coordinates(region, scenes, bands, rules),
        attrs={"schema_version": SCHEMA_VERSION, "title": f"Simulated region {region.spec.seed}, {group}"},
    )


def _fill_optical(
    scene: Acquisition, bands: tuple[str, ...], values: NDArray[np.float32], reason: NDArray[np.uint16]
) -> tuple[str, str]:
    """Writes reflectance (band, y, x) and reasons (y, x) of a scene; returns the rule's name and evidence."""
    rule = decide_rule(scene_of(scene))
    shape = (reason.shape[0], reason.shape[1])
    reason[:] = reasons_from_scl(_nearest(scene.bands["SCL"], shape))
    for row, band in enumerate(bands):
        plane = pack_reflectance(_nearest(scene.bands[band], shape), offset_dn=rule.offset_dn, nodata=0)
        values[row] = unpack_reflectance(plane.packed)
        reason[plane.saturated] |= np.uint16(int(Reason.SATURATED))
    _flag_missing(values, reason)
    return rule.name, rule.to_json()


def _fill_radar(
    scene: Acquisition, bands: tuple[str, ...], values: NDArray[np.float32], reason: NDArray[np.uint16]
) -> tuple[str, str]:
    """Writes power (band, y, x) and reasons (y, x) of a scene; returns the rule's name and evidence."""
    record = scene_of(scene)
    reason[:] = reasons_without_mask(reason.shape)
    name, evidence = "", ""
    for row, band in enumerate(bands):
        asset = record.asset(band)
        assert asset is not None
        rule = power_rule(asset, record)
        name, evidence = rule.kind, rule.to_json()
        values[row] = to_power(np.asarray(scene.bands[band], dtype=np.float32), rule, nodata=asset.nodata)
    _flag_missing(values, reason)
    return name, evidence


def _flag_missing(values: NDArray[np.float32], reason: NDArray[np.uint16]) -> None:
    """Sets `nodata` where every band lacks a value, else `border` where some do, as the cube does."""
    missing = np.isnan(values)
    everywhere, somewhere = missing.all(axis=0), missing.any(axis=0)
    reason[everywhere] |= np.uint16(int(Reason.NODATA))
    reason[somewhere & ~everywhere] |= np.uint16(int(Reason.BORDER))


def _nearest(plane: NDArray[np.generic], shape: tuple[int, int]) -> NDArray[np.integer]:
    """Returns a native band on the 10 m grid: each 10 m pixel takes the pixel that its centre lies in."""
    factor = -(-shape[0] // plane.shape[0])
    full = plane if factor == 1 else np.repeat(np.repeat(plane, factor, axis=0), factor, axis=1)
    return np.asarray(full[: shape[0], : shape[1]])


def _coordinates(
    region: SimulatedRegion, scenes: list[Acquisition], bands: tuple[str, ...], rules: list[tuple[str, str]]
) -> dict[str, object]:
    times = np.array([scene.time.replace(tzinfo=None) for scene in scenes], dtype="datetime64[ns]")
    per_time: dict[str, object] = {
        "scene_ids": [scene.id for scene in scenes],
        "relative_orbit": np.array([scene.relative_orbit for scene in scenes], dtype=np.float32),
        "radiometric_rule": [name for name, _ in rules],
        "radiometric_evidence": [evidence for _, evidence in rules],
        "shift_x_m": np.full(len(scenes), np.nan, dtype=np.float32),
        "shift_y_m": np.full(len(scenes), np.nan, dtype=np.float32),
        **{name: [""] * len(scenes) for name in UNUSED_TEXTS},
    }
    for coordinate, field in COORDINATE_OF.items():
        column = [getattr(scene, field) for scene in scenes]
        is_text = coordinate in {"platform", "orbit_direction", "processing_baseline"}
        per_time[coordinate] = column if is_text else np.array(column, dtype=np.float32)
    assert set(per_time) == set(PER_TIME_COORDS)
    return {
        "time": times,
        "band": list(bands),
        "y": region.grid.y,
        "x": region.grid.x,
        "spatial_ref": ((), np.int32(0), {"crs_wkt": region.grid.crs_wkt}),
        **{name: ("time", values) for name, values in per_time.items()},
    }
