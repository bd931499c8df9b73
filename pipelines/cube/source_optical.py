"""Sentinel-2 scenes: packed reflectance with the reasons of the scene classification."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from pipelines.cube.errors import ReadFailed
from pipelines.cube.layer import Layer, missing_bits
from pipelines.cube.plane import plane_of, wanted_assets
from pipelines.cube.verdict import OffsetCheck, OnContradiction, check_offset, settle
from pipelines.physics import (
    RadiometricRule,
    decide_rule,
    pack_reflectance,
    reasons_from_scl,
    reasons_without_mask,
)
from pipelines.physics.radiometry import require_steps
from pipelines.schema import PACKED_DTYPE, PACKED_FILL, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalogs.scenes import Scene
    from pipelines.cube.load import Pixels, Plane
    from pipelines.grid import TargetGrid

MASK_BAND = "SCL"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpticalConversion:
    """Digital numbers to packed reflectance by the scene's radiometric rule."""

    scene_id: str
    bands: tuple[str, ...]
    """Bands of the cube; those that the scene lacks are filled."""

    planes: Mapping[str, Plane]
    rule: RadiometricRule
    check: OffsetCheck | None = None
    """What the pixels say of the rule of the metadata; None before they were asked."""

    @property
    def rule_name(self) -> str:
        """Name of the radiometric rule."""
        return self.rule.name

    @property
    def evidence(self) -> dict[str, object]:
        """The rule, what the item said and what the pixels say."""
        record: dict[str, object] = json.loads(self.rule.to_json())
        if self.check is None:
            return record
        if self.check.verdict == "contradicts":
            told = f"the pixels contradict the metadata, read by rule {self.rule.name}: {self.check.finding.because}"
            record["contradictions"] = [*self.rule.contradictions, told]
        return {**record, "pixels": self.check.to_dict()}

    def convert(self, pixels: Mapping[str, Pixels], shape: tuple[int, int]) -> Layer:
        """Returns packed reflectance; where a classification says nodata but a band has a value, the mask stands.

        Raises:
            ReadFailed: The classification holds no classes.
        """
        values = np.empty((len(self.bands), *shape), dtype=PACKED_DTYPE)
        reason = self._mask(pixels, shape)
        missing = []
        for index, band in enumerate(self.bands):
            if band not in pixels:
                values[index] = PACKED_FILL
                continue
            plane = pack_reflectance(
                pixels[band], offset_dn=self.rule.offset_dn, nodata=self.planes[band].stored_nodata
            )
            values[index] = plane.packed
            missing.append(plane.nodata)
            if plane.saturated.any():
                reason[plane.saturated] |= np.uint16(int(Reason.SATURATED))
        if any(band.any() for band in missing):  # mostly there is none, and a look is cheaper than the bits
            reason |= missing_bits(np.stack(missing))
        return Layer(values=values, reason=reason)

    def _mask(self, pixels: Mapping[str, Pixels], shape: tuple[int, int]) -> NDArray[np.uint16]:
        if MASK_BAND not in pixels:
            return reasons_without_mask(shape)
        try:
            return reasons_from_scl(cast("NDArray[np.integer]", pixels[MASK_BAND]))
        except ValueError as error:
            href = self.planes[MASK_BAND].asset.href
            raise ReadFailed(scene_id=self.scene_id, href=href, cause=str(error)) from error


def verify_optical(
    scene: Scene, conversion: OpticalConversion, grid: TargetGrid, on_contradiction: OnContradiction
) -> OpticalConversion:
    """Returns the conversion with its rule held against the pixels within the grid, before any of them is used.

    Raises:
        Contradicted: They contradict it, and the scene is to be left out.
    """
    check = check_offset(scene, conversion.rule, grid=grid)
    rule = settle(scene.id, conversion.rule, check, on_contradiction)
    return dataclasses.replace(conversion, rule=rule, check=check)


def prepare_optical(scene: Scene, bands: tuple[str, ...], grid: TargetGrid) -> OpticalConversion:
    """Returns how a Sentinel-2 scene is read.

    Raises:
        Uncalibrated: What is known does not say how its numbers become reflectance.
        ReadFailed: A raster cannot be opened.
    """
    rule = decide_rule(scene)
    planes = {}
    for asset in wanted_assets(scene, bands):
        plane = plane_of(scene, asset, grid, "quantity")
        require_steps(scene, asset, plane.header.dtype)
        planes[asset.band] = plane
    mask = scene.asset(MASK_BAND)
    if mask is not None:
        planes[MASK_BAND] = plane_of(scene, mask, grid, "class")
    return OpticalConversion(scene_id=scene.id, bands=bands, planes=planes, rule=rule)
