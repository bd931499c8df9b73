"""A cube's group as a lazy dataset, decoded exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import xarray as xr

from pipelines.cube.errors import CubeError
from pipelines.cube.fields import STRING_COORDS
from pipelines.cube.history import snapshot_as_of, snapshot_of_tag
from pipelines.cube.migration import as_this_version, known_version
from pipelines.cube.store import open_store
from pipelines.physics.packing import unpack_values
from pipelines.schema import GROUP_SPECS, GROUPS, SCHEMA_VERSION, check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from pipelines.cube.store import Store
    from pipelines.schema import Group

_STORAGE_ATTRIBUTES = ("scale_factor", "add_offset", "_FillValue")


def open_cube(
    uri: str | Path,
    group: str = "s2",
    *,
    snapshot: str | None = None,
    as_of: datetime | None = None,
    tag: str | None = None,
    chunks: Mapping[str, int] | None = None,
) -> xr.Dataset:
    """Returns one group of a cube, its images lazy in chunks of one date.

    The physical value is float32(float64(stored) * scale + offset) with NaN where missing. Plain
    `xarray.open_zarr` on the store decodes the same numbers to float64.

    Args:
        uri: Folder of the cube, or `s3://bucket/prefix`.
        group: One of `pipelines.schema.GROUPS`: `s2` (variable `reflectance`), `s1` (variable `power`) and so on.
        snapshot: Id of a snapshot; None opens the newest.
        as_of: Opens the cube as readers saw it at that instant, which has a zone.
        tag: Opens the snapshot that the tag names. At most one of snapshot, as_of and tag is given.
        chunks: Dask chunks by dimension, -1 for a whole one; dimensions not named are cut as on disk. Reading all bands
            takes half the time with `{"band": -1}`.

    A cube of schema 1.0 is read as this version has it; on disk it is migrated by the next build.

    Raises:
        CubeError: There is no cube, no such group or snapshot, or the cube is of another schema version.
    """
    store = open_store(uri)
    snapshot = _chosen(store, snapshot, as_of, tag)
    root = store.root(snapshot)
    held = [] if root is None else sorted(name for name, _ in root.groups())
    if group not in held or group not in GROUPS:
        raise CubeError(f"the group must be one of {store.uri}, which holds {held or 'no date'}, got {group!r}; use it")
    version = SCHEMA_VERSION if root is None else known_version(root, store.uri)
    dataset = xr.open_zarr(
        store.read(snapshot),
        group=group,
        consolidated=False,
        mask_and_scale=False,
        decode_coords="all",
        chunks=dict(chunks or {}),
        zarr_format=3,
    )
    if version != SCHEMA_VERSION:
        dataset = as_this_version(dataset)
    dataset = _decode(_load_coords(dataset), group)
    dataset.attrs["snapshot"] = snapshot
    check(dataset, group)
    return dataset


def _chosen(store: Store, snapshot: str | None, as_of: datetime | None, tag: str | None) -> str:
    """Returns the id of the snapshot that is asked for: one and the same for all that follows."""
    given = {name: value for name, value in (("snapshot", snapshot), ("as_of", as_of), ("tag", tag)) if value}
    if len(given) > 1:
        raise CubeError(f"a version is named by one of snapshot, as_of and tag, got {sorted(given)}; keep one")
    if as_of is not None:
        return snapshot_as_of(store, as_of)
    if tag is not None:
        return snapshot_of_tag(store, tag)
    return snapshot or store.snapshot


def _load_coords(dataset: xr.Dataset) -> xr.Dataset:
    """Loads the small coordinates; text becomes fixed-width numpy text, which every index and format can hold."""
    texts = {"band", "common_name", *STRING_COORDS}
    loaded = {
        name: (
            coord.dims,
            np.array(coord.to_numpy().tolist(), dtype=np.str_) if name in texts else coord.to_numpy(),
            coord.attrs,
        )
        for name, coord in dataset.coords.items()
        if name not in dataset.indexes or name in texts
    }
    return dataset.assign_coords(loaded)


def _decode(dataset: xr.Dataset, group: str) -> xr.Dataset:
    """Decodes the value by the schema's rule; how it is stored moves from attrs to encoding."""
    spec = GROUP_SPECS[cast("Group", group)]
    name = spec.value_name
    stored = dataset[name]
    attributes = {key: value for key, value in stored.attrs.items() if key not in _STORAGE_ATTRIBUTES}
    encoding = {**stored.encoding, **{key: stored.attrs[key] for key in _STORAGE_ATTRIBUTES if key in stored.attrs}}
    if spec.packed:
        kept = (encoding.get("scale_factor"), encoding.get("add_offset", 0.0), encoding.get("_FillValue"))
        if kept != (spec.scale_factor, spec.add_offset, spec.fill):
            raise CubeError(f"{name} is stored in steps of {spec.scale_factor}, got {encoding}; build the cube anew")
        pixels = stored.data.map_blocks(unpack_values, spec, dtype=np.float32, meta=np.empty((0,) * 4, np.float32))
    else:
        pixels = stored.data
    value = xr.Variable(stored.dims, pixels, attributes, encoding)
    reason = dataset["reason"]
    reason.attrs["flag_masks"] = np.asarray(reason.attrs["flag_masks"], dtype=reason.dtype)
    images = {name: value, "valid": dataset["valid"], "reason": reason}
    return dataset.drop_vars(list(images)).assign(images)
