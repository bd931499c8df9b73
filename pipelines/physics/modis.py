"""MODIS land surface reflectance: what its state flags mean.

Surface reflectance = DN * 0.0001 (MODIS Surface Reflectance User's Guide, Collection 6, version 1.4, tables 10 and 13;
MCD43A4 likewise). Values below 0 are legal and kept.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from catalogs.sensors import load_sensor
from pipelines.physics.bit_plane import BitPlane, bit_plane, bits_to_reasons
from pipelines.physics.errors import Contradictory
from pipelines.schema import REASON_DTYPE, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalogs.scenes import Asset, Scene

SENSOR: Final = "modis"

_RELATIVE_TOLERANCE: Final = 1e-9
"""Decimal fractions come through JSON: far tighter than a step, far above float64 noise."""

_FILL: Final = 65535
_SINGLE_BITS: Final[dict[int, Reason]] = {
    2: Reason.CLOUD_SHADOW,
    10: Reason.CLOUD,  # internal cloud algorithm
    12: Reason.SNOW,  # MOD35 snow or ice
    13: Reason.CLOUD_BUFFER,  # adjacent to cloud
    15: Reason.SNOW,  # internal snow algorithm
}
_CLOUDY_STATES: Final = (1, 2)
"""Bits 0 and 1: cloudy, mixed. 0 is clear; 3 is not set and taken for clear, as the product's guide does."""

_CIRRUS_LEVELS: Final = (2, 3)
"""Bits 8 and 9: average and high. 1 is small: nearly every scene has it, and the surface shows through."""


def modis_rule(scene: Scene, assets: tuple[Asset, ...]) -> Literal["declared", "product"]:
    """Returns why the bands of a scene are surface reflectance: every item says so, or the product does.

    Args:
        scene: A scene of MODIS.
        assets: Its reflectance bands that are wanted.

    Raises:
        Contradictory: An item declares another scale than the product's, or an offset.
    """
    scale = load_sensor(SENSOR).scale
    assert scale is not None, "the facts of MODIS give the scale"
    for asset in assets:
        other = asset.scale is not None and not math.isclose(asset.scale, scale, rel_tol=_RELATIVE_TOLERANCE)
        if other or asset.offset not in (None, 0.0):
            raise Contradictory(
                f"surface reflectance of MODIS is DN * {scale}, {scene.id} declares {asset.scale} and {asset.offset} "
                f"for {asset.band}; correct the item"
            )
    return "declared" if all(asset.scale is not None for asset in assets) else "product"


def reasons_from_state(values: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Returns the reason bits of the 500 m state flags (MOD09A1, MYD09A1).

    Args:
        values: uint16 of any shape; 65535 is fill.

    Raises:
        ValueError: The plane holds no 16 bits.
    """
    return _state().reasons(values)


@functools.cache
def _state() -> BitPlane:
    return bit_plane("the state flags of MODIS", _reasons)


def _reasons(values: NDArray[np.uint16]) -> NDArray[np.uint16]:
    found = bits_to_reasons(values, _SINGLE_BITS)
    found |= np.where(np.isin(values & 0b11, _CLOUDY_STATES), np.uint16(int(Reason.CLOUD)), np.uint16(0))
    found |= np.where(np.isin((values >> 8) & 0b11, _CIRRUS_LEVELS), np.uint16(int(Reason.CIRRUS)), np.uint16(0))
    return np.where(values == _FILL, np.uint16(int(Reason.NODATA)), found).astype(REASON_DTYPE)
