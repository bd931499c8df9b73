"""One raster of a scene with the way it comes to the grid."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from catalogs.sensors import load_sensor
from pipelines.cube.errors import ReadFailed
from pipelines.cube.load import Plane, read_header
from pipelines.cube.resampling import choose_resampling

if TYPE_CHECKING:
    from catalogs.scenes import Asset, Scene
    from pipelines.cube.resampling import Meaning
    from pipelines.grid import TargetGrid


def plane_of(scene: Scene, asset: Asset, grid: TargetGrid, meaning: Meaning) -> Plane:
    """Returns a raster and its resampling, decided from its header.

    A plane of classes or bits of which neither item nor file says what stands for nothing takes the fill value of the
    sensor's facts: beside the plane nothing is known, and a 0 would say in some of them that the pixel is clear.

    Args:
        scene: The scene.
        asset: The raster.
        grid: The target.
        meaning: What its numbers are.

    Raises:
        ReadFailed: The file cannot be opened, has no single band or no CRS, or holds complex numbers.
    """
    header = read_header(asset, scene.id)
    if meaning == "class" and asset.nodata is None and header.nodata is None:
        asset = dataclasses.replace(asset, nodata=load_sensor(scene.sensor).band(asset.band).nodata)
    if meaning == "quantity" and "complex" in header.dtype:
        cause = f"reflectance and power are real numbers, it holds {header.dtype}"
        raise ReadFailed(scene_id=scene.id, href=asset.href, cause=cause, fault="unfit", band=asset.band)
    return Plane(asset=asset, header=header, resampling=choose_resampling(header, grid, meaning))


def overruled(plane: Plane) -> tuple[str, ...]:
    """Returns what the item says of a raster's grid and the file's own header does not: the file was believed."""
    asset, header = plane.asset, plane.header
    found = []
    if asset.epsg is not None and asset.epsg != header.epsg:
        found.append(f"proj:code EPSG:{asset.epsg} overruled, the file has EPSG:{header.epsg}")
    if asset.shape is not None and asset.shape != header.shape:
        found.append(f"proj:shape {list(asset.shape)} overruled, the file has {list(header.shape)}")
    if asset.transform is not None and not _same_lattice(asset.transform, header.transform):
        found.append(f"proj:transform {list(asset.transform)} overruled, the file has {list(header.transform)}")
    return tuple(found)


def _same_lattice(stated: tuple[float, ...], own: tuple[float, ...]) -> bool:
    # a thousandth of a pixel: what decimal fractions of degrees lose on their way through JSON
    tolerance = 1e-3 * max(map(abs, (own[0], own[1], own[3], own[4])))
    return all(abs(one - other) <= tolerance for one, other in zip(stated, own, strict=True))


def wanted_assets(scene: Scene, bands: tuple[str, ...]) -> tuple[Asset, ...]:
    """Returns the assets of the cube's bands that a scene carries, in the order of the bands."""
    return tuple(asset for asset in (scene.asset(band) for band in bands) if asset is not None)
