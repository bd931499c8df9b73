"""Between the steps that a group stores and the physical values that they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.schema import GroupSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedValues:
    """Stored numbers and where their range did not reach."""

    stored: NDArray[Any]
    beyond: NDArray[np.bool_]
    """True where a value left the range that can be stored and stands at its end."""


def unpack_values(stored: NDArray[Any], spec: GroupSpec) -> NDArray[np.float32]:
    """Returns physical values, float32(float64(stored) * scale_factor + add_offset), NaN where missing.

    Args:
        stored: Numbers of any shape as they stand on disk.
        spec: The group's.
    """
    if not spec.packed:
        return np.asarray(stored, dtype=np.float32)
    values = stored.astype(np.float64)
    if spec.scale_factor is not None:
        values *= spec.scale_factor
    if spec.add_offset:
        values += spec.add_offset
    return np.where(stored == spec.fill, np.float32(np.nan), values.astype(np.float32))


def pack_values(values: NDArray[np.float32], spec: GroupSpec) -> PackedValues:
    """Returns the nearest storable steps; `pack_values(unpack_values(x))` gives x again, bit for bit.

    Args:
        values: Physical values of any shape, NaN is missing.
        spec: The group's.

    Raises:
        ValueError: An infinite value.
    """
    if np.isinf(values).any():
        raise ValueError("a physical value is finite or NaN, got infinity; mend the step that made it")
    if not spec.packed:
        return PackedValues(stored=values.astype(spec.dtype), beyond=np.zeros(values.shape, dtype=np.bool_))
    missing = np.isnan(values)
    steps = np.rint((np.where(missing, spec.add_offset, values).astype(np.float64) - spec.add_offset) / _scale(spec))
    low, high = spec.limits
    stored = np.where(missing, spec.fill, np.clip(steps, low, high)).astype(spec.dtype)
    return PackedValues(stored=stored, beyond=~missing & ((steps < low) | (steps > high)))


def _scale(spec: GroupSpec) -> float:
    return 1.0 if spec.scale_factor is None else spec.scale_factor
