"""Geocoded single-look complex radar images: squared magnitude, calibrated only where the item says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from catalogs.sensors import load_sensor
from pipelines.cube.errors import ReadFailed
from pipelines.cube.layer import Layer, missing_bits
from pipelines.cube.plane import plane_of, wanted_assets
from pipelines.physics import Uncalibrated, reasons_without_mask
from pipelines.physics.slc import power_of
from pipelines.physics.slc_rule import SlcRule, slc_rule

if TYPE_CHECKING:
    from catalogs.scenes import Scene
    from pipelines.cube.load import Pixels, Plane
    from pipelines.grid import TargetGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplexConversion:
    """Complex pixels to |S|^2."""

    scene_id: str
    bands: tuple[str, ...]
    planes: Mapping[str, Plane]
    rules: Mapping[str, SlcRule]
    """By polarisation."""

    @property
    def rule_name(self) -> str:
        """Name of the rule; of all, joined by a plus sign, where the polarisations differ."""
        return "+".join(dict.fromkeys(rule.name for rule in self.rules.values()))

    @property
    def evidence(self) -> dict[str, object]:
        """The rule of each polarisation."""
        return {"polarisations": {band: rule.to_dict() for band, rule in self.rules.items()}}

    def convert(self, pixels: Mapping[str, Pixels], shape: tuple[int, int]) -> Layer:
        """Returns intensity; no mask comes with the scenes, so `not_masked` stands.

        Raises:
            ReadFailed: A raster holds no such numbers as its item says.
        """
        values = np.full((len(self.bands), *shape), np.nan, dtype=np.float32)
        carried = [index for index, band in enumerate(self.bands) if band in self.planes]
        for index in carried:
            plane = self.planes[self.bands[index]]
            try:
                amplitude = np.asarray(pixels[plane.asset.band], dtype=np.complex64)
                values[index] = power_of(amplitude * np.float32(self.rules[plane.asset.band].scale))
            except ValueError as error:
                raise ReadFailed(scene_id=self.scene_id, href=plane.asset.href, cause=str(error)) from error
        return Layer(values=values, reason=reasons_without_mask(shape) | missing_bits(np.isnan(values[carried])))


def prepare_complex(scene: Scene, bands: tuple[str, ...], grid: TargetGrid) -> ComplexConversion:
    """Returns how a complex scene is read.

    Its pixels come to the grid as they are or from the nearest neighbour: the mean of complex numbers is not that of
    power.

    Raises:
        Uncalibrated: A raster is not complex.
        ReadFailed: A raster cannot be opened, or lies in radar geometry.
    """
    planes, rules, sensor = {}, {}, load_sensor(scene.sensor)
    for asset in wanted_assets(scene, bands):
        fill = sensor.band(asset.band).nodata if asset.nodata is None else asset.nodata
        plane = plane_of(scene, dataclasses.replace(asset, nodata=fill), grid, "nonlinear")
        if plane.dtype.kind != "c":
            raise Uncalibrated(
                f"{asset.band} of a complex image holds complex numbers, {asset.href} holds {plane.header.dtype}; take "
                "the single-look complex product"
            )
        planes[asset.band], rules[asset.band] = plane, slc_rule(asset, scene)
    return ComplexConversion(scene_id=scene.id, bands=bands, planes=planes, rules=rules)
