"""MODIS scenes: surface reflectance in steps of 1e-4, reasons from the state flags."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from catalogs.sensors import load_sensor
from pipelines.cube.plane import plane_of, wanted_assets
from pipelines.cube.source_steps import StepsConversion, value_planes
from pipelines.physics import Uncalibrated
from pipelines.physics.modis import SENSOR, reasons_from_state
from pipelines.schema import GROUP_SPECS

if TYPE_CHECKING:
    from catalogs.scenes import Scene
    from pipelines.cube.source_steps import MaskRule
    from pipelines.grid import TargetGrid

STATE: Final = "STATE"
_DTYPES: Final = frozenset({"int16"})
_RELATIVE_TOLERANCE = 1e-9


def prepare_modis(scene: Scene, bands: tuple[str, ...], grid: TargetGrid) -> StepsConversion:
    """Returns how a MODIS scene is read.

    Raises:
        Uncalibrated: The item declares another scale than the product's, or a file holds no int16.
        ReadFailed: A raster cannot be opened.
    """
    spec = GROUP_SPECS["modis"]
    assert spec.scale_factor is not None, "MODIS is stored in steps"
    for asset in wanted_assets(scene, bands):
        scale, offset = asset.scale, asset.offset
        other = scale is not None and not math.isclose(scale, spec.scale_factor, rel_tol=_RELATIVE_TOLERANCE)
        if other or offset not in (None, 0.0):
            raise Uncalibrated(
                f"surface reflectance of MODIS is DN * {spec.scale_factor}, {scene.id} declares {scale} and {offset} "
                f"for {asset.band}; correct the item"
            )
    planes = value_planes(scene, bands, grid, load_sensor(SENSOR), dtypes=_DTYPES)
    masks: dict[str, MaskRule] = {}
    state = scene.asset(STATE)
    if state is not None:
        planes[STATE] = plane_of(scene, state, grid, "class")
        masks[STATE] = reasons_from_state
    stated = all(asset.scale is not None for asset in wanted_assets(scene, bands))
    return StepsConversion(
        scene_id=scene.id,
        group="modis",
        bands=bands,
        planes=planes,
        rule_name="declared" if stated else "product",
        evidence={"rule": "declared" if stated else "product", "scale": spec.scale_factor, "offset": 0.0},
        masks=masks,
    )
