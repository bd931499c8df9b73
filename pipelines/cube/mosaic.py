"""Several scenes of one date to one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.cube.layer import Layer
from pipelines.schema import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def merge(layers: Sequence[Layer]) -> Layer:
    """Returns the mosaic of the scenes of one date: at each pixel the first scene that has all bands there.

    Where none has all bands, the first that has some; where none has any, the first scene. Cloud does not matter:
    neighbouring tiles of one pass see the same sky.

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
    return Layer(values=values, reason=reason)


def _rank(reason: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """0 all bands, 1 some, 2 none."""
    return np.where(
        reason & np.uint16(int(Reason.NODATA)), 2, np.where(reason & np.uint16(int(Reason.BORDER)), 1, 0)
    ).astype(np.uint8)
