"""MODIS land surface reflectance: what its state flags mean.

Surface reflectance = DN * 0.0001 (MODIS Surface Reflectance User's Guide, Collection 6, version 1.4, tables 10 and 13;
MCD43A4 likewise). Values below 0 are legal and kept.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.physics.bit_plane import BitPlane, bit_plane, bits_to_reasons
from pipelines.schema import REASON_DTYPE, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

SENSOR: Final = "modis"

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
