"""Parcels: recursive splits of turned rectangles, each zone of the land with its own direction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int32]

ZONE_COUNT = (4, 8)
"""Blocks of land of one field direction (consolidation areas), least and largest number per region."""


def split_rectangles(
    rng: np.random.Generator, size: int, *, smallest_px: int, largest_px: int, longest_side: float = 3.5
) -> IntArray:
    """Returns ids of rectangles (y, x) that recursive splits leave of a square.

    Args:
        rng: Source of the cuts.
        size: Side of the square in pixels.
        smallest_px: No rectangle is cut into parts below this area.
        largest_px: Every rectangle above this area is cut.
        longest_side: Rectangles longer than this many widths are cut across.
    """
    ids = np.zeros((size, size), dtype=np.int32)
    stack = [(0, 0, size, size)]
    count = 0
    while stack:
        row, col, height, width = stack.pop()
        area = height * width
        stop = area < 2 * smallest_px or (area <= largest_px and rng.random() < 0.35)  # noqa: PLR2004 mixed sizes
        if stop and max(height, width) <= longest_side * min(height, width):
            ids[row : row + height, col : col + width] = count
            count += 1
            continue
        if max(height, width) < 4:  # noqa: PLR2004 nothing left to cut
            ids[row : row + height, col : col + width] = count
            count += 1
            continue
        along_rows = rng.random() < height**2 / (height**2 + width**2)
        share = rng.uniform(0.3, 0.7)
        if along_rows:
            cut = int(np.clip(round(height * share), 1, height - 1))
            stack += [(row, col, cut, width), (row + cut, col, height - cut, width)]
        else:
            cut = int(np.clip(round(width * share), 1, width - 1))
            stack += [(row, col, height, cut), (row, col + cut, height, width - cut)]
    return ids


def zone_ids(rng: np.random.Generator, shape: tuple[int, int]) -> IntArray:
    """Returns Voronoi zones (y, x) around a few random centres."""
    num_zones = int(rng.integers(ZONE_COUNT[0], ZONE_COUNT[1] + 1))
    rows, cols = pixel_indices(shape)
    centres = rng.uniform(0.0, 1.0, (num_zones, 2)) * np.array(shape)
    distance = np.stack([np.square(rows - y) + np.square(cols - x) for y, x in centres])
    return np.asarray(distance.argmin(axis=0), dtype=np.int32)


def parcel_ids(
    rng: np.random.Generator, shape: tuple[int, int], zones: IntArray, *, smallest_px: int, largest_px: int
) -> IntArray:
    """Returns parcel ids (y, x), 0 to n - 1: one field pattern seen under another angle in each zone.

    Args:
        rng: Source of cuts and directions.
        shape: Rows and columns.
        zones: Zone ids (y, x); a parcel never spans two.
        smallest_px: Least area of a rectangle that may be cut in two.
        largest_px: Largest area of a parcel.
    """
    side = int(np.ceil(1.5 * max(shape))) + 8
    pattern = split_rectangles(rng, side, smallest_px=smallest_px, largest_px=largest_px)
    num_zones = int(zones.max()) + 1
    angles = rng.uniform(0.0, np.pi / 2, num_zones)[zones]
    rows, cols = pixel_indices(shape)
    across, down = cols - shape[1] / 2, rows - shape[0] / 2
    u = np.cos(angles) * across + np.sin(angles) * down + side / 2
    v = -np.sin(angles) * across + np.cos(angles) * down + side / 2
    index = np.clip(np.stack([v, u]).astype(np.int64), 0, side - 1)
    joint = pattern[index[0], index[1]].astype(np.int64) * num_zones + zones
    _, ids = np.unique(joint, return_inverse=True)
    return np.asarray(ids.reshape(shape), dtype=np.int32)


def pixel_indices(shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the row index (y, 1) and the column index (1, x) as float32, ready to broadcast."""
    return (
        np.arange(shape[0], dtype=np.float32)[:, None],
        np.arange(shape[1], dtype=np.float32)[None, :],
    )
