"""MODIS scenes: surface reflectance in steps of 1e-4, reasons from the state flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catalogs.sensors import load_sensor
from pipelines.cube.plane import plane_of, wanted_assets
from pipelines.cube.source_steps import StepsConversion, value_planes
from pipelines.physics.modis import SENSOR, modis_rule, reasons_from_state
from pipelines.schema import GROUP_SPECS

if TYPE_CHECKING:
    from catalogs.scenes import Scene
    from pipelines.cube.source_steps import MaskRule
    from pipelines.grid import TargetGrid

STATE: Final = "STATE"
_DTYPES: Final = frozenset({"int16"})


def prepare_modis(scene: Scene, bands: tuple[str, ...], grid: TargetGrid) -> StepsConversion:
    """Returns how a MODIS scene is read.

    Raises:
        Uncalibrated: The item declares another scale than the product's or an offset, or a file holds no int16.
        ReadFailed: A raster cannot be opened.
    """
    spec = GROUP_SPECS["modis"]
    rule = modis_rule(scene, wanted_assets(scene, bands))
    planes = value_planes(scene, bands, grid, load_sensor(SENSOR), dtypes=_DTYPES)
    masks: dict[str, MaskRule] = {}
    state = scene.asset(STATE)
    if state is not None:
        planes[STATE] = plane_of(scene, state, grid, "class")
        masks[STATE] = reasons_from_state
    return StepsConversion(
        scene_id=scene.id,
        group="modis",
        bands=bands,
        planes=planes,
        rule_name=rule,
        evidence={"rule": rule, "scale": spec.scale_factor, "offset": 0.0},
        masks=masks,
    )
