"""Rules that every annotated box obeys, whatever file it comes from. Coordinates are pixel edges: x right, y down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.benchmarks.errors import SampleError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ROUNDING_PX: Final = 1.0
"""Tools count pixels from 0 or from 1, and round: a box may pass the border by so much, and is cut there."""

MEND: Final = "correct the annotation, or leave the sample out of the split"


def upright_box(
    corners: tuple[float, float, float, float], size: tuple[int, int], path: Path
) -> tuple[float, float, float, float]:
    """Left, top, right, bottom, cut at the border.

    Args:
        corners: Left, top, right, bottom as annotated.
        size: Height and width of the image.
        path: The annotation.

    Raises:
        SampleError: The box is of no size, or leaves the image by more than ROUNDING_PX.
    """
    left, top, right, bottom = corners
    height, width = size
    if right <= left or bottom <= top:
        raise SampleError(path, f"a box must have a width and a height, got {corners}", MEND)
    if min(left, top) < -ROUNDING_PX or right > width + ROUNDING_PX or bottom > height + ROUNDING_PX:
        raise SampleError(path, f"a box must lie in the image of {width} x {height}, got {corners}", MEND)
    cut = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        raise SampleError(path, f"a box must lie in the image of {width} x {height}, got {corners}", MEND)
    return cut


def turned_box(corners: NDArray[np.float64], size: tuple[int, int], path: Path) -> NDArray[np.float64]:
    """The four corners, (4, 2) of x and y, as annotated: a box of a cut object may stick out of the image.

    Raises:
        SampleError: It has no area, crosses itself, or its centre lies outside the image.
    """
    height, width = size
    x, y = corners.mean(axis=0)
    if not (-ROUNDING_PX <= x <= width + ROUNDING_PX and -ROUNDING_PX <= y <= height + ROUNDING_PX):
        raise SampleError(path, f"a box's centre must lie in the image of {width} x {height}, got ({x:g}, {y:g})", MEND)
    edges = np.roll(corners, -1, axis=0) - corners
    following = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    if not (np.all(turns > 0) or np.all(turns < 0)):
        raise SampleError(path, f"corners must go around a box with an area, got {corners.tolist()}", MEND)
    return corners


def class_index(name: str, classes: tuple[str, ...], path: Path) -> int:
    """The label of a class, whatever its case.

    Raises:
        SampleError: The set has no such class.
    """
    lowered = [known.lower() for known in classes]
    if name.lower() not in lowered:
        raise SampleError(path, f"a class must be one of {list(classes)}, got {name!r}", MEND)
    return lowered.index(name.lower())
