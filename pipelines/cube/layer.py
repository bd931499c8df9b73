"""One scene's pixels on one block, in the cube's own numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.schema import Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NODATA = np.uint16(int(Reason.NODATA))
_BORDER = np.uint16(int(Reason.BORDER))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Values as they are stored, with the reason bits of each pixel."""

    values: NDArray[np.integer] | NDArray[np.float32]
    """(band, y, x): the stored steps of a packed group with its fill where missing, or float32 with NaN missing."""

    reason: NDArray[np.uint16]
    """(y, x) bits of `Reason`."""

    def __post_init__(self) -> None:
        assert self.values.shape[1:] == self.reason.shape, (self.values.shape, self.reason.shape)

    @property
    def has_data(self) -> NDArray[np.bool_]:
        """(y, x): True where at least one band has a value."""
        has: NDArray[np.bool_] = (self.reason & _NODATA) == 0
        return has


def missing_bits(missing: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Returns `nodata` where every band lacks a value and `border` where some do and some do not.

    The bands of one detector row end at slightly different places, so a pixel with some bands only lies on the edge of
    the swath. It keeps the values that it has, and counts as unusable.

    Args:
        missing: (band, y, x) over the bands that the scene carries; a band without an asset is no edge.
    """
    if not missing.any():
        return np.zeros(missing.shape[1:], dtype=np.uint16)
    somewhere, everywhere = missing.any(axis=0), missing.all(axis=0)
    return np.where(everywhere, _NODATA, np.where(somewhere, _BORDER, np.uint16(0))).astype(np.uint16)
