"""Holds a scene against a reference: reads a few windows of both and compares them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from catalogs import load_sensor
from pipelines.cube.coregister import BANDS, CoregisterOptions, Registration
from pipelines.cube.errors import ReadFailed
from pipelines.cube.group import array_of, stored_dates, values_of
from pipelines.cube.load import LazyScene, Plane, open_scene
from pipelines.cube.recipe import with_halo
from pipelines.cube.resampling import choose_resampling
from pipelines.cube.source import Skipped
from pipelines.grid import Block
from pipelines.physics import usable
from pipelines.physics.packing import unpack_values
from pipelines.physics.shift import agree, patch_shift, patches
from pipelines.schema import GROUP_SPECS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import zarr
    from numpy.typing import NDArray

    from pipelines.cube.resampling import Meaning
    from pipelines.cube.source import Source
    from pipelines.grid import TargetGrid
    from pipelines.schema import Group

    Affine: TypeAlias = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePatch:
    """One window of the reference."""

    block: Block
    values: NDArray[np.float32]
    """(y, x), NaN where not usable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The windows of a reference date, a few megabytes whatever the grid."""

    name: str
    """Its scene ids, joined by a blank."""

    band: str
    patches: tuple[ReferencePatch, ...]

    @property
    def usable_share(self) -> float:
        """Share of the windows' pixels that are usable, 0 to 1."""
        return float(np.mean([np.isfinite(patch.values).mean() for patch in self.patches]))

    def serves(self, options: CoregisterOptions) -> bool:
        """Returns whether enough windows are usable for any scene to be told by them."""
        usable = sum(bool(np.isfinite(patch.values).mean() >= options.shift.min_usable) for patch in self.patches)
        return usable >= options.shift.min_windows


def compared_band(group: str, bands: tuple[str, ...]) -> str | None:
    """Returns the band by which the scenes of a group are compared, None where it holds none that serves."""
    return next((band for band in BANDS.get(group, ()) if band in bands), None)


def reference_of_source(source: Source, group: str, options: CoregisterOptions) -> Reference | None:
    """Returns the windows of a scene that is about to become the reference, None where no band serves.

    Raises:
        ReadFailed: A raster is damaged.
    """
    band = compared_band(group, source.bands)
    if band is None or source.scene.asset(band) is None:
        return None
    grid, narrow = source.run.grid, of_band(source, band)
    found = tuple(
        ReferencePatch(block=block, values=_usable_band(narrow, group, band, block))
        for block in reference_blocks(grid, options)
    )
    return Reference(name=source.scene.id, band=band, patches=found)


def reference_of_group(group: zarr.Group, name: str, grid: TargetGrid, options: CoregisterOptions) -> Reference | None:
    """Returns the windows of a stored date, None where the group holds no date or no band that serves.

    Args:
        group: The group.
        name: Id of the reference scene. Where it was superseded, its successor stands for it, and where that cannot be
            told the earliest date.
        grid: The cube's.
        options: Size and number of the windows.
    """
    bands = tuple(map(str, values_of(group, "band")))
    band = compared_band(group.basename, bands)
    index = _date_of(group, name)
    if band is None or index is None:
        return None
    spec = GROUP_SPECS[cast("Group", group.basename)]
    values, valid = array_of(group, spec.value_name), array_of(group, "valid")
    found = []
    for block in reference_blocks(grid, options):
        stored = np.asarray(values[index, bands.index(band), *block.slices])
        clear = np.asarray(valid[index, *block.slices])
        patch = np.where(clear, unpack_values(stored, spec), np.float32(np.nan))
        found.append(ReferencePatch(block=block, values=patch))
    return Reference(name=name, band=band, patches=tuple(found))


def _date_of(group: zarr.Group, name: str) -> int | None:
    dates = stored_dates(group)
    holders = [index for index, date in enumerate(dates) if name in date.scene_ids]
    heirs = [index for index, date in enumerate(dates) if f'"{name}"' in date.lineage]
    return next(iter([*holders, *heirs, *range(len(dates))]), None)


def reference_blocks(grid: TargetGrid, options: CoregisterOptions) -> tuple[Block, ...]:
    """Returns the windows of a grid that are compared."""
    return tuple(
        Block(row=rows.start, col=cols.start, height=rows.stop - rows.start, width=cols.stop - cols.start)
        for rows, cols in patches(grid.shape, options.shift)
    )


def register(source: Source, group: str, reference: Reference, options: CoregisterOptions) -> Registration:
    """Returns where a scene lies against a reference.

    Raises:
        ReadFailed: A raster is damaged.
    """
    grid, margin = source.run.grid, int(np.ceil(options.shift.max_px)) + 1
    shifts, narrow = [], of_band(source, reference.band)
    for patch in reference.patches:
        around = with_halo(patch.block, margin, grid.shape)
        image = _usable_band(narrow, group, reference.band, around)
        corner = (patch.block.row - around.row, patch.block.col - around.col)
        shift = patch_shift(patch.values, image, corner, options.shift)
        if shift is not None:
            shifts.append(shift)
    found = agree(np.array(shifts, dtype=np.float64).reshape(-1, 2), options.shift)
    return Registration(reference=reference.name, band=reference.band, shift=found, resolution=grid.resolution)


