"""Overlap of convex polygons, by clipping one at each side of the other (Sutherland and Hodgman 1974).

A polygon is (corner, 2) of x and y, in either direction round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.training.metrics.box_overlap import intersection

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Polygon = NDArray[np.float64]

MIN_CORNERS: Final = 3


def signed_area(polygon: Polygon) -> float:
    """Area by the shoelace formula, positive where corners go from +x towards +y."""
    x, y = polygon[:, 0] - polygon[0, 0], polygon[:, 1] - polygon[0, 1]  # near the origin, nothing cancels
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def clip(subject: Polygon, window: Polygon) -> Polygon:
    """The part of `subject` inside the convex `window`, whose corners go from +x towards +y; empty where none is."""
    kept = [(float(x), float(y)) for x, y in subject]
    corners = [(float(x), float(y)) for x, y in window]
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        kept = _clip_side(kept, start, end)
        if len(kept) < MIN_CORNERS:
            return np.zeros((0, 2))
    return np.array(kept)


def rotated_iou(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of each pair of convex quadrilaterals, (first, second).

    Args:
        first: (n, 4, 2).
        second: (m, 4, 2).
    """
    turned_first, turned_second = [_turned(box) for box in first], [_turned(box) for box in second]
    near = intersection(_bounds(first), _bounds(second)) > 0
    iou = np.zeros((len(first), len(second)))
    for i, j in zip(*np.nonzero(near), strict=True):
        piece = clip(turned_first[i], turned_second[j])
        common = signed_area(piece) if len(piece) else 0.0
        union = signed_area(turned_first[i]) + signed_area(turned_second[j]) - common
        iou[i, j] = min(max(common / union, 0.0), 1.0) if union > 0 else 0.0
    return iou


def _clip_side(
    polygon: list[tuple[float, float]], start: tuple[float, float], end: tuple[float, float]
) -> list[tuple[float, float]]:
    """The part on the inner side of the line from start to end."""
    edge = (end[0] - start[0], end[1] - start[1])
    sides = [edge[0] * (y - start[1]) - edge[1] * (x - start[0]) for x, y in polygon]
    kept = []
    for index, (point, side) in enumerate(zip(polygon, sides, strict=True)):
        before, side_before = polygon[index - 1], sides[index - 1]
        if (side >= 0) != (side_before >= 0):
            share = side_before / (side_before - side)
            kept.append((before[0] + share * (point[0] - before[0]), before[1] + share * (point[1] - before[1])))
        if side >= 0:
            kept.append(point)
    return kept


def _turned(polygon: Polygon) -> Polygon:
    return polygon if signed_area(polygon) >= 0 else polygon[::-1]


def _bounds(polygons: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(polygons):
        return np.zeros((0, 4))
    return np.concatenate([polygons.min(axis=1), polygons.max(axis=1)], axis=1)
