"""What a build is to hold: dates and bands by group, beside what the cube holds already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catalogs.sensors import group_of
from pipelines.cube.acquisition import Acquisition, acquisitions
from pipelines.cube.band_choice import require_known
from pipelines.cube.configuration import CubeConfiguration, require_same, stored_configuration
from pipelines.cube.group import stored_dates
from pipelines.schema import GROUPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import zarr

    from catalogs.scenes import Scene
    from pipelines.cube.options import BuildOptions
    from pipelines.cube.plan import StoredDate
    from pipelines.grid import TargetGrid

DEFAULT_BANDS: Final[dict[str, tuple[str, ...]]] = {
    "s2": ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
    "s1": ("VV", "VH", "HH", "HV"),
    "l8": ("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"),
    "modis": ("B01", "B02", "B03", "B04", "B05", "B06", "B07"),
    "slc": ("VV", "VH", "HH", "HV"),
    "vhr": ("blue", "green", "red", "nir"),
}
"""Bands taken where none are named and a scene carries them: those that see the ground, and any polarisation."""


def dates_by_group(scenes: tuple[Scene, ...]) -> dict[str, tuple[Acquisition, ...]]:
    """Returns the scenes gathered into dates, by group; a group without scenes has none."""
    gathered: dict[str, list[Scene]] = {group: [] for group in GROUPS}
    for scene in scenes:
        gathered[group_of(scene)].append(scene)
    return {group: acquisitions(members, group) for group, members in gathered.items()}


def configuration_of(
    root: zarr.Group | None,
    uri: str,
    grid: TargetGrid,
    options: BuildOptions,
    wanted: Mapping[str, tuple[Acquisition, ...]],
) -> CubeConfiguration:
    """Returns the bands of every group: as asked for, else as stored, else those of the default that scenes carry.

    Args:
        root: The cube's root group, None where nothing was written yet.
        uri: Where it lies, for messages.
        grid: The grid of the build.
        options: Of the build.
        wanted: Dates by group.

    Raises:
        CubeError: The cube has another grid, other bands, another recipe or schema version.
    """
    named = {str(group): options.bands(group) for group in GROUPS}
    asked = {group: bands for group, bands in named.items() if bands is not None}
    for group, bands_asked in asked.items():
        require_known(group, bands_asked)
    stored = stored_configuration(root, uri)
    if stored is not None:
        require_same(stored, grid=grid, asked=asked, recipe=options.recipe, uri=uri)
    held: Mapping[str, tuple[str, ...]] = stored.bands if stored is not None else {}
    bands = {group: asked.get(group) or held.get(group) or _carried(group, wanted[group]) for group in named}
    return CubeConfiguration(grid=grid, bands=bands, recipe=options.recipe.to_dict())


def _carried(group: str, dates: tuple[Acquisition, ...]) -> tuple[str, ...]:
    carried = {asset.band for date in dates for scene in date.scenes for asset in scene.assets}
    # where no scene carries any, each is to be skipped for the lack of all of them
    return tuple(band for band in DEFAULT_BANDS[group] if band in carried) or DEFAULT_BANDS[group]


def stored_by_group(root: zarr.Group | None) -> dict[str, tuple[StoredDate, ...]]:
    """Returns the dates that a cube holds, by group."""
    return {} if root is None else {name: stored_dates(group) for name, group in root.groups()}
