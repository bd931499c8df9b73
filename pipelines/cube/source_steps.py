"""Scenes whose numbers stay in the steps of their own product: Landsat, MODIS, and images without calibration."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.cube.errors import ReadFailed
from pipelines.cube.layer import Layer, missing_bits
from pipelines.cube.plane import plane_of, wanted_assets
from pipelines.physics import Uncalibrated, reasons_without_mask
from pipelines.schema import GROUP_SPECS, REASON_DTYPE, Group, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalogs.scenes import Scene
    from catalogs.sensors import Sensor
    from pipelines.cube.load import Pixels, Plane
    from pipelines.grid import TargetGrid

    MaskRule = Callable[[NDArray[np.integer]], NDArray[np.uint16]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsConversion:
    """Stored numbers to stored numbers: the same steps, with the cube's fill and with reasons."""

    scene_id: str
    group: Group
    bands: tuple[str, ...]
    planes: Mapping[str, Plane]
    rule_name: str
    evidence: dict[str, object]
    masks: Mapping[str, MaskRule] = field(default_factory=dict)
    """By band of a mask, what its values say; without any, `not_masked` stands."""

    @property
    def _values(self) -> tuple[int, ...]:
        return tuple(index for index, band in enumerate(self.bands) if band in self.planes)

    def convert(self, pixels: Mapping[str, Pixels], shape: tuple[int, int]) -> Layer:
        """Returns the steps of every band; a value that the group cannot hold stands at its end, flagged saturated.

        Raises:
            ReadFailed: A mask holds no bits.
        """
        spec = GROUP_SPECS[self.group]
        low, high = spec.limits
        values = np.full((len(self.bands), *shape), spec.fill, dtype=spec.dtype)
        missing = np.ones(values.shape, dtype=np.bool_)
        beyond = np.zeros(shape, dtype=np.bool_)
        for index in self._values:
            band = self.bands[index]
            steps, missing[index] = _whole_steps(pixels[band], self.planes[band].stored_nodata)
            beyond |= ~missing[index] & ((steps < low) | (steps > high))
            values[index] = np.where(missing[index], spec.fill, np.clip(steps, low, high)).astype(spec.dtype)
        reason = self._mask(pixels, shape)
        reason[beyond] |= np.uint16(int(Reason.SATURATED))
        return Layer(values=values, reason=reason | missing_bits(missing[list(self._values)]))

    def _mask(self, pixels: Mapping[str, Pixels], shape: tuple[int, int]) -> NDArray[np.uint16]:
        if not self.masks:
            return reasons_without_mask(shape)
        reason = np.zeros(shape, dtype=REASON_DTYPE)
        for band, rule in self.masks.items():
            try:
                reason |= rule(pixels[band])  # type: ignore[arg-type]
            except ValueError as error:
                href = self.planes[band].asset.href
                raise ReadFailed(scene_id=self.scene_id, href=href, cause=str(error)) from error
        return reason


def value_planes(
    scene: Scene, bands: tuple[str, ...], grid: TargetGrid, sensor: Sensor, *, dtypes: frozenset[str]
) -> dict[str, Plane]:
    """Returns the rasters of the bands that a scene carries, their fill value taken from the facts where it is silent.

    Args:
        scene: The scene.
        bands: Of the cube.
        grid: The target.
        sensor: Of the scene.
        dtypes: Types that the sensor's files may have.

    Raises:
        Uncalibrated: A file is of another type: it does not hold what its item says.
        ReadFailed: A raster cannot be opened.
    """
    product = sensor.product(scene.collection, scene.product_type)
    own = None if product is None else product.nodata
    planes = {}
    for asset in wanted_assets(scene, bands):
        default = sensor.band(asset.band).nodata if own is None else own
        known = asset if asset.nodata is not None else dataclasses.replace(asset, nodata=default)
        plane = plane_of(scene, known, grid, "quantity")
        if plane.header.dtype not in dtypes:
            raise Uncalibrated(
                f"{asset.band} of {sensor.name} holds {' or '.join(sorted(dtypes))}, {asset.href} holds "
                f"{plane.header.dtype}; take the original product"
            )
        planes[asset.band] = plane
    return planes


def _whole_steps(dn: Pixels, nodata: float | None) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    missing: NDArray[Any] = np.isnan(dn) if dn.dtype.kind == "f" else np.zeros(dn.shape, dtype=np.bool_)
    if nodata is not None and not math.isnan(nodata):
        missing |= dn == nodata
    whole = np.rint(np.where(missing, 0, dn)) if dn.dtype.kind == "f" else dn
    return whole.astype(np.int64), missing
