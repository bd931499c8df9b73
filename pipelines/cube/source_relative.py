"""Aerial and very high resolution images: numbers as delivered, comparable within an image and never reflectance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catalogs.sensors import load_sensor
from pipelines.cube.source_steps import StepsConversion, value_planes

if TYPE_CHECKING:
    from catalogs.scenes import Scene
    from pipelines.grid import TargetGrid

_DTYPES: Final = frozenset({"uint8", "uint16"})


def prepare_relative(scene: Scene, bands: tuple[str, ...], grid: TargetGrid) -> StepsConversion:
    """Returns how an image that is not calibrated is read.

    A scale that its item declares is not applied: without a sun angle and a calibration of the day it would only look
    like reflectance. It is recorded.

    Raises:
        Uncalibrated: A file holds other numbers than 8 or 16 bits.
        ReadFailed: A raster cannot be opened.
    """
    sensor = load_sensor(scene.sensor)
    planes = value_planes(scene, bands, grid, sensor, dtypes=_DTYPES)
    declared = {band: [plane.asset.scale, plane.asset.offset, plane.asset.unit] for band, plane in planes.items()}
    return StepsConversion(
        scene_id=scene.id,
        group="vhr",
        bands=bands,
        planes=planes,
        rule_name="relative",
        evidence={"rule": "relative", "sensor": sensor.name, "declared_and_not_applied": declared},
    )
