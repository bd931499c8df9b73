"""Which overviews of a raster stand for averages of its pixels, by proof.

An overview is read in place of the full raster only where the values are the same but for rounding: for quantities, not
classes; where the grid is coarser by a whole number of raster pixels that the overview's factor divides; and where its
pixels are seen to be averages. No tag says how overviews were made (GDAL 3.10 writes none), so the pixels are asked:
in three parts of the raster every overview pixel must equal the average of the raster's own, and enough of them must
stand on uneven ground, where nearest or a wider kernel would differ. Anything else is averaged from the full raster.

What stays different: each level of a chain of averages rounds integers once more, by half a step at most, and beside
missing pixels it weighs the quarters of a pixel alike instead of their pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PROOF_PLACES: Final = (0.25, 0.5, 0.75)
"""Of the raster's height and width: parts along its diagonal that are compared."""

PROOF_PX: Final = 64
"""Side of a part in pixels of the overview."""

_LEAST_UNEVEN: Final = 64
"""Overview pixels over uneven ground in all parts together."""

_UNEVEN_STEPS: Final = 4.0
"""Ground is uneven where the raster's pixels under one overview pixel differ by so many tolerances."""

_FLOAT_TOLERANCE: Final = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A smaller version of a raster within its file."""

    index: int
    """From 0, the finest."""

    factor: int
    """Pixels of the raster along a side that one of its pixels stands for."""


def choose_overviews(factors: Sequence[int], shrink: int) -> tuple[Overview, ...]:
    """Returns the overviews whose factor divides `shrink`, coarsest first.

    Args:
        factors: Of the overviews of one raster, finest first.
        shrink: Pixels of the raster along a side that are averaged into one.
    """
    overviews = (Overview(index=index, factor=factor) for index, factor in enumerate(factors))
    fitting = [overview for overview in overviews if overview.factor > 1 and shrink % overview.factor == 0]
    return tuple(sorted(fitting, key=lambda overview: -overview.factor))


def proof_parts(length: int, factor: int) -> tuple[tuple[int, int], ...]:
    """Returns first and last-plus-one pixels of the compared parts along one axis of an overview.

    Args:
        length: Of the raster along the axis in pixels.
        factor: Of the overview.
    """
    whole = length // factor  # the last overview pixel may stand for fewer
    starts = [max(0, min(int(whole * share) - PROOF_PX // 2, whole - PROOF_PX)) for share in PROOF_PLACES]
    return tuple((start, min(start + PROOF_PX, whole)) for start in starts)


def uneven_averages(full: NDArray[Any], small: NDArray[Any], factor: int, fill: float) -> int:
    """Returns how many overview pixels equal the average of uneven pixels; -1 where one differs from its average.

    Pixels next to a missing one say nothing and are left out.

    Args:
        full: (y, x) of the raster.
        small: (y, x) of the overview, `factor` times smaller.
        factor: Of the overview.
        fill: Value of pixels without one; NaN in floats.
    """
    height, width = small.shape
    cells = full[: height * factor, : width * factor].reshape(height, factor, width, factor).astype(np.float64)
    missing = np.isnan(cells) if math.isnan(fill) else cells == fill
    known = ~missing.any(axis=(1, 3))
    mean, spread = cells.mean(axis=(1, 3)), np.ptp(cells, axis=(1, 3))
    if full.dtype.kind in "iu":
        tolerance = np.full(mean.shape, 0.5 * math.ceil(math.log2(factor)) + 1e-6)
    else:
        tolerance = _FLOAT_TOLERANCE * np.abs(cells).max(axis=(1, 3))
    if (np.abs(small.astype(np.float64) - mean) > tolerance)[known].any():
        return -1
    return int((known & (spread > _UNEVEN_STEPS * tolerance)).sum())


def is_proved(counts: list[int]) -> bool:
    """Returns whether parts with these counts of uneven averages prove an overview."""
    return min(counts, default=-1) >= 0 and sum(counts) >= _LEAST_UNEVEN
