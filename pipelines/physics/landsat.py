"""Landsat Collection 2 Level 2: what its numbers and its bit planes mean.

Surface reflectance = DN * 0.0000275 - 0.2; DN 0 is fill (USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide,
LSDS-1619; both numbers stand in the sensor's facts). Reflectance below 0 and above 1 is kept, as the product has it.
The cube stores DN itself, so that nothing is lost. Surface temperature = DN * 0.00341802 + 149.0 K is another quantity
and no part of group `l8`.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from catalogs.sensors import load_sensor
from pipelines.physics.bit_plane import BitPlane, bit_plane, bits_to_reasons
from pipelines.physics.errors import Contradictory, Uncalibrated
from pipelines.schema import GROUP_SPECS, Reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from catalogs.scenes import Asset, Scene

SENSOR: Final = "landsat-oli-tirs"
STORED_DTYPE: Final = "uint16"
LEVEL_2: Final = frozenset({"L2SP", "L2SR"})

_RELATIVE_TOLERANCE = 1e-9
"""Decimal fractions come through JSON: far tighter than a step, far above float64 noise."""

_QA_PIXEL: Final[dict[int, Reason]] = {
    0: Reason.NODATA,  # fill
    1: Reason.CLOUD_BUFFER,  # dilated cloud: the margin that the product itself puts around clouds
    2: Reason.CIRRUS,
    3: Reason.CLOUD,
    4: Reason.CLOUD_SHADOW,
    5: Reason.SNOW,
}
"""LSDS-1619, table of QA_PIXEL. Without a bit of ours: 6 clear, 7 water, 8 to 15 the confidences, whose high levels set
the bits above."""

_OCCLUDED_BIT: Final = 11
"""LSDS-1619, table of QA_RADSAT: terrain hides the place from the sensor. It was not seen, as beyond the swath."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandsatRule:
    """On what evidence the numbers of a scene are surface reflectance in the steps of the product."""

    name: Literal["declared", "product"]
    """`declared`: the item gives scale and offset; `product`: it gives the product alone, whose steps are fixed."""

    evidence: Mapping[str, str | float | list[str] | None]

    def to_json(self) -> str:
        """Returns the rule and its evidence as one JSON object with sorted keys."""
        spec = GROUP_SPECS["l8"]
        record = {"rule": self.name, "scale": spec.scale_factor, "offset": spec.add_offset, **self.evidence}
        return json.dumps(record, sort_keys=True)


def landsat_rule(scene: Scene, assets: tuple[Asset, ...]) -> LandsatRule:
    """Returns why the bands of a scene are surface reflectance.

    1. Every band declares scale and offset: they must be those of the product.
    2. None contradicts them and the item says L2SP or L2SR: they are so by definition.
    3. Anything else is refused; Level 1 holds other quantities.

    Args:
        scene: A scene of a Landsat collection.
        assets: Its reflectance bands that are wanted.

    Raises:
        Uncalibrated: As above.
    """
    sensor = load_sensor(SENSOR)
    for asset in assets:
        for name, stated, fixed in (("scale", asset.scale, sensor.scale), ("offset", asset.offset, sensor.offset)):
            assert fixed is not None, "the facts of Landsat give scale and offset"
            if stated is not None and not math.isclose(stated, fixed, rel_tol=_RELATIVE_TOLERANCE):
                raise Contradictory(
                    f"{name} of surface reflectance is {fixed}, {scene.id} declares {stated} for {asset.band}; correct "
                    "the item, or take the Level 2 product"
                )
    silent = sorted(asset.band for asset in assets if asset.scale is None or asset.offset is None)
    if silent and scene.product_type.upper() not in LEVEL_2:
        raise Uncalibrated(
            f"{scene.id} must declare scale and offset or be one of {sorted(LEVEL_2)}, got none for {silent} and "
            f"{scene.product_type!r}; take the Level 2 product"
        )
    return LandsatRule(
        name="product" if silent else "declared",
        evidence={"product_type": scene.product_type, "collection": scene.collection, "bands_without_scale": silent},
    )


def reasons_from_qa_pixel(values: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Returns the reason bits of QA_PIXEL.

    Args:
        values: uint16 of any shape.

    Raises:
        ValueError: The plane holds no 16 bits.
    """
    return _qa_pixel().reasons(values)


def reasons_from_qa_radsat(values: NDArray[np.integer], bands: tuple[str, ...]) -> NDArray[np.uint16]:
    """Returns `saturated` where one of the bands is, and `outside_swath` where terrain hides the place.

    Args:
        values: uint16 of any shape.
        bands: Those that are kept; saturation of the others does not matter.

    Raises:
        ValueError: The plane holds no 16 bits.
    """
    return _qa_radsat(bands).reasons(values)


@functools.cache
def _qa_pixel() -> BitPlane:
    return bit_plane("QA_PIXEL", lambda values: bits_to_reasons(values, _QA_PIXEL))


@functools.cache
def _qa_radsat(bands: tuple[str, ...]) -> BitPlane:
    sensor = load_sensor(SENSOR)
    bits = [sensor.band(band).saturation_bit for band in bands]
    reasons = dict.fromkeys((bit for bit in bits if bit is not None), Reason.SATURATED)
    return bit_plane(
        "QA_RADSAT", lambda values: bits_to_reasons(values, {**reasons, _OCCLUDED_BIT: Reason.OUTSIDE_SWATH})
    )
