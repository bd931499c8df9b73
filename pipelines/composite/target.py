"""The cube that composites are written to: that of their source, with two more planes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from catalogs import Band
from pipelines.cube.encoding import GRID_MAPPING, compressor, spatial_attributes
from pipelines.cube.errors import CubeError
from pipelines.cube.group import GroupTemplate, array_of, create_group, values_of
from pipelines.schema import PLANE_DIMS, SCHEMA_VERSION

if TYPE_CHECKING:
    from pipelines.composite.options import CompositeOptions
    from pipelines.grid import TargetGrid

OPTIONS = "composite"
"""Attribute of the root group: period and methods."""

_COPIED = ("grid", "configuration", "recipe", "attribution")

_PLANES: dict[str, tuple[str, int, str]] = {
    "num_valid": ("uint16", 0, "number of usable observations in the period"),
    "source": ("int16", -1, "which date of the period was taken, an index into `members` of `processing`"),
}


def target_attributes(
    source: zarr.Group, target: zarr.Group | None, options: CompositeOptions, *, uri: str
) -> dict[str, Any]:
    """Returns the attributes of the root group of composites.

    Raises:
        CubeError: There are composites of another grid, schema or other options.
    """
    wanted: dict[str, Any] = {name: source.attrs[name] for name in _COPIED if name in source.attrs}
    wanted |= {"schema_version": SCHEMA_VERSION, OPTIONS: asdict(options)}
    held = {} if target is None else dict(target.attrs)
    for name in ("schema_version", "grid", OPTIONS):
        if held and held.get(name) != wanted.get(name):
            raise CubeError(
                f"composites of one store share {name}, {uri} has {held.get(name)}, this build asks for "
                f"{wanted.get(name)}; choose another output, or delete it"
            )
    return wanted


def require_same_bands(source: zarr.Group, target: zarr.Group | None, *, uri: str) -> None:
    """Raises where composites of other bands stand at an address.

    Raises:
        CubeError: Names the group with both.
    """
    for name, group in () if target is None else target.groups():
        held = values_of(group, "band").tolist()
        wanted = values_of(_group(source, name), "band").tolist() if name in source else held
        if held != wanted:
            raise CubeError(
                f"composites of one store share the bands of {name}, {uri} has {held}, the cube {wanted}; choose "
                "another output, or delete it"
            )


def _group(root: zarr.Group, name: str) -> zarr.Group:
    group = root[name]
    assert isinstance(group, zarr.Group), name
    return group


def create_target(root: zarr.Group, source: zarr.Group, grid: TargetGrid) -> zarr.Group:
    """Returns the group of composites in a draft, made after its source where there is none."""
    name = source.basename
    if name in root:
        group = _group(root, name)
        group.attrs["attribution"] = root.attrs.get("attribution", "")
        return group
    chunk = max(array_of(source, "valid").chunks[-2:])
    title = str(source.attrs.get("title", name)).removesuffix(f": {name}")
    template = GroupTemplate(
        name=name, grid=grid, bands=_bands(source, grid), chunk=chunk, title=f"Composites, {title}"
    )
    group = create_group(root, template)
    for plane, (dtype, fill, long_name) in _PLANES.items():
        group.create_array(
            plane,
            shape=(0, grid.height, grid.width),
            chunks=(1, *array_of(group, "valid").chunks[-2:]),
            dtype=np.dtype(dtype),
            fill_value=fill,
            compressors=[compressor(np.dtype(dtype))],
            dimension_names=PLANE_DIMS,
            attributes={"long_name": long_name, "grid_mapping": GRID_MAPPING, **spatial_attributes(grid)},
        )
    group.attrs["attribution"] = root.attrs.get("attribution", "")
    return group


def _bands(source: zarr.Group, grid: TargetGrid) -> tuple[Band, ...]:
    names, common = values_of(source, "band"), values_of(source, "common_name")
    wavelengths = values_of(source, "wavelength_nm")
    return tuple(
        Band(
            id=str(name),
            common_name=str(alias),
            kind="reflectance",
            wavelength_nm=None if np.isnan(wavelength) else float(wavelength),
            fwhm_nm=None,
            gsd_m=grid.resolution,
            nodata=None,
            aliases=(),
            source=("the cube that the composite is made of",),
        )
        for name, alias, wavelength in zip(names, common, wavelengths, strict=True)
    )