def registered(source: Source, group: str, reference: Reference, options: CoregisterOptions) -> Source:
    """Returns a scene with its registration, moved back where that is asked for.

    A shift that could not be told lets the scene through under every action: it is recorded and noted, nothing is done.

    Raises:
        Skipped: `misregistered` beyond the gate, `unreadable` where a window cannot be read.
    """
    try:
        registration = register(source, group, reference, options)
    except ReadFailed as error:
        raise Skipped("unreadable", str(error)) from error
    limit_m = options.limit_m(source.run.grid.resolution)
    if options.action == "gate" and registration.length_m > limit_m:
        raise Skipped(
            "misregistered",
            f"a scene lies within {limit_m:g} m of {reference.name}, {source.scene.id} lies "
            f"{registration.shift_x_m:+.1f} m east and {registration.shift_y_m:+.1f} m north of it; raise max_shift_m "
            "or set action: correct",
        )
    if options.action == "correct" and registration.shift.is_measured:
        source = moved(source, registration)
        registration = registration.as_applied()
    notes = (*source.notes, *filter(None, [registration.note]))
    return dataclasses.replace(source, registration=registration, notes=notes)


def of_band(source: Source, band: str) -> Source:
    """Returns a scene that reads one band with its masks: the windows of all bands would cost as much as the cube."""
    assert isinstance(source.lazy, LazyScene), "radar images on their sensor's own lattice are not compared"

    def kept(planes: Mapping[str, Plane]) -> dict[str, Plane]:
        return {name: plane for name, plane in planes.items() if name == band or name not in source.bands}

    grid, reader = source.run.grid, source.lazy.reader_name
    lazy = open_scene(source.scene.id, kept(source.lazy.planes), grid, chunk=max(grid.shape), reader=reader)
    conversion = dataclasses.replace(source.conversion, bands=(band,), planes=kept(source.conversion.planes))  # type: ignore[type-var]
    run = dataclasses.replace(source.run, bands=(band,))
    return dataclasses.replace(source, bands=(band,), lazy=lazy, conversion=conversion, run=run)


def moved(source: Source, registration: Registration) -> Source:
    """Returns a scene whose rasters are read moved back by its shift: quantities bilinear, classes nearest."""
    assert isinstance(source.lazy, LazyScene), "radar images on their sensor's own lattice are not compared"
    grid, sensor = source.run.grid, load_sensor(source.scene.sensor)
    masks = {band.id for band in sensor.bands if band.kind == "mask"}
    planes = {
        band: moved_plane(plane, grid, registration, "class" if band in masks else "quantity")
        for band, plane in source.lazy.planes.items()
    }
    chunk = max(grid.shape)
    return dataclasses.replace(
        source, lazy=open_scene(source.scene.id, planes, grid, chunk=chunk, reader=source.lazy.reader_name)
    )


def moved_plane(plane: Plane, grid: TargetGrid, registration: Registration, meaning: Meaning) -> Plane:
    """Returns a raster whose origin is moved back; what its item says of it moves along, so that it is not overruled.

    In another CRS than the grid's a metre of the shift has another length and direction: those at the grid's middle.
    """
    x_min, y_min, x_max, y_max = grid.bounds
    xs, ys = np.full(2, (x_min + x_max) / 2), np.full(2, (y_min + y_max) / 2)
    xs[1] += registration.shift_x_m
    ys[1] += registration.shift_y_m
    if plane.header.epsg != grid.epsg:
        from pyproj import Transformer

        xs, ys = Transformer.from_crs(grid.epsg, plane.header.crs, always_xy=True).transform(xs, ys)
    east, north = float(xs[1] - xs[0]), float(ys[1] - ys[0])

    def back(transform: Affine) -> Affine:
        a, b, c, d, e, f = transform
        return a, b, c - east, d, e, f - north

    header = dataclasses.replace(plane.header, transform=back(plane.header.transform))
    stated = plane.asset.transform
    asset = plane.asset if stated is None else dataclasses.replace(plane.asset, transform=back(stated))
    resampling = choose_resampling(header, grid, meaning)
    return dataclasses.replace(plane, asset=asset, header=header, resampling=resampling)


def _usable_band(source: Source, group: str, band: str, block: Block) -> NDArray[np.float32]:
    layer = source.read(block)
    stored = layer.values[source.bands.index(band)]
    values = unpack_values(stored, GROUP_SPECS[cast("Group", group)])
    return np.where(usable(layer.reason), values, np.float32(np.nan))
