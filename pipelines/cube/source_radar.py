"""Sentinel-1 scenes, ground range detected or terrain corrected: linear power."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from pipelines.cube.errors import ReadFailed
from pipelines.cube.layer import Layer, missing_bits
from pipelines.cube.load import Plane, read_header
from pipelines.cube.plane import plane_of, wanted_assets
from pipelines.cube.resampling import Meaning, choose_resampling
from pipelines.physics import PowerRule, power_rule, reasons_without_mask, to_power
from pipelines.physics.radar_mask import MASK_BANDS, mask_convention, reasons_from_radar_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalogs.scenes import Scene
    from pipelines.cube.load import Pixels
    from pipelines.grid import TargetGrid
    from pipelines.physics.radar_mask import MaskConvention


@dataclass(frozen=True, slots=True, kw_only=True)
class RadarConversion:
    """Power, decibels or amplitudes to linear power by the rule of each polarisation."""

    scene_id: str
    bands: tuple[str, ...]
    planes: Mapping[str, Plane]
    rules: Mapping[str, PowerRule]
    """By polarisation."""

    mask: tuple[str, MaskConvention] | None = None
    """Band of the scene's mask of layover and shadow, and what its numbers mean."""

    notes: tuple[str, ...] = ()

    @property
    def rule_name(self) -> str:
        """Name of the rule; of both, joined by a plus sign, where the polarisations differ."""
        return "+".join(dict.fromkeys(rule.kind for rule in self.rules.values()))

    @property
    def evidence(self) -> dict[str, object]:
        """The rule of each polarisation."""
        rules = {band: json.loads(rule.to_json()) for band, rule in self.rules.items()}
        mask = "none" if self.mask is None else f"{self.mask[0]} of {self.mask[1]}"
        return {"polarisations": rules, "mask": mask, "contradictions": list(self.notes)}

    def convert(self, pixels: Mapping[str, Pixels], shape: tuple[int, int]) -> Layer:
        """Returns linear power with the reasons of the scene's mask; without one `not_masked` stands.

        Raises:
            ReadFailed: A raster holds no such values as its item says.
        """
        values = np.full((len(self.bands), *shape), np.nan, dtype=np.float32)
        for index, band in enumerate(self.bands):
            if band not in pixels:
                continue
            plane = self.planes[band]
            try:
                values[index] = to_power(pixels[band], self.rules[band], nodata=plane.stored_nodata)
            except ValueError as error:
                raise ReadFailed(scene_id=self.scene_id, href=plane.asset.href, cause=str(error)) from error
        carried = [index for index, band in enumerate(self.bands) if band in pixels]
        return Layer(values=values, reason=self._reasons(pixels, shape) | missing_bits(np.isnan(values[carried])))

    def _reasons(self, pixels: Mapping[str, Pixels], shape: tuple[int, int]) -> NDArray[np.uint16]:
        if self.mask is None:
            return reasons_without_mask(shape)
        band, convention = self.mask
        try:
            return reasons_from_radar_mask(cast("NDArray[np.integer]", pixels[band]), convention)
        except ValueError as error:
            href = self.planes[band].asset.href
            raise ReadFailed(scene_id=self.scene_id, href=href, cause=str(error), band=band) from error


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
    mask, notes = None, []
    for asset in (held for held in (scene.asset(band) for band in MASK_BANDS) if held is not None):
        convention = mask_convention(scene, asset.band)
        if convention is None:
            notes.append(f"mask of {scene.collection} not used: what its numbers mean is not known")
        elif mask is None:
            mask = asset.band, convention
            planes[asset.band] = plane_of(scene, asset, grid, "class")
    return RadarConversion(scene_id=scene.id, bands=bands, planes=planes, rules=rules, mask=mask, notes=tuple(notes))
