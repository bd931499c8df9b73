"""Bit planes of quality, as sensors deliver them, to the reason bits of the cube."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.schema import REASON_DTYPE, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUM_VALUES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BitPlane:
    """What the values of a 16-bit plane say, as a table over all of them: one look-up a pixel."""

    name: str
    table: NDArray[np.uint16]
    """Reason bits by value, 65536 of them."""

    def reasons(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        """Returns the reason bits of a plane.

        Bits are names, not quantities: bring the plane to the grid by nearest neighbour only.

        Args:
            values: Unsigned integers of at most 16 bits, any shape.

        Raises:
            ValueError: Not integers, or one beyond 16 bits: the plane holds no such bits.
        """
        if values.dtype.kind not in "iu":
            raise ValueError(f"{self.name} holds integers, got {values.dtype}; read it without resampling or scaling")
        if values.size and not (values.min() >= 0 and values.max() < _NUM_VALUES):
            raise ValueError(f"{self.name} holds 16 bits, got {values.min()} to {values.max()}; check the asset")
        found: NDArray[np.uint16] = self.table[values]
        return found


def bit_plane(name: str, rule: Callable[[NDArray[np.uint16]], NDArray[np.uint16]]) -> BitPlane:
    """Returns the table of a rule, asked once for every value that 16 bits can hold."""
    table = rule(np.arange(_NUM_VALUES, dtype=np.uint16))
    table.setflags(write=False)
    return BitPlane(name=name, table=table)


def bits_to_reasons(values: NDArray[np.uint16], reason_of_bit: dict[int, Reason]) -> NDArray[np.uint16]:
    """Returns the OR of the reasons of the bits that are set."""
    found = np.zeros(values.shape, dtype=REASON_DTYPE)
    for bit, reason in reason_of_bit.items():
        found |= np.where(values & np.uint16(1 << bit), np.uint16(int(reason)), np.uint16(0))
    return found
