"""From labelled geometries to labelled pixels of a grid, each pixel of one class and one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipelines.training.own_labels.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipelines.grid import TargetGrid
    from pipelines.training.own_labels.label_file import Labels

    Ints = npt.NDArray[np.int64]

PIXELS_PER_LABEL: Final = 200
"""Most pixels of one polygon that are kept: more of one field say little more, and cost as much as others."""

CENTRES_AT_ONCE: Final = 1 << 20
"""Pixel centres that are held against a polygon at a time."""

CENTRES_A_BAND: Final = 1 << 22
"""Pixel centres, over all labels, of the rows that are laid at a time: bounds the memory, some 200 MB."""


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
    laid = _Laid(limit=pixels_per_label, random=np.random.default_rng(seed), num_labels=labels.geometry.size)
    for rows in _bands(labels, grid):
        laid.add(_entries(labels, code, grid, rows))
    for shape in labels.geometry[~laid.met]:
        laid.skip("no_pixel_centre" if _touches(shape, grid) else "outside_area", 1)
    if not laid.met.any():
        raise LabelError(f"labels must lie in the area, none of {labels.name.size} does; check area and CRS")
    pixel, label, feature = laid.kept[:, np.argsort(laid.kept[0])]
    if not pixel.size:
        raise LabelError("no labelled pixel is left: all lie under labels of different classes; mend the overlaps")
    laid.skip("beyond_limit", laid.num_resolved - pixel.size)
    held, label = np.unique(label, return_inverse=True)
    row, col = np.divmod(pixel, grid.width)
    return LabelPixels(
        row=row,
        col=col,
        label=label.astype(np.int64),
        unit=laid.units()[feature],
        class_names=tuple(str(names[entry]) for entry in held),
        skipped=laid.skipped,
    )


@dataclass(slots=True, kw_only=True)
class _Laid:
    """What is known of the labels after the bands so far; of each label no more pixels are kept than its limit."""

    limit: int
    random: np.random.Generator
    num_labels: int
    skipped: dict[str, int] = field(default_factory=dict)
    num_resolved: int = 0
    met: npt.NDArray[np.bool_] = field(init=False)
    """(label,) whether any pixel lies under it."""

    kept: Ints = field(init=False)
    """(pixel, class, label) of the entries that are kept."""

    _rank: npt.NDArray[np.float64] = field(init=False)
    """(entry,) place in the draw of its band, 0 to 1: of each label the lowest are kept, whatever their band."""

    _shared: Ints = field(init=False)
    """(2, pair) labels that share a pixel."""

    def __post_init__(self) -> None:
        self.met = np.zeros(self.num_labels, dtype=np.bool_)
        self.kept, self._shared = np.empty((3, 0), dtype=np.int64), np.empty((2, 0), dtype=np.int64)
        self._rank = np.empty(0)

    def add(self, entries: Ints) -> None:
        """Takes the entries (pixel, class, label) of a band."""
        if not entries.size:
            return
        self.met[entries[2]] = True
        entries = entries[:, np.lexsort((entries[2], entries[0]))]
        pixel, label, feature = entries
        same = np.flatnonzero(pixel[1:] == pixel[:-1])
        pairs = np.stack([feature[same], feature[same + 1]])
        self._shared = np.unique(np.concatenate([self._shared, pairs], axis=1), axis=1)
        once = _resolved(pixel, label, self.skip)
        self.num_resolved += once.size
        rank = np.empty(once.size)
        rank[self.random.permutation(once.size)] = (np.arange(once.size) + 0.5) / max(1, once.size)
        self.kept = np.concatenate([self.kept, entries[:, once]], axis=1)
        self._rank = np.concatenate([self._rank, rank])
        chosen = _lowest(self.kept[2], self._rank, self.limit)
        self.kept, self._rank = self.kept[:, chosen], self._rank[chosen]

    def skip(self, reason: str, number: int) -> None:
        """Counts what is left out."""
        if number:
            self.skipped[reason] = self.skipped.get(reason, 0) + number

    def units(self) -> Ints:
        """Returns the unit of each label: those that share a pixel, through others too, are one."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        size = self.num_labels
        graph = coo_array((np.ones(self._shared.shape[1]), tuple(self._shared)), shape=(size, size))
        _, component = connected_components(graph, directed=False)
        unit = np.zeros(size, dtype=np.int64)
        unit[self.met] = np.unique(component[self.met], return_inverse=True)[1]
        return unit


