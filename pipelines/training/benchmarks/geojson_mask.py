"""Masks from the polygons of a GeoJSON file whose coordinates are pixels: x and y from the corner of the first one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.json_file import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAX_PIXEL: Final = 1e7
"""Corners further out are no pixels of any image."""

MIN_CORNERS: Final = 4
"""Of a ring whose last corner is the first."""

XY: Final = 2
XYZ: Final = 3
"""Some sets give corners a height, which says nothing of a mask."""


def read_geojson_mask(path: Path, size: tuple[int, int]) -> NDArray[np.int64]:
    """1 where the centre of a pixel lies in a polygon, otherwise 0, (y, x); features without a geometry are none.

    Raises:
        SampleError: The file is missing or damaged, or holds anything but polygons.
    """
    from rasterio.features import rasterize

    document = read_json(path)
    try:
        geometries = [feature["geometry"] for feature in document["features"]]
        shapes = [shape for geometry in geometries if geometry for shape in _polygons(geometry)]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SampleError(path, f"must be GeoJSON of polygons in pixels ({error})", "get the labels again") from error
    mask = np.zeros(size, np.int64)
    if shapes:
        mask[:] = rasterize(shapes, out_shape=size, fill=0, default_value=1, dtype="uint8")
    return mask


def _polygons(geometry: Any) -> list[dict[str, Any]]:
    if geometry["type"] not in {"Polygon", "MultiPolygon"}:
        raise ValueError(f"got a {geometry['type']}")
    parts = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    return [{"type": "Polygon", "coordinates": [_ring(ring) for ring in part]} for part in parts if part]


def _ring(ring: Any) -> list[tuple[float, float]]:
    corners = np.asarray(ring)
    if corners.dtype.kind not in "if" or corners.ndim != XY or corners.shape[1] not in {XY, XYZ}:
        raise ValueError(f"corners must be x, y or x, y, z, got {ring!r:.60}")
    if len(corners) < MIN_CORNERS or not (np.abs(corners) < MAX_PIXEL).all():
        raise ValueError(f"a ring must have {MIN_CORNERS} corners or more, all in pixels, got {ring!r:.60}")
    return [(float(x), float(y)) for x, y, *_ in corners]
