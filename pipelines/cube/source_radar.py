"""Sentinel-1 scenes, ground range detected or terrain corrected: linear power."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.cube.errors import ReadFailed
from pipelines.cube.layer import Layer, missing_bits
from pipelines.cube.load import Plane, read_header
from pipelines.cube.plane import wanted_assets
from pipelines.cube.resampling import Meaning, choose_resampling
from pipelines.physics import PowerRule, power_rule, reasons_without_mask, to_power

if TYPE_CHECKING:
    from catalogs.scenes import Scene
    from pipelines.cube.load import Pixels
    from pipelines.grid import TargetGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class RadarConversion:
    """Power, decibels or amplitudes to linear power by the rule of each polarisation."""

    scene_id: str
    bands: tuple[str, ...]
    planes: Mapping[str, Plane]
    rules: Mapping[str, PowerRule]
    """By polarisation."""

    @property
    def rule_name(self) -> str:
        """Name of the rule; of both, joined by a plus sign, where the polarisations differ."""
        return "+".join(dict.fromkeys(rule.kind for rule in self.rules.values()))

    @property
    def evidence(self) -> dict[str, object]:
        """The rule of each polarisation."""
        return {"polarisations": {band: json.loads(rule.to_json()) for band, rule in self.rules.items()}}

    def convert(self, pixels: Mapping[str, Pixels], shape: tuple[int, int]) -> Layer:
        """Returns linear power; no mask of layover and shadow comes with the scenes, so `not_masked` stands.

        Raises:
            ReadFailed: A raster holds no such values as its item says.
        """
        values = np.full((len(self.bands), *shape), np.nan, dtype=np.float32)
        for index, band in enumerate(self.bands):
            if band not in pixels:
                continue
            plane = self.planes[band]
            try:
                values[index] = to_power(pixels[band], self.rules[band], nodata=plane.asset.nodata)
            except ValueError as error:
                raise ReadFailed(scene_id=self.scene_id, href=plane.asset.href, cause=str(error)) from error
        carried = [index for index, band in enumerate(self.bands) if band in pixels]
        return Layer(values=values, reason=reasons_without_mask(shape) | missing_bits(np.isnan(values[carried])))


def prepare_radar(scene: Scene, bands: tuple[str, ...], grid: TargetGrid) -> RadarConversion:
    """Returns how a Sentinel-1 scene is read.

    Raises:
        Uncalibrated: The values are neither power nor decibels nor amplitude as far as the item says.
        ReadFailed: A raster cannot be opened.
    """
    rules, planes = {}, {}
    for asset in wanted_assets(scene, bands):
        if asset.data_type:  # refused by what the item says before its file is looked at: digital numbers have no CRS
            power_rule(asset, scene)
        header = read_header(asset, scene.id)
        known = asset if asset.data_type else dataclasses.replace(asset, data_type=header.dtype)
        rules[asset.band] = power_rule(known, scene)
        meaning: Meaning = "quantity" if rules[asset.band].kind == "linear" else "nonlinear"
        planes[asset.band] = Plane(asset=asset, header=header, resampling=choose_resampling(header, grid, meaning))
    return RadarConversion(scene_id=scene.id, bands=bands, planes=planes, rules=rules)
