"""Sentinel-2 digital numbers to the packed reflectance of the cube, in exact integer steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from catalogs.sensors import load_sensor
from pipelines.schema import PACKED_DTYPE, PACKED_FILL, PACKED_MAX, PACKED_MIN, PACKED_SCALE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SENSOR: Final = "sentinel-2-msi"
_UINT16_MAX: Final = 65535
_DN_LIMIT = 1 << 30
"""Far beyond any sensor's range, and DN + offset still fits int32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedPlane:
    """Reflectance in steps of 1e-4 with its flags, all of one shape."""

    packed: NDArray[np.int16]
    """reflectance = packed * 1e-4; -32768 where missing."""

    saturated: NDArray[np.bool_]
    """True where the sensor saturated or the value left -32767..32767 and stands at its end."""

    nodata: NDArray[np.bool_]
    """True where the scene has no value."""


def pack_reflectance(
    dn: NDArray[np.integer] | NDArray[np.floating],
    *,
    offset_dn: int,
    nodata: float | None = None,
) -> PackedPlane:
    """Returns packed reflectance: packed = DN + offset_dn, in int32, exact.

    Negative reflectance and reflectance above 1 are legal and kept (Sentinel-2 Products Specification Document,
    S2-PDGS-TAS-DI-PSD). Nothing is clipped but what int16 cannot hold, and that is flagged.

    Args:
        dn: Digital numbers of any shape. Floats, as a resampling gives them, are rounded to the nearest step (ties
            to even); NaN is missing.
        offset_dn: Steps to add, from `RadiometricRule.offset_dn`.
        nodata: Stored fill value as the item declares it, NaN allowed; None means the product's own, 0. With
            another value declared a DN of 0 is a reflectance.

    Raises:
        ValueError: Infinite or absurdly large values: the array holds no digital numbers.
    """
    product_nodata, saturation = _special_values()
    fill = product_nodata if nodata is None else float(nodata)
    if dn.dtype == np.uint16 and PACKED_MIN <= offset_dn <= 0 and saturation > PACKED_MAX - offset_dn:
        return _pack_uint16(cast("NDArray[np.uint16]", dn), offset_dn=offset_dn, fill=fill)
    if dn.dtype.kind == "f":
        return _pack_float(cast("NDArray[np.floating]", dn), offset_dn=offset_dn, fill=fill, saturation=saturation)
    missing = dn == fill
    whole = np.where(missing, 0, dn)
    if whole.size:
        _check_range(float(whole.min()), float(whole.max()))
    steps = whole.astype(np.int32) + np.int32(offset_dn)
    saturated = ~missing & ((whole == saturation) | (steps > PACKED_MAX) | (steps < PACKED_MIN))
    packed = np.where(missing, PACKED_FILL, np.clip(steps, PACKED_MIN, PACKED_MAX)).astype(PACKED_DTYPE)
    return PackedPlane(packed=packed, saturated=saturated, nodata=missing)


def _check_range(low: float, high: float) -> None:
    if not (low > -_DN_LIMIT and high < _DN_LIMIT):
        raise ValueError(f"digital numbers must be finite and below 2**30, got {low} to {high}; check the asset")


def _pack_float(dn: NDArray[np.floating], *, offset_dn: int, fill: float, saturation: float) -> PackedPlane:
    """Returns the nearest steps of resampled numbers: sums below 2**24 are exact in float32, the rest is clipped."""
    missing = np.isnan(dn)
    if not math.isnan(fill):
        missing |= dn == fill
    steps = np.rint(dn)
    np.copyto(steps, 0, where=missing)
    if steps.size:
        _check_range(float(steps.min()), float(steps.max()))
    saturated = steps == saturation
    steps += offset_dn
    saturated |= steps > PACKED_MAX
    saturated |= steps < PACKED_MIN
    saturated &= ~missing
    packed = np.clip(steps, PACKED_MIN, PACKED_MAX, out=steps).astype(PACKED_DTYPE)
    np.copyto(packed, PACKED_DTYPE.type(PACKED_FILL), where=missing)
    return PackedPlane(packed=packed, saturated=saturated, nodata=missing)


def _pack_uint16(dn: NDArray[np.uint16], *, offset_dn: int, fill: float) -> PackedPlane:
    """Returns the same as the general case, in 16 bits throughout: what products hold, and the time of a cube.

    DN + offset_dn is taken modulo 2**16, which is exact within the range of int16; whatever lies above it is known by
    DN, and nothing lies below.
    """
    held = 0 <= fill <= _UINT16_MAX and fill == int(fill)
    missing = dn == np.uint16(int(fill)) if held else np.zeros(dn.shape, dtype=np.bool_)
    packed = (dn + np.uint16(offset_dn % (1 << 16))).view(PACKED_DTYPE)
    above = dn > np.uint16(PACKED_MAX - offset_dn)
    if above.any():
        np.copyto(packed, PACKED_DTYPE.type(PACKED_MAX), where=above)
        above &= ~missing
    if missing.any():
        np.copyto(packed, PACKED_DTYPE.type(PACKED_FILL), where=missing)
    return PackedPlane(packed=packed, saturated=above, nodata=missing)


def unpack_reflectance(packed: NDArray[np.int16]) -> NDArray[np.float32]:
    """Returns reflectance, float32(float64(packed) * 1e-4), NaN where missing: the rule of the cube's schema.

    For a value within the packed range it equals float32(float64(DN + offset_dn) * 1e-4) bit for bit. It does not
    always equal float32(DN) * float32(1e-4), nor float64(DN) * 1e-4 - 0.1: the sum comes first, in integers.

    Args:
        packed: int16 of any shape, -32768 is missing.
    """
    reflectance = (packed.astype(np.float64) * PACKED_SCALE).astype(np.float32)
    return np.where(packed == PACKED_FILL, np.float32(np.nan), reflectance)


def _special_values() -> tuple[float, float]:
    """Nodata and saturation value of the sensor's own products, from its facts."""
    sensor = load_sensor(_SENSOR)
    nodata, saturated = sensor.band("B02").nodata, sensor.saturated
    assert nodata is not None, "the facts of Sentinel-2 name its nodata"
    assert saturated is not None, "the facts of Sentinel-2 name its saturation value"
    return float(nodata), float(saturated)
