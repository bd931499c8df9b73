"""Between degrees and a grid's metres: UTM zone, boxes and rings with densified edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import pyproj
import shapely
from shapely.geometry import shape

from pipelines.grid.errors import GridError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Bounds: TypeAlias = tuple[float, float, float, float]
"""(x_min, y_min, x_max, y_max), or (west, south, east, north) in degrees."""

Ring: TypeAlias = tuple[tuple[float, float], ...]

WGS84 = 4326
HALF_GLOBE = 180.0
"""Degrees of longitude."""

OUTLINE_POINTS = 21
"""Vertices on each edge of a published outline: between two of them a 100 km edge bows by less than a metre."""

BOUNDS_POINTS = 201
"""Vertices on each edge where its extremes are sought: an edge along a parallel bows by L^2 tan(latitude) / (8 R)
between two of them, 1 cm on 100 km at mid latitudes, far below any pixel."""

UTM_SOUTH, UTM_NORTH = -80.0, 84.0


def utm_epsg(lon: float, lat: float) -> int:
    """Returns the EPSG code of the UTM zone of a point (EPSG:326zz north, EPSG:327zz south of the equator).

    The regular zones of six degrees; the exceptions around south-west Norway and Svalbard are left out, so that a
    place there gets the zone of its longitude. Any code can be named instead.

    Args:
        lon: Longitude in degrees; values beyond +-180 wrap.
        lat: Latitude in degrees, -80 to 84.

    Raises:
        GridError: The latitude lies outside UTM.
    """
    if not UTM_SOUTH <= lat <= UTM_NORTH:
        raise GridError(f"UTM covers latitudes {UTM_SOUTH} to {UTM_NORTH}, got {lat}; name a polar CRS, such as 3413")
    zone = int(((lon + 180.0) % 360.0) // 6.0) + 1
    return (32600 if lat >= 0 else 32700) + zone


def bounds_of_bbox(bbox: Bounds, epsg: int) -> Bounds:
    """Returns the bounds in a projected CRS of a box in degrees, its edges densified.

    Args:
        bbox: (west, south, east, north); east may run beyond 180 where the box crosses the antimeridian.
        epsg: Code of the projected CRS.
    """
    ring = np.array(ring_of_bounds(bbox, points_an_edge=BOUNDS_POINTS))
    return _bounds_of(_to_metres(ring[:, 0], ring[:, 1], epsg), epsg)


def bounds_of_geometry(geometry: Mapping[str, object], epsg: int | None) -> tuple[Bounds, int]:
    """Returns the projected bounds of a GeoJSON object and the code of the CRS (UTM of its centre where None).

    Raises:
        GridError: Not GeoJSON, without an area, outside the globe, or more than 180 degrees wide.
    """
    area = _unwrapped(_geometry(geometry))
    west, south, east, north = area.bounds
    code = utm_epsg((west + east) / 2, (south + north) / 2) if epsg is None else epsg
    longest = max(east - west, north - south)
    dense = shapely.get_coordinates(shapely.segmentize(area, longest / BOUNDS_POINTS))
    return _bounds_of(_to_metres(dense[:, 0], dense[:, 1], code), code), code


def ring_of_bounds(bounds: Bounds, *, points_an_edge: int = OUTLINE_POINTS) -> Ring:
    """Returns the closed, densified, counter-clockwise outline of a box, from its lower left corner."""
    x_min, y_min, x_max, y_max = bounds
    xs, ys = np.linspace(x_min, x_max, points_an_edge), np.linspace(y_min, y_max, points_an_edge)
    bottom = [(float(x), y_min) for x in xs[:-1]]
    right = [(x_max, float(y)) for y in ys[:-1]]
    top = [(float(x), y_max) for x in xs[:0:-1]]
    left = [(x_min, float(y)) for y in ys[::-1]]
    return (*bottom, *right, *top, *left)


def project_ring(ring: Ring, *, from_epsg: int) -> Ring:
    """Returns a projected ring as (longitude, latitude), unwrapped so that no edge jumps by 360 degrees."""
    transformer = pyproj.Transformer.from_crs(from_epsg, WGS84, always_xy=True)
    xy = np.array(ring, dtype=np.float64)
    lon, lat = transformer.transform(xy[:, 0], xy[:, 1])
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise GridError(f"the grid must lie within EPSG:{from_epsg}, its outline leaves it; use a CRS of the place")
    lon = np.unwrap(lon, period=360.0)
    lon -= 360.0 * np.floor((lon.min() + 180.0) / 360.0)
    return tuple(zip(lon.tolist(), lat.tolist(), strict=True))


def _geometry(geometry: Mapping[str, object]) -> shapely.Geometry:
    """Reads a geometry, a Feature or a FeatureCollection; several become one collection."""
    kind = geometry.get("type")
    try:
        if kind == "FeatureCollection":
            features = cast("list[Mapping[str, object]]", geometry["features"])
            area = shapely.GeometryCollection([shape(feature["geometry"]) for feature in features])
        else:
            area = shape(geometry["geometry"] if kind == "Feature" else geometry)
    except (KeyError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError) as error:
        raise GridError(f"the area must be a GeoJSON geometry, got type {kind!r}; give a Polygon") from error
    if area.is_empty or area.area <= 0:
        raise GridError(f"the area must be a polygon with an area, got {area.geom_type} of area {area.area}; draw one")
    return area


def _unwrapped(area: shapely.Geometry) -> shapely.Geometry:
    """Checks longitudes and latitudes; brings parts on both sides of the antimeridian together beyond 180."""
    west, south, east, north = area.bounds
    if west < -HALF_GLOBE or east > HALF_GLOBE or south < -HALF_GLOBE / 2 or north > HALF_GLOBE / 2:
        raise GridError(
            f"GeoJSON is longitude and latitude in degrees, got bounds {area.bounds}; convert it to EPSG:4326"
        )
    parts = shapely.bounds(shapely.get_parts(area))
    widest = float((parts[:, 2] - parts[:, 0]).max())
    if widest > HALF_GLOBE:
        raise GridError(
            f"a polygon spans at most 180 degrees, got {widest}; where it crosses the antimeridian cut it there into a "
            "MultiPolygon (RFC 7946, 3.1.9)",
        )
    if east - west <= HALF_GLOBE:
        return area
    moved = shapely.transform(area, _beyond_antimeridian)
    west, _, east, _ = moved.bounds
    if east - west > HALF_GLOBE:
        raise GridError(f"an area spans at most 180 degrees, got {east - west}; split it into regions")
    return moved


def _beyond_antimeridian(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.where(lonlat[:, 0] < 0, lonlat[:, 0] + 2 * HALF_GLOBE, lonlat[:, 0]), lonlat[:, 1]])


def _to_metres(lon: NDArray[np.float64], lat: NDArray[np.float64], epsg: int) -> NDArray[np.float64]:
    transformer = pyproj.Transformer.from_crs(WGS84, epsg, always_xy=True)
    return np.column_stack(transformer.transform(lon, lat))


def _bounds_of(points: NDArray[np.float64], epsg: int) -> Bounds:
    if not np.isfinite(points).all():
        raise GridError(f"the area must lie within EPSG:{epsg}, parts of it do not; use a CRS of the place")
    low, high = points.min(axis=0), points.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