def _bands(labels: Labels, grid: TargetGrid) -> list[range]:
    """Rows of the grid, divided so that the boxes of the labels hold no more than `CENTRES_A_BAND` centres of each."""
    import shapely

    x_min, y_min, x_max, y_max = shapely.bounds(labels.geometry).T
    first = np.clip(np.floor((grid.y_max - y_max) / grid.resolution), 0, grid.height).astype(np.int64)
    stop = np.clip(np.floor((grid.y_max - y_min) / grid.resolution) + 1, 0, grid.height).astype(np.int64)
    left = np.clip(np.floor((x_min - grid.x_min) / grid.resolution), 0, grid.width)
    width = np.clip(np.floor((x_max - grid.x_min) / grid.resolution) + 1, 0, grid.width) - left
    steps = np.zeros(grid.height + 1)
    np.add.at(steps, first, width)
    np.add.at(steps, stop, -width)
    before = np.r_[0, np.cumsum(np.cumsum(steps[:-1]))]
    edges = [0]
    while edges[-1] < grid.height:
        reach = int(np.searchsorted(before, before[edges[-1]] + CENTRES_A_BAND, side="right")) - 1
        edges.append(max(edges[-1] + 1, min(reach, grid.height)))
    return [range(top, bottom) for top, bottom in pairwise(edges)]


def _entries(labels: Labels, code: Ints, grid: TargetGrid, rows: range) -> Ints:
    """Returns the entries (pixel, class, label) of a band, those of one label together."""
    parts = [np.empty((3, 0), dtype=np.int64)]
    for index, shape in enumerate(labels.geometry):
        pixels = pixels_of(shape, grid, rows=rows)
        if pixels.size:
            parts.append(np.stack([pixels, np.full_like(pixels, code[index]), np.full_like(pixels, index)]))
    return np.concatenate(parts, axis=1)


def pixels_of(shape: Any, grid: TargetGrid, *, rows: range | None = None) -> Ints:
    """Returns the pixels (row x width + column) of a polygon by their centres, of points those that hold them.

    Args:
        shape: In the grid's CRS.
        grid: The grid.
        rows: Of the grid that are looked at; None is all.
    """
    import shapely

    within_rows = range(grid.height) if rows is None else rows

    if shape.geom_type in ("Point", "MultiPoint"):
        xy = shapely.get_coordinates(shape)
        row = np.floor((grid.y_max - xy[:, 1]) / grid.resolution).astype(np.int64)
        col = np.floor((xy[:, 0] - grid.x_min) / grid.resolution).astype(np.int64)
        inside = (row >= within_rows.start) & (row < within_rows.stop) & (col >= 0) & (col < grid.width)
        return np.unique(row[inside] * grid.width + col[inside])
    x_min, y_min, x_max, y_max = shape.bounds
    cols = _between((x_min - grid.x_min) / grid.resolution, (x_max - grid.x_min) / grid.resolution, grid.width)
    own = _between((grid.y_max - y_max) / grid.resolution, (grid.y_max - y_min) / grid.resolution, grid.height)
    own = range(max(own.start, within_rows.start), min(own.stop, within_rows.stop))
    if not own or not len(cols):
        return np.empty(0, dtype=np.int64)
    shapely.prepare(shape)
    step = max(1, CENTRES_AT_ONCE // len(cols))
    found = []
    x = grid.x[cols.start : cols.stop]
    for top in range(own.start, own.stop, step):
        bottom = min(top + step, own.stop)
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


def _resolved(pixel: Ints, label: Ints, skip: Callable[[str, int], None]) -> Ints:
    """Returns one entry a pixel, none where the labels of a pixel differ."""
    first = np.flatnonzero(np.r_[True, pixel[1:] != pixel[:-1]])
    low, high = np.minimum.reduceat(label, first), np.maximum.reduceat(label, first)
    count = np.diff(np.r_[first, pixel.size])
    one_class = low == high
    skip("several_classes", int((~one_class).sum()))
    skip("twice", int((count - 1)[one_class].sum()))
    return np.asarray(first[one_class], dtype=np.int64)


def _lowest(feature: Ints, rank: npt.NDArray[np.float64], most: int) -> Ints:
    """Returns the entries of the lowest ranks, at most so many a feature, in their order."""
    ordered = np.lexsort((rank, feature))
    sorted_feature = feature[ordered]
    starts = np.searchsorted(sorted_feature, sorted_feature)
    return np.sort(ordered[np.arange(ordered.size) - starts < most])
