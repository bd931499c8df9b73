"""From labelled geometries to labelled pixels of a grid, each pixel of one class and one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipelines.training.own_labels.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.grid import TargetGrid
    from pipelines.training.own_labels.label_file import Labels

    Ints = npt.NDArray[np.int64]

PIXELS_PER_LABEL: Final = 200
"""Most pixels of one polygon that are kept: more of one field say little more, and cost as much as others."""

CENTRES_AT_ONCE: Final = 1 << 20
"""Pixel centres that are held against a polygon at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPixels:
    """Labelled pixels, in the order of their rows and columns."""

    row: Ints
    col: Ints
    """(pixel,) place on the grid."""

    label: Ints
    """(pixel,) index into `class_names`."""

    unit: Ints
    """(pixel,) polygons and points that share a pixel are one unit, which no fold divides."""

    class_names: tuple[str, ...]
    """Sorted."""

    skipped: Mapping[str, int]
    """What was left out, by reason: labels (`outside_area`, `no_pixel_centre`) and pixels (the others)."""

    def __len__(self) -> int:
        return int(self.row.size)


def label_pixels(
    labels: Labels, grid: TargetGrid, *, pixels_per_label: int = PIXELS_PER_LABEL, seed: int = 0
) -> LabelPixels:
    """Returns the pixels whose centres lie in labelled polygons, and the pixels that hold labelled points.

    A pixel under labels of different classes is left out (`several_classes`), one under several of the same class
    counts once (`twice`). Of a polygon with more than `pixels_per_label` pixels as many are drawn (`beyond_limit`).

    Args:
        labels: In the grid's CRS.
        grid: The cube's grid.
        pixels_per_label: At least 1.
        seed: Of the draw.

    Raises:
        LabelError: The CRS is another, the limit is below 1, or no pixel is left.
    """
    if labels.epsg != grid.epsg:
        raise LabelError(f"labels must be in the grid's EPSG:{grid.epsg}, got EPSG:{labels.epsg}; read them for it")
    if pixels_per_label < 1:
        raise LabelError(f"a label keeps at least one pixel, got {pixels_per_label}; raise it")
    names, code = np.unique(labels.name, return_inverse=True)
    skipped: dict[str, int] = {}
    parts = []
    for index, shape in enumerate(labels.geometry):
        pixels = pixels_of(shape, grid)
        if pixels.size:
            parts.append(np.stack([pixels, np.full_like(pixels, code[index]), np.full_like(pixels, index)]))
        else:
            reason = "no_pixel_centre" if _touches(shape, grid) else "outside_area"
            skipped[reason] = skipped.get(reason, 0) + 1
    if not parts:
        raise LabelError(f"labels must lie in the area, none of {labels.name.size} does; check area and CRS")
    unit, (pixel, label, feature) = _units(np.concatenate(parts, axis=1))
    once = _resolved(pixel, label, skipped)
    drawn = _limited(feature[once], pixels_per_label, np.random.default_rng(seed))
    if drawn.size < once.size:
        skipped["beyond_limit"] = once.size - drawn.size
    kept = once[drawn]
    if not kept.size:
        raise LabelError("no labelled pixel is left: all lie under labels of different classes; mend the overlaps")
    held, label = np.unique(label[kept], return_inverse=True)
    row, col = np.divmod(pixel[kept], grid.width)
    return LabelPixels(
        row=row,
        col=col,
        label=label.astype(np.int64),
        unit=unit[kept],
        class_names=tuple(str(names[entry]) for entry in held),
        skipped=skipped,
    )


def pixels_of(shape: Any, grid: TargetGrid) -> Ints:
    """Returns the pixels (row x width + column) of a polygon by their centres, of points those that hold them."""
    import shapely

    if shape.geom_type in ("Point", "MultiPoint"):
        xy = shapely.get_coordinates(shape)
        row = np.floor((grid.y_max - xy[:, 1]) / grid.resolution).astype(np.int64)
        col = np.floor((xy[:, 0] - grid.x_min) / grid.resolution).astype(np.int64)
        inside = (row >= 0) & (row < grid.height) & (col >= 0) & (col < grid.width)
        return np.unique(row[inside] * grid.width + col[inside])
    x_min, y_min, x_max, y_max = shape.bounds
    cols = _between((x_min - grid.x_min) / grid.resolution, (x_max - grid.x_min) / grid.resolution, grid.width)
    rows = _between((grid.y_max - y_max) / grid.resolution, (grid.y_max - y_min) / grid.resolution, grid.height)
    if not len(rows) or not len(cols):
        return np.empty(0, dtype=np.int64)
    shapely.prepare(shape)
    step = max(1, CENTRES_AT_ONCE // len(cols))
    found = []
    x = grid.x[cols.start : cols.stop]
    for top in range(rows.start, rows.stop, step):
        bottom = min(top + step, rows.stop)
        within = shapely.contains_xy(shape, x[None, :], grid.y[top:bottom, None])
        row, col = np.nonzero(within)
        found.append((row + top) * grid.width + col + cols.start)
    return np.concatenate(found).astype(np.int64)


def _between(first: float, last: float, size: int) -> range:
    """Pixels along an axis whose centres may lie between two places, in pixels from the grid's edge."""
    return range(max(0, int(np.floor(first))), min(size, int(np.ceil(last))))


def _touches(shape: Any, grid: TargetGrid) -> bool:
    import shapely

    return bool(shapely.intersects(shape, shapely.box(*grid.bounds)))


def _units(rows: Ints) -> tuple[Ints, Ints]:
    """Returns the unit of each entry, and the entries (pixel, label, feature) in the order of their pixels."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    entries = rows[:, np.lexsort((rows[2], rows[0]))]
    pixel, feature = entries[0], entries[2]
    same = np.flatnonzero(pixel[1:] == pixel[:-1])
    size = int(feature.max()) + 1
    graph = coo_array((np.ones(same.size), (feature[same], feature[same + 1])), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    _, unit = np.unique(component[feature], return_inverse=True)
    return unit.astype(np.int64), entries


def _resolved(pixel: Ints, label: Ints, skipped: dict[str, int]) -> Ints:
    """Returns one entry a pixel, none where the labels of a pixel differ."""
    first = np.flatnonzero(np.r_[True, pixel[1:] != pixel[:-1]])
    low, high = np.minimum.reduceat(label, first), np.maximum.reduceat(label, first)
    count = np.diff(np.r_[first, pixel.size])
    one_class = low == high
    if (~one_class).any():
        skipped["several_classes"] = int((~one_class).sum())
    if (one_class & (count > 1)).any():
        skipped["twice"] = int((count - 1)[one_class].sum())
    return np.asarray(first[one_class], dtype=np.int64)


def _limited(feature: Ints, most: int, random: np.random.Generator) -> Ints:
    """Returns at most so many entries a feature, drawn at random, in their order."""
    shuffled = random.permutation(feature.size)
    ordered = shuffled[np.argsort(feature[shuffled], kind="stable")]
    sorted_feature = feature[ordered]
    starts = np.searchsorted(sorted_feature, sorted_feature)
    return np.sort(ordered[np.arange(ordered.size) - starts < most])
