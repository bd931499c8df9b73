"""Several scenes of one date to one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.cube.layer import Layer
from pipelines.schema import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_READ_FAILED = np.uint16(int(Reason.READ_FAILED))
_NO_BAND = 2


def merge(layers: Sequence[Layer]) -> Layer:
    """Returns the mosaic of the scenes of one date: at each pixel the first scene that has all bands there.

    Where none has all bands, the first that has some; where none has any, the first scene, with `read_failed` where one
    of them could not be read there. Cloud does not matter: neighbouring tiles of one pass see the same sky. The mosaic
    of a mosaic and a further scene is the mosaic of all of them.

    Args:
        layers: In mosaic order, at least one, all of one shape.
    """
    merged = layers[0]
    if len(layers) == 1:
        return merged
    values, reason = merged.values.copy(), merged.reason.copy()
    rank = _rank(reason)
    for layer in layers[1:]:
        other = _rank(layer.reason)
        better = other < rank
        values[:, better] = layer.values[:, better]
        reason[better] = layer.reason[better]
        rank[better] = other[better]
        reason[(rank == _NO_BAND) & ((layer.reason & _READ_FAILED) != 0)] |= _READ_FAILED
    return Layer(values=values, reason=reason)


def _rank(reason: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """0 all bands, 1 some, 2 none."""
    return np.where(
        reason & np.uint16(int(Reason.NODATA)), _NO_BAND, np.where(reason & np.uint16(int(Reason.BORDER)), 1, 0)
    ).astype(np.uint8)
