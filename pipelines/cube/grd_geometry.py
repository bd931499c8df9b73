"""Where points of the grid fall on an image that has tie points in place of a map projection."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyproj

from pipelines.physics.tie_points import TiePoints

if TYPE_CHECKING:
    from collections.abc import Sequence

    import rasterio.control
    from numpy.typing import NDArray

    from pipelines.cube.grd_annotation import GeolocationGrid
    from pipelines.cube.raster_geometry import Places

WGS84 = "EPSG:4326"


@dataclass(frozen=True, slots=True, kw_only=True)
class TiePointGeometry:
    """An image placed by a grid of tie points, told in the CRS of the target grid."""

    key: str
    """Digest of all below: equal tie points, equal geometry."""

    points: TiePoints = field(compare=False)
    """Image coordinates with the corner of the first pixel at (0, 0)."""

    x: NDArray[np.float64] = field(compare=False)
    y: NDArray[np.float64] = field(compare=False)
    """(lines, pixels) of the tie points, metres."""

    def pixel_of(self, x: Places, y: Places) -> tuple[Places, Places]:
        """Returns columns and rows in pixels of the image, NaN where it has no place."""
        lines, pixels = self.points.find(self.x, self.y, np.asarray(x, np.float64), np.asarray(y, np.float64))
        return pixels, lines


def geometry_of_annotation(grid: GeolocationGrid, epsg: int) -> TiePointGeometry:
    """Returns the geometry of a geolocation grid, whose whole numbers are pixel centres.

    Args:
        grid: Of the product annotation.
        epsg: Code of the target grid's CRS, in metres.
    """
    points = TiePoints(lines=grid.points.lines + 0.5, pixels=grid.points.pixels + 0.5)
    return _geometry(points, grid.longitude_deg, grid.latitude_deg, WGS84, epsg)


def geometry_of_gcps(gcps: Sequence[rasterio.control.GroundControlPoint], crs: str, epsg: int) -> TiePointGeometry:
    """Returns the geometry of a raster's ground control points, in GDAL's sense: (0, 0) is the corner of the image.

    Args:
        gcps: Points that form a full grid.
        crs: Their CRS as text.
        epsg: Code of the target grid's CRS, in metres.

    Raises:
        ValueError: They form no grid.
    """
    rows, row = np.unique([point.row for point in gcps], return_inverse=True)
    columns, column = np.unique([point.col for point in gcps], return_inverse=True)
    if not len(gcps) or rows.size * columns.size != len(gcps):
        raise ValueError(
            f"ground control points form a full grid of rows and columns, got {len(gcps)} on {rows.size} rows and "
            f"{columns.size} columns; warp the image to a CRS first"
        )
    x, y = np.full((2, rows.size, columns.size), np.nan)
    x[row, column], y[row, column] = [point.x for point in gcps], [point.y for point in gcps]
    return _geometry(TiePoints(lines=rows.astype(float), pixels=columns.astype(float)), x, y, crs, epsg)


def _geometry(
    points: TiePoints, x: NDArray[np.float64], y: NDArray[np.float64], crs: str, epsg: int
) -> TiePointGeometry:
    eastings, northings = pyproj.Transformer.from_crs(crs, epsg, always_xy=True).transform(x, y)
    if not (np.isfinite(eastings).all() and np.isfinite(northings).all()):
        raise ValueError(f"tie points have a place in EPSG:{epsg}, some have none; choose a grid near the image")
    parts = (points.lines, points.pixels, eastings, northings)
    key = hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()
    return TiePointGeometry(key=f"{epsg}:{key}", points=points, x=eastings, y=northings)
