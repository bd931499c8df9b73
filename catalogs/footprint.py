"""Areas on the globe: rings, boxes and whether they meet, across the antimeridian too."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from catalogs.errors import ItemError
from catalogs.fields import is_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapely.geometry.base import BaseGeometry

    from catalogs.fields import Document

Ring = tuple[tuple[float, float], ...]
"""Vertices (longitude, latitude) in degrees, first and last equal."""

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; west > east crosses the antimeridian."""

HALF_TURN = 180.0
BOX_SIZES = (4, 6)


def item_bounds(document: Document) -> Box:
    """Returns the `bbox` of an item, from its geometry where it has none.

    Raises:
        ItemError: There is neither, or a number is missing or out of range.
    """
    value = document.get("bbox")
    if value is None:
        rings = item_rings(document)
        longitudes = [x for ring in rings for x, _ in ring]
        latitudes = [y for ring in rings for _, y in ring]
        return min(longitudes), min(latitudes), max(longitudes), max(latitudes)
    numbers = _numbers(value)
    if len(numbers) not in BOX_SIZES:
        raise ItemError("unreadable", f"bbox must have 4 or 6 numbers, got {value!r:.80}; correct the item")
    half = len(numbers) // 2
    west, south, east, north = numbers[0], numbers[1], numbers[half], numbers[half + 1]
    if south > north or max(abs(west), abs(east)) > 2 * HALF_TURN or max(abs(south), abs(north)) > HALF_TURN / 2:
        raise ItemError("unreadable", f"bbox must be west, south, east, north in degrees, got {numbers}")
    return west, south, east, north


def item_rings(document: Document) -> tuple[Ring, ...]:
    """Returns the outer rings of an item's Polygon or MultiPolygon.

    Raises:
        ItemError: The geometry is null, of another type, or broken.
    """
    geometry = document.get("geometry")
    if not isinstance(geometry, dict):
        raise ItemError("unreadable", f"an item needs a geometry, got {geometry!r:.80}; correct the item")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon") or not isinstance(coordinates, list) or not coordinates:
        raise ItemError("unreadable", f"geometry must be a Polygon or MultiPolygon, got {kind!r}; correct the item")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    return tuple(_ring(polygon) for polygon in polygons)


def outline(rings: tuple[Ring, ...]) -> Ring:
    """Returns one closed ring around an item, unwound so that it never jumps by 360 degrees.

    An item that was cut at the antimeridian comes in parts; they are joined again and longitudes then go beyond 180.
    Parts that do not touch are wrapped in their convex hull: larger than the truth, never smaller.
    """
    if len(rings) == 1:
        return rings[0]
    import shapely

    crosses = any(max(x for x, _ in r) >= HALF_TURN for r in rings) and any(
        min(x for x, _ in r) <= -HALF_TURN for r in rings
    )
    parts = [[(x + 2 * HALF_TURN if crosses and x < 0 else x, y) for x, y in ring] for ring in rings]
    joined = shapely.union_all([shapely.make_valid(shapely.Polygon(part)) for part in parts])
    whole = joined if joined.geom_type == "Polygon" else joined.convex_hull
    return tuple((float(x), float(y)) for x, y in whole.exterior.coords)


def area_of(rings: Sequence[Ring]) -> BaseGeometry:
    """Returns the area within rings, with longitudes in -180..180.

    An edge of more than 180 degrees of longitude is taken as a crossing of the antimeridian, unless the ring would
    enclose nothing then (a ring around the whole world).
    """
    import shapely

    parts = [_fold(_unwind(ring)) for ring in rings]
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def boxes_of(box: Box) -> tuple[Box, ...]:
    """Returns a box as one or two boxes that do not cross the antimeridian."""
    west, south, east, north = box
    if west <= east:
        return (box,)
    return (west, south, HALF_TURN, north), (-HALF_TURN, south, east, north)


def boxes_meet(one: Box, other: Box) -> bool:
    """Returns whether two boxes share at least a point."""
    return any(
        a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
        for a, b in itertools.product(boxes_of(one), boxes_of(other))
    )


def areas_overlap(one: BaseGeometry, other: BaseGeometry) -> bool:
    """Returns whether two areas share more than an edge: an item that only touches the area gives it no pixel."""
    return bool(one.intersects(other)) and not bool(one.touches(other))


def _ring(polygon: object) -> Ring:
    if not isinstance(polygon, list) or not polygon or not isinstance(polygon[0], list):
        raise ItemError("unreadable", f"a polygon is a list of rings, got {polygon!r:.80}; correct the item")
    vertices = []
    for position in polygon[0]:
        numbers = _numbers(position)
        if len(numbers) < 2:  # noqa: PLR2004 longitude and latitude
            raise ItemError("unreadable", f"a vertex is longitude and latitude, got {position!r:.80}; correct the item")
        vertices.append((numbers[0], numbers[1]))
    if len(set(vertices)) < 3:  # noqa: PLR2004 a ring has three corners
        raise ItemError("unreadable", f"a ring has at least three corners, got {vertices[:3]}; correct the item")
    return tuple(vertices if vertices[0] == vertices[-1] else [*vertices, vertices[0]])


def _numbers(value: object) -> list[float]:
    if not isinstance(value, list) or not all(is_finite(entry) for entry in value):
        raise ItemError("unreadable", f"coordinates must be a list of numbers, got {value!r:.80}; correct the item")
    return [float(entry) for entry in value]


def _unwind(ring: Ring) -> BaseGeometry:
    import shapely

    plain = shapely.Polygon(ring)
    if all(abs(x - before) <= HALF_TURN for (before, _), (x, _) in itertools.pairwise(ring)):
        return plain if plain.is_valid else shapely.make_valid(plain)
    turns, vertices = 0.0, [ring[0]]
    for (before, _), (x, y) in itertools.pairwise(ring):
        if x - before > HALF_TURN:
            turns -= 2 * HALF_TURN
        elif before - x > HALF_TURN:
            turns += 2 * HALF_TURN
        vertices.append((x + turns, y))
    unwound = shapely.Polygon(vertices)
    return shapely.make_valid(unwound if turns == 0 and unwound.area > 0 else plain)


def _fold(geometry: BaseGeometry) -> BaseGeometry:
    import shapely
    from shapely import affinity

    west, _, east, _ = geometry.bounds
    if west > -HALF_TURN and east < HALF_TURN:
        return geometry
    parts = []
    for turn in (-1, 0, 1):
        shift = turn * 2 * HALF_TURN
        strip = shapely.box(shift - HALF_TURN, -HALF_TURN, shift + HALF_TURN, HALF_TURN)
        parts.append(affinity.translate(geometry.intersection(strip), xoff=-shift))
    return shapely.union_all(parts)
