"""Landsat Collection 2 Level 2 scenes: surface reflectance in the product's steps, reasons from its bit planes."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Final

from catalogs.sensors import load_sensor
from pipelines.cube.plane import plane_of, wanted_assets
from pipelines.cube.source_steps import StepsConversion, value_planes
from pipelines.physics.landsat import (
    SENSOR,
    STORED_DTYPE,
    landsat_rule,
    reasons_from_qa_pixel,
    reasons_from_qa_radsat,
)

if TYPE_CHECKING:
    from catalogs.scenes import Scene
    from pipelines.cube.source_steps import MaskRule
    from pipelines.grid import TargetGrid

QA_PIXEL: Final = "QA_PIXEL"
QA_RADSAT: Final = "QA_RADSAT"


def prepare_landsat(scene: Scene, bands: tuple[str, ...], grid: TargetGrid) -> StepsConversion:
    """Returns how a Landsat scene is read.

    Raises:
        Uncalibrated: Its numbers are not the steps of Level 2 surface reflectance as far as the item or a file says.
        ReadFailed: A raster cannot be opened.
    """
    rule = landsat_rule(scene, wanted_assets(scene, bands))
    planes = value_planes(scene, bands, grid, load_sensor(SENSOR), dtypes=frozenset({STORED_DTYPE}))
    carried = tuple(planes)
    masks: dict[str, MaskRule] = {}
    for name, meaning in (
        (QA_PIXEL, reasons_from_qa_pixel),
        (QA_RADSAT, functools.partial(reasons_from_qa_radsat, bands=carried)),
    ):
        asset = scene.asset(name)
        if asset is not None:
            planes[name] = plane_of(scene, asset, grid, "class")
            masks[name] = meaning
    return StepsConversion(
        scene_id=scene.id,
        group="l8",
        bands=bands,
        planes=planes,
        rule_name=rule.name,
        evidence=json.loads(rule.to_json()),
        masks=masks,
    )
