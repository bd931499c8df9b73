"""The one grid that every scene is brought to: CRS, resolution, upper left corner, size."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pyproj
from pyproj.exceptions import CRSError

from pipelines.grid.errors import GridError
from pipelines.grid.projection import Bounds, bounds_of_bbox, bounds_of_geometry, project_ring, ring_of_bounds, utm_epsg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

SNAP_TOLERANCE_PX = 1e-6
"""A bound this close to a multiple of the resolution is that multiple: 10 um at 10 m, far above float64 noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGrid:
    """A north-up raster grid in metres; y descends, coordinates are pixel centres."""

    epsg: int
    """Code of a projected CRS whose axes are metres."""

    resolution: float
    """Side of the square pixel in metres."""

    x_min: float
    """Left edge of the first column in metres."""

    y_max: float
    """Upper edge of the first row in metres."""

    width: int
    """Number of columns."""

    height: int
    """Number of rows."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.resolution) and self.resolution > 0):
            raise GridError(f"resolution must be above 0 metres, got {self.resolution}; give metres, such as 10")
        if not (math.isfinite(self.x_min) and math.isfinite(self.y_max)):
            raise GridError(f"the corner must be finite, got ({self.x_min}, {self.y_max}); check the area")
        if self.width < 1 or self.height < 1:
            raise GridError(f"a grid has at least one pixel, got {self.height} x {self.width}; widen the area")
        _require_metres(self.epsg)

    @classmethod
    def from_bounds(cls, bounds: Bounds, *, epsg: int, resolution: float) -> Self:
        """Returns the smallest grid on multiples of the resolution that covers the bounds.

        Args:
            bounds: (x_min, y_min, x_max, y_max) in metres of the CRS.
            epsg: Code of a projected CRS in metres.
            resolution: Pixel side in metres.

        Raises:
            GridError: Bounds reversed, empty or not finite; resolution not positive; CRS not in metres.

        Example:
            Bounds (664003, 0, 665000, 10) at 10 m start at x = 664000 and are 100 pixels wide.
        """
        if not (math.isfinite(resolution) and resolution > 0):
            raise GridError(f"resolution must be above 0 metres, got {resolution}; give metres, such as 10")
        x_min, y_min, x_max, y_max = bounds
        if not all(map(math.isfinite, bounds)):
            raise GridError(f"bounds must be finite, got {bounds}; check that the area lies within EPSG:{epsg}")
        if x_min >= x_max or y_min >= y_max:
            raise GridError(f"bounds are (x_min, y_min, x_max, y_max) with an area, got {bounds}; swap or widen them")
        first_col, last_col = _floor(x_min / resolution), _ceil(x_max / resolution)
        first_row, last_row = _floor(y_min / resolution), _ceil(y_max / resolution)
        return cls(
            epsg=epsg,
            resolution=float(resolution),
            x_min=first_col * float(resolution),
            y_max=last_row * float(resolution),
            width=last_col - first_col,
            height=last_row - first_row,
        )

    @classmethod
    def from_bbox_wgs84(cls, bbox: Bounds, *, resolution: float, epsg: int | None = None) -> Self:
        """Returns the grid that covers a box of longitudes and latitudes.

        Args:
            bbox: (west, south, east, north) in degrees; west > east crosses the antimeridian.
            resolution: Pixel side in metres.
            epsg: Code of the CRS; None takes the UTM zone of the centre.

        Raises:
            GridError: Box reversed, empty or outside the globe, or the grid cannot be made from it.
        """
        west, south, east, north = bbox
        if not all(map(math.isfinite, bbox)) or south >= north or west == east:
            raise GridError(f"bbox is (west, south, east, north) with an area, got {bbox}; check the order")
        span = (east - west) % 360.0 if west > east else east - west
        if max(abs(west), abs(east)) > 180.0 or max(abs(south), abs(north)) > 90.0:  # noqa: PLR2004 the globe
            raise GridError(f"bbox must be degrees within +-180 and +-90, got {bbox}; give projected bounds as bounds")
        code = utm_epsg(west + span / 2, (south + north) / 2) if epsg is None else epsg
        _require_metres(code)
        return cls.from_bounds(
            bounds_of_bbox((west, south, west + span, north), code), epsg=code, resolution=resolution
        )

    @classmethod
    def from_geojson(cls, geometry: Mapping[str, object], *, resolution: float, epsg: int | None = None) -> Self:
        """Returns the grid that covers the bounds of a GeoJSON geometry, Feature or FeatureCollection.

        Args:
            geometry: GeoJSON object in longitude and latitude (RFC 7946), with an area.
            resolution: Pixel side in metres.
            epsg: Code of the CRS; None takes the UTM zone of the centre of the geometry's box.

        Raises:
            GridError: Not GeoJSON, without an area, outside the globe, or crossing the antimeridian in one ring.
        """
        bounds, code = bounds_of_geometry(geometry, epsg)
        return cls.from_bounds(bounds, epsg=code, resolution=resolution)

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> Self:
        """Returns the grid that `to_dict` described."""
        return cls(
            epsg=int(values["epsg"]),
            resolution=float(values["resolution"]),
            x_min=float(values["x_min"]),
            y_max=float(values["y_max"]),
            width=int(values["width"]),
            height=int(values["height"]),
        )

    def to_dict(self) -> dict[str, float]:
        """Returns the six defining numbers; equal grids give equal JSON."""
        floats = {name: float(getattr(self, name)) for name in ("resolution", "x_min", "y_max")}
        return asdict(self) | floats

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    @property
    def bounds(self) -> Bounds:
        """(x_min, y_min, x_max, y_max) of the pixel edges in metres."""
        x_max = self.x_min + self.width * self.resolution
        return self.x_min, self.y_max - self.height * self.resolution, x_max, self.y_max

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Affine coefficients (a, b, c, d, e, f): x = a col + b row + c, y = d col + e row + f."""
        return self.resolution, 0.0, self.x_min, 0.0, -self.resolution, self.y_max

    @property
    def x(self) -> NDArray[np.float64]:
        """Pixel centres (x,) in metres, ascending."""
        return self.x_min + (np.arange(self.width, dtype=np.float64) + 0.5) * self.resolution

    @property
    def y(self) -> NDArray[np.float64]:
        """Pixel centres (y,) in metres, descending."""
        return self.y_max - (np.arange(self.height, dtype=np.float64) + 0.5) * self.resolution

    @property
    def crs_wkt(self) -> str:
        """The CRS as WKT 2."""
        return str(pyproj.CRS.from_epsg(self.epsg).to_wkt())

    @property
    def area_m2(self) -> float:
        """Area on the map plane in square metres."""
        return self.width * self.height * self.resolution**2

    def contains(self, x: float, y: float) -> bool:
        """Returns whether a point in metres lies on the grid (left and lower edges included)."""
        x_min, y_min, x_max, y_max = self.bounds
        return x_min <= x < x_max and y_min <= y < y_max

    def footprint_wgs84(self) -> tuple[tuple[float, float], ...]:
        """Returns the closed outline as (longitude, latitude), edges densified, counter-clockwise.

        Where the grid crosses the antimeridian the ring stays connected: its western part keeps longitudes up to
        180 and its eastern part runs on beyond 180.
        """
        return project_ring(ring_of_bounds(self.bounds), from_epsg=self.epsg)

    def bbox_wgs84(self) -> Bounds:
        """Returns (west, south, east, north) in degrees; west > east where the grid crosses the antimeridian."""
        ring = self.footprint_wgs84()
        longitudes, latitudes = [lon for lon, _ in ring], [lat for _, lat in ring]
        east = max(longitudes)
        return min(longitudes), min(latitudes), east - 360.0 if east > 180.0 else east, max(latitudes)  # noqa: PLR2004

    def geobox(self) -> GeoBox:
        """Returns the same grid as an odc-geo GeoBox."""
        from affine import Affine
        from odc.geo.geobox import GeoBox

        return GeoBox(self.shape, Affine(*self.transform), f"EPSG:{self.epsg}")


def _floor(value: float) -> int:
    nearest = round(value)
    return nearest if abs(value - nearest) <= SNAP_TOLERANCE_PX else math.floor(value)


def _ceil(value: float) -> int:
    nearest = round(value)
    return nearest if abs(value - nearest) <= SNAP_TOLERANCE_PX else math.ceil(value)


def _require_metres(epsg: int) -> None:
    try:
        crs = pyproj.CRS.from_epsg(epsg)
    except CRSError as error:
        raise GridError(f"epsg must be a known code, got {epsg}; use one such as 32631") from error
    units = {axis.unit_name for axis in crs.axis_info}
    if not crs.is_projected or units != {"metre"}:
        raise GridError(
            f"the grid's CRS must be projected with axes in metres, got EPSG:{epsg} ({crs.name}, {sorted(units)}); "
            "use a UTM zone, or leave the CRS out",
        )
