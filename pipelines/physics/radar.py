"""Sentinel-1 rasters to linear backscatter power: from power, decibels or amplitude, refused where it is neither.

power = value (linear); 10 ** (dB / 10); amplitude ** 2. Cubes hold linear power: averaging decibels is biased by
psi(L) - ln L nepers (about -2.5 dB for one look). Uncalibrated digital numbers of a GRD product need the annotation's
look-up table, value = DN ** 2 / A ** 2 (Sentinel-1 Product Specification, S1-RS-MDA-52-7441), which a STAC item does
not carry; they are never read as power.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from pipelines.physics.errors import Uncalibrated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from catalogs.scenes import Asset, Scene

PowerKind = Literal["linear", "db", "amplitude"]
PowerEvidence: TypeAlias = "Mapping[str, str | float | None]"

_UNITS: Final[dict[str, PowerKind]] = {
    "1": "linear",
    "linear": "linear",
    "linear power": "linear",
    "power": "linear",
    "m2/m2": "linear",
    "m2 m-2": "linear",
    "db": "db",
    "decibel": "db",
    "decibels": "db",
    "amplitude": "amplitude",
    "linear amplitude": "amplitude",
}
"""Spellings of `unit` in lower case. `1` is UCUM's dimensionless, the unit of a backscatter coefficient."""

_RTC_TYPES: Final = frozenset({"rtc", "nrb"})
"""Product types that are calibrated gamma nought power by definition (CEOS-ARD Normalised Radar Backscatter)."""

_RTC_COLLECTIONS: Final = frozenset({"opera_l2_rtc-s1_v1", "sentinel-1-rtc", "sentinel1-rtc-aws"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRule:
    """How a raster's values become linear power, and on what evidence."""

    kind: PowerKind
    scale: float = 1.0
    """Factor that the item declares for the stored values, applied before the conversion."""

    offset: float = 0.0
    """Added after scaling, as the item declares it."""

    evidence: PowerEvidence
    """What the item said; JSON-able."""

    def to_json(self) -> str:
        """Returns the rule and its evidence as one JSON object with sorted keys."""
        record = {"rule": self.kind, "scale": self.scale, "offset": self.offset, **self.evidence}
        return json.dumps(record, sort_keys=True)


def power_rule(asset: Asset, scene: Scene) -> PowerRule:
    """Returns how one Sentinel-1 asset becomes linear power, from what its item says.

    1. Complex data are refused: they belong to a group of their own.
    2. A known `unit` decides, over float data or over integers with a declared scale; decibels without a data type
       are accepted, since no digital number is called so.
    3. Float data of a terrain-corrected product (RTC, NRB) without a unit are linear gamma nought.
    4. Anything else is refused.

    Args:
        asset: The raster of one polarisation. Where the item gives no data type, set it from the file first.
        scene: Its scene.

    Raises:
        Uncalibrated: The values are neither power nor decibels nor amplitude as far as the item says.
    """
    unit, data_type = (asset.unit or "").strip().lower(), (asset.data_type or "").strip().lower()
    where = f"{scene.id} {asset.band}"
    if data_type.startswith(("complex", "cint", "cfloat")) or scene.product_type.upper() == "SLC":
        raise Uncalibrated(
            f"{where} must be detected power, got {asset.data_type} {scene.product_type}; use GRD or RTC"
        )
    if unit and unit not in _UNITS:
        raise Uncalibrated(f"unit of {where} must be one of {sorted(_UNITS)}, got {asset.unit!r}; correct the item")
    is_float = data_type.startswith("float")
    is_scaled = data_type.startswith(("int", "uint")) and asset.scale not in (None, 1.0)
    kind = _UNITS.get(unit)
    decided_by = "unit"
    if kind is None and is_float and _is_terrain_corrected(scene):
        kind, decided_by = "linear", "product definition"
    if kind is None or not (is_float or is_scaled or (kind == "db" and not data_type)):
        raise Uncalibrated(
            f"{where} must be calibrated power, dB or amplitude, got unit {asset.unit!r}, data type "
            f"{asset.data_type!r}, product type {scene.product_type!r}; calibrate it or use a terrain-corrected one",
        )
    return PowerRule(
        kind=kind,
        scale=1.0 if asset.scale is None else asset.scale,
        offset=0.0 if asset.offset is None else asset.offset,
        evidence={
            "decided_by": decided_by,
            "unit": asset.unit,
            "data_type": asset.data_type,
            "product_type": scene.product_type,
            "collection": scene.collection,
            "declared_scale": asset.scale,
            "declared_offset": asset.offset,
        },
    )


def to_power(
    values: NDArray[np.floating] | NDArray[np.integer],
    rule: PowerRule,
    *,
    nodata: float | None = None,
) -> NDArray[np.float32]:
    """Returns linear power, float32, NaN where missing.

    Negative linear power is legal after noise removal and kept. A power of 0 is a value unless 0 is the declared
    nodata. Values that are linear already pass without a change of bits.

    Args:
        values: Stored values of any shape; NaN is missing.
        rule: From `power_rule`.
        nodata: Stored fill value as the item declares it; None where it declares none.

    Raises:
        ValueError: Values so large that the power leaves float32: they are not what the rule says.
    """
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=np.bool_)
    if nodata is not None and not math.isnan(nodata):
        # a fill such as -3.4e38 is stored in the raster's own precision
        missing |= values == (values.dtype.type(nodata) if values.dtype.kind == "f" else nodata)
    if rule.kind == "linear" and (rule.scale, rule.offset) == (1.0, 0.0):
        power = values.astype(np.float32)
    else:
        power = _convert(np.where(missing, np.nan, values).astype(np.float64), rule)
    np.copyto(power, np.float32(np.nan), where=missing)
    if np.isinf(power).any():
        raise ValueError(f"linear power must be finite, got infinity from {rule.kind} values; check unit and nodata")
    return power


def to_db(power: NDArray[np.floating], *, floor: float) -> NDArray[np.float32]:
    """Returns decibels, 10 log10(max(power, floor)), for display and model input only; NaN stays NaN.

    Args:
        power: Linear power of any shape; zero and negative values become the floor.
        floor: Least power shown, above 0, such as 1e-3 (-30 dB).

    Raises:
        ValueError: The floor is not above 0.
    """
    if not floor > 0:
        raise ValueError(f"floor must be a power above 0, got {floor}; give the noise floor, such as 1e-3")
    return (10.0 * np.log10(np.maximum(power.astype(np.float64), floor))).astype(np.float32)


def _convert(stored: NDArray[np.float64], rule: PowerRule) -> NDArray[np.float32]:
    values = stored * rule.scale + rule.offset
    with np.errstate(over="ignore"):  # infinity is refused by the caller
        if rule.kind == "db":
            values = np.power(10.0, values / 10.0)
        elif rule.kind == "amplitude":
            values = values**2
        return values.astype(np.float32)


def _is_terrain_corrected(scene: Scene) -> bool:
    return scene.product_type.lower() in _RTC_TYPES or scene.collection.lower() in _RTC_COLLECTIONS
