"""Areas on a round earth."""

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.errors import ItemError
from catalogs.footprint import area_of, areas_overlap, boxes_meet, item_bounds, item_rings, outline

SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0))


def shifted(ring, east):
    return tuple((x + east, y) for x, y in ring)


def wrapped(ring):
    return tuple(((x + 180) % 360 - 180, y) for x, y in ring)


@settings(deadline=None)
@given(st.floats(-179.9, 178.9), st.floats(-0.9, 0.9))
def test_overlap_does_not_depend_on_where_the_antimeridian_lies(place, distance):
    here = area_of((SQUARE,)), area_of((shifted(SQUARE, distance),))
    there = area_of((wrapped(shifted(SQUARE, place)),)), area_of((wrapped(shifted(SQUARE, place + distance)),))

    assert areas_overlap(*here)
    assert areas_overlap(*there)


def test_a_ring_over_the_antimeridian_is_narrow_and_a_ring_around_the_world_is_not():
    narrow = area_of((((179.0, 0.0), (-179.0, 0.0), (-179.0, 1.0), (179.0, 1.0), (179.0, 0.0)),))
    world = area_of((((-180.0, -90.0), (180.0, -90.0), (180.0, 90.0), (-180.0, 90.0), (-180.0, -90.0)),))

    assert narrow.area == pytest.approx(2.0)
    assert world.area == pytest.approx(360 * 180)
    assert narrow.bounds == (-180.0, 0.0, 180.0, 1.0)


def test_areas_that_share_an_edge_alone_do_not_overlap():
    assert not areas_overlap(area_of((SQUARE,)), area_of((shifted(SQUARE, 1.0),)))


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ((0, 0, 1, 1), (1, 1, 2, 2), True),
        ((0, 0, 1, 1), (1.1, 0, 2, 1), False),
        ((179, 0, -179, 1), (-180, 0, -179.5, 1), True),
        ((179, 0, -179, 1), (178, 0, 178.9, 1), False),
        ((179, 0, -179, 1), (178, 0, -178, 1), True),
    ],
)
def test_boxes_meet(one, other, meet):
    assert boxes_meet(one, other) is meet
    assert boxes_meet(other, one) is meet


def test_bounds_come_from_the_geometry_where_there_is_no_bbox():
    geometry = {"type": "Polygon", "coordinates": [[list(v) for v in SQUARE]]}

    assert item_bounds({"geometry": geometry}) == (0.0, 0.0, 1.0, 1.0)
    assert item_bounds({"bbox": [1, 2, -5, 3, 4, 99]}) == (1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"bbox": [1, 2, 3]},
        {"bbox": ["1", 2, 3, 4]},
        {"bbox": [0, 5, 1, 4]},
        {"bbox": [0, 0, 664000, 5611120]},
        {"geometry": {"type": "Point", "coordinates": [0, 0]}},
        {"geometry": {"type": "Polygon", "coordinates": []}},
        {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}},
        {"geometry": {"type": "MultiPolygon", "coordinates": [[[[0], [1], [2], [0]]]]}},
    ],
)
def test_a_broken_place_is_an_error(document):
    with pytest.raises(ItemError) as caught:
        item_bounds(document)

    assert caught.value.reason == "unreadable"


def test_parts_are_joined_or_wrapped():
    touching = outline((SQUARE, shifted(SQUARE, 1.0)))
    apart = outline((SQUARE, shifted(SQUARE, 3.0)))

    assert shapely.Polygon(touching).area == pytest.approx(2.0)
    assert shapely.Polygon(apart).area == pytest.approx(4.0)
    assert touching[0] == touching[-1]


def test_an_open_ring_is_closed():
    ring = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]

    assert item_rings({"geometry": {"type": "Polygon", "coordinates": [ring]}})[0][-1] == (0.0, 0.0)
