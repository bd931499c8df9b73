"""Overlap of upright boxes: left, top, right, bottom in pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def intersection(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Common area of each pair, (first, second)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.clip(high - low, 0, None)
    area: NDArray[np.float64] = sides[..., 0] * sides[..., 1]
    return area


def box_area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of each box."""
    area: NDArray[np.float64] = np.clip(boxes[:, 2] - boxes[:, 0], 0, None) * np.clip(
        boxes[:, 3] - boxes[:, 1], 0, None
    )
    return area


def box_iou(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of each pair, (first, second); 0 for two boxes without area."""
    common = intersection(first, second)
    union = box_area(first)[:, None] + box_area(second)[None, :] - common
    out = np.zeros_like(common)
    np.divide(common, union, out=out, where=union > 0)
    return out
