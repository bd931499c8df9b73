"""Cubes of an older schema brought to this one: a commit of its own, with nothing but what the rule says.

1.0 to 1.1: each group gets the text coordinates `radiometric_verdict`, `coregistration`, `processing`, `lineage` and
`read_failures`, empty at every date; the attributes that list coordinates and flags are renewed. No pixel, no other
coordinate and no chunk of an image is touched. Any other version is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import numpy as np

from pipelines.cube.configuration import FORMER_VERSION, CubeConfiguration
from pipelines.cube.encoding import GRID_MAPPING
from pipelines.cube.errors import CubeError
from pipelines.cube.fields import image_fields
from pipelines.cube.group import array_of, create_time_coord, values_of
from pipelines.cube.plan import AlreadyThere
from pipelines.grid import TargetGrid
from pipelines.schema import PER_TIME_COORDS, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr
    import zarr

    from pipelines.cube.store import Draft, Run

ADDED_IN_1_1: Final = ("radiometric_verdict", "coregistration", "processing", "lineage", "read_failures")


def known_version(root: zarr.Group, uri: str) -> str:
    """Returns the schema version of a cube.

    Raises:
        CubeError: It is neither this one nor one that can be brought to it.
    """
    version = root.attrs.get("schema_version")
    if version not in {SCHEMA_VERSION, FORMER_VERSION}:
        raise CubeError(
            f"schema_version must be {SCHEMA_VERSION!r}, or {FORMER_VERSION!r}, which is migrated; {uri} has "
            f"{version!r}; open it with the release that wrote it, or choose another output and build the cube anew"
        )
    return str(version)


def migrate(run: Run) -> str | None:
    """Brings a cube to this schema version in one commit and returns its id, None where nothing was to be done.

    Args:
        run: The right to write.

    Raises:
        CubeError: The version is unknown, or newer than this program.
    """
    root = run.store.root()
    if root is None or known_version(root, run.store.uri) == SCHEMA_VERSION:
        return None
    draft = run.begin()
    _apply(draft)
    facts = {"schema_version": SCHEMA_VERSION, "migrated_from": FORMER_VERSION}
    try:
        return draft.publish(f"schema {FORMER_VERSION} to {SCHEMA_VERSION}", facts, replay=_apply_again)
    except AlreadyThere:
        return None


def _apply_again(draft: Draft, changed: zarr.Group) -> None:
    """Migrates what another run has made of the cube meanwhile, unless it has done so itself."""
    del changed
    if draft.root.attrs.get("schema_version") == SCHEMA_VERSION:
        raise AlreadyThere(draft.run.store.uri)
    _apply(draft)


def _apply(draft: Draft) -> None:
    changed = draft.root
    for _, group in changed.groups():
        _migrate_group(group)
    grid = TargetGrid.from_dict(cast("Mapping[str, float]", changed.attrs["grid"]))
    digest = CubeConfiguration(grid=grid, bands={}).digest
    changed.attrs.update({"schema_version": SCHEMA_VERSION, "configuration": digest, "recipe": {}})


def as_this_version(dataset: xr.Dataset) -> xr.Dataset:
    """Returns a group of a 1.0 snapshot as this version has it: for readers, who migrate nothing on disk."""
    empty = np.full(dataset.sizes["time"], "", dtype="<U1")
    dataset = dataset.assign_coords(dict.fromkeys(ADDED_IN_1_1, ("time", empty)))
    dataset.attrs["schema_version"] = SCHEMA_VERSION
    return dataset


def _migrate_group(group: zarr.Group) -> None:
    num_dates = len(values_of(group, "time"))
    for name in ADDED_IN_1_1:
        create_time_coord(group, name, num_dates)
    named = (GRID_MAPPING, "time_bounds", "common_name", "wavelength_nm", *PER_TIME_COORDS)
    group.attrs.update({"schema_version": SCHEMA_VERSION, "coordinates": " ".join(named)})
    flags = image_fields(group.basename)["reason"].attributes
    array_of(group, "reason").attrs.update({name: flags[name] for name in ("flag_masks", "flag_meanings")})
