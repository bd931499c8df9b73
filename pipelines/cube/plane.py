"""One raster of a scene with the way it comes to the grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.cube.load import Plane, read_header
from pipelines.cube.resampling import choose_resampling

if TYPE_CHECKING:
    from catalogs.scenes import Asset, Scene
    from pipelines.cube.resampling import Meaning
    from pipelines.grid import TargetGrid


def plane_of(scene: Scene, asset: Asset, grid: TargetGrid, meaning: Meaning) -> Plane:
    """Returns a raster and its resampling, decided from its header.

    Args:
        scene: The scene, for messages.
        asset: The raster.
        grid: The target.
        meaning: What its numbers are.

    Raises:
        ReadFailed: The file cannot be opened, or has no single band or no CRS.
    """
    header = read_header(asset, scene.id)
    return Plane(asset=asset, header=header, resampling=choose_resampling(header, grid, meaning))


def wanted_assets(scene: Scene, bands: tuple[str, ...]) -> tuple[Asset, ...]:
    """Returns the assets of the cube's bands that a scene carries, in the order of the bands."""
    return tuple(asset for asset in (scene.asset(band) for band in bands) if asset is not None)
