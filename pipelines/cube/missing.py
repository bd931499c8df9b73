"""Pixels without a value among those of a raster: how they are told, and how a mean stays none of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def missing_of(pixels: NDArray[Any], fill: float) -> NDArray[np.bool_]:
    """Returns where pixels hold no value.

    Args:
        pixels: Of any shape.
        fill: What they hold there; NaN in floats.
    """
    missing: NDArray[np.bool_] = np.isnan(pixels) if math.isnan(fill) else pixels == pixels.dtype.type(fill)
    return missing


def keep_off(pixels: NDArray[Any], fill: float) -> None:
    """Moves integers that equal the fill value by one step, as GDAL does: a mean that is one by chance has a value."""
    if pixels.dtype.kind == "u" and fill == 0:
        return  # a mean of numbers from 1 up is no 0
    taken = pixels == pixels.dtype.type(fill)
    if taken.any():
        whole = int(fill)
        pixels[taken] = whole - 1 if whole == np.iinfo(pixels.dtype).max else whole + 1
