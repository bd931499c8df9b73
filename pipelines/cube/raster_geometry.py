"""Where points of the grid fall on a raster: the one thing that a warp has to know of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import pyproj

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.cube.resampling import RasterHeader
    from pipelines.grid import TargetGrid

    Places: TypeAlias = NDArray[np.float64]

_TURN_DEG = 360.0


class RasterGeometry(Protocol):
    """Places of a raster as a smooth function of places of the grid.

    Hashable and immutable: rasters of one geometry share one warp map. A raster that is placed by ground control points
    or by an orbit brings its own.
    """

    def __hash__(self) -> int:
        """Equal geometries share one map."""

    def pixel_of(self, x: Places, y: Places) -> tuple[Places, Places]:
        """Returns columns and rows in pixels of the raster, not finite where it has no place.

        The upper left corner of the first pixel is (0, 0), its centre (0.5, 0.5).

        Args:
            x: Eastings in the CRS of the grid, any shape.
            y: Northings, likewise.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class AffineGeometry:
    """A raster with a CRS and an affine transform, exact."""

    grid_epsg: int
    """Code of the grid's CRS."""

    crs: str
    """CRS of the raster as text: a code or WKT. '' where it is that of the grid, which spares the transformation."""

    transform: tuple[float, float, float, float, float, float]
    """Affine coefficients (a, b, c, d, e, f) from pixels to coordinates."""

    shape: tuple[int, int]
    """(height, width) in pixels."""

    def __post_init__(self) -> None:
        if self._determinant == 0:
            raise ValueError(f"a raster's affine transform has an inverse, got {self.transform}; mend the file")

    def pixel_of(self, x: Places, y: Places) -> tuple[Places, Places]:
        """Returns columns and rows in pixels of the raster."""
        a, b, c, d, e, f = self.transform
        if self.crs:
            x, y = _transformer(self.grid_epsg, self.crs).transform(x, y)
            if _is_in_degrees(self.crs):
                # longitudes may be counted from -180, from 0 or beyond 180: each is taken at its nearest to the raster
                centre = c + a * self.shape[1] / 2 + b * self.shape[0] / 2
                x = x + _TURN_DEG * np.round((centre - x) / _TURN_DEG)
        if b == 0 and d == 0:
            return (x - c) / a, (y - f) / e
        return (e * (x - c) - b * (y - f)) / self._determinant, (a * (y - f) - d * (x - c)) / self._determinant

    @property
    def _determinant(self) -> float:
        a, b, _, d, e, _ = self.transform
        return a * e - b * d


def geometry_of(header: RasterHeader, grid: TargetGrid) -> AffineGeometry:
    """Returns the geometry of a raster by its header."""
    same = header.epsg is not None and header.epsg == grid.epsg
    return AffineGeometry(
        grid_epsg=grid.epsg, crs="" if same else header.crs, transform=header.transform, shape=header.shape
    )


@functools.lru_cache(maxsize=64)
def _transformer(epsg: int, crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(epsg, crs, always_xy=True)


@functools.lru_cache(maxsize=64)
def _is_in_degrees(crs: str) -> bool:
    return bool(pyproj.CRS.from_user_input(crs).is_geographic)
