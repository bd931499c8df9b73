"""Target grids against pyproj, odc-geo and hand-made numbers."""

from __future__ import annotations

import json
from types import MappingProxyType

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.grid import GridError, TargetGrid

BELGIUM = (664000.0, 5611120.0, 665000.0, 5612120.0)


def grid(bounds=BELGIUM, epsg=32631, resolution=10.0):
    return TargetGrid.from_bounds(bounds, epsg=epsg, resolution=resolution)


def test_bounds_on_multiples_stay():
    made = grid()
    assert made.bounds == BELGIUM
    assert made.shape == (100, 100)
    assert made.transform == (10.0, 0.0, 664000.0, 0.0, -10.0, 5612120.0)
    assert made.area_m2 == 1e6


def test_bounds_snap_outward():
    assert grid((664003.0, 5611120.0, 664991.0, 5612111.0)).bounds == BELGIUM


def test_noise_below_a_millionth_of_a_pixel_adds_no_pixel():
    noisy = (664000.0 - 4e-6, 5611120.0 - 4e-6, 665000.0 + 4e-6, 5612120.0 + 4e-6)
    assert grid(noisy) == grid()
    assert grid((664000.0 - 1e-3, *BELGIUM[1:])).width == 101


def test_centres_lie_half_a_pixel_inside_and_y_descends():
    made = grid()
    assert (made.x[0], made.x[-1]) == (664005.0, 664995.0)
    assert (made.y[0], made.y[-1]) == (5612115.0, 5611125.0)
    assert (np.diff(made.y) == -10).all()


@given(
    x_min=st.floats(-1e6, 1e6),
    y_min=st.floats(-1e7, 1e7),
    width=st.floats(0.01, 1e5),
    height=st.floats(0.01, 1e5),
    resolution=st.sampled_from([1.0, 2.5, 10.0, 20.0, 60.0, 0.3]),
)
def test_any_bounds_are_covered_with_less_than_a_pixel_to_spare(x_min, y_min, width, height, resolution):
    wanted = (x_min, y_min, x_min + width, y_min + height)
    made = grid(wanted, resolution=resolution)
    slack = 2e-6 * resolution
    spare = (
        wanted[0] - made.bounds[0],
        wanted[1] - made.bounds[1],
        made.bounds[2] - wanted[2],
        made.bounds[3] - wanted[3],
    )
    assert all(-slack <= value < resolution + slack for value in spare)
    assert grid(made.bounds, resolution=resolution) == made


@pytest.mark.parametrize(
    ("bounds", "epsg", "resolution", "says"),
    [
        ((665000.0, 5611120.0, 664000.0, 5612120.0), 32631, 10, "with an area"),
        ((664000.0, 5611120.0, 664000.0, 5612120.0), 32631, 10, "with an area"),
        ((float("nan"), 0.0, 1.0, 1.0), 32631, 10, "finite"),
        ((0.0, 0.0, float("inf"), 1.0), 32631, 10, "finite"),
        (BELGIUM, 32631, 0, "resolution"),
        (BELGIUM, 32631, -10, "resolution"),
        (BELGIUM, 32631, float("nan"), "resolution"),
        ((5.3, 50.6, 5.4, 50.7), 4326, 10, "metres"),
        (BELGIUM, 2263, 10, "metres"),  # New York in US survey feet
        (BELGIUM, 123456, 10, "known code"),
    ],
)
def test_impossible_grids_are_refused(bounds, epsg, resolution, says):
    with pytest.raises(GridError, match=says):
        grid(bounds, epsg, resolution)


@pytest.mark.parametrize("change", [{"width": 0}, {"height": -1}, {"x_min": float("nan")}, {"resolution": 0.0}])
def test_an_invalid_grid_cannot_be_made_directly(change):
    with pytest.raises(GridError):
        TargetGrid(**(grid().to_dict() | change))


@pytest.mark.parametrize(
    ("bbox", "epsg"),
    [
        ((5.319, 50.629, 5.333, 50.638), 32631),
        ((-58.5, -34.7, -58.4, -34.6), 32721),
        ((179.9, -17.1, -179.9, -16.9), 32701),
        ((-180.0, -17.1, -179.9, -16.9), 32701),
        ((174.0, -41.3, 174.1, -41.2), 32760),
        ((6.0, 0.1, 6.1, 0.2), 32632),
        ((10.0, 59.0, 10.1, 59.1), 32632),
    ],
)
def test_utm_zone_is_that_of_the_centre(bbox, epsg):
    assert TargetGrid.from_bbox_wgs84(bbox, resolution=10).epsg == epsg


@pytest.mark.parametrize("bbox", [(5.0, 50.0, 6.0, 51.0), (179.5, -17.5, -179.5, -16.5), (20.0, -35.0, 23.9, -33.0)])
def test_box_in_degrees_is_covered_by_the_grid_along_all_its_edges(bbox):
    made = TargetGrid.from_bbox_wgs84(bbox, resolution=100)
    west, south, east, north = bbox
    east += 360 if west > east else 0
    steps = np.linspace(0, 1, 997)
    lon = np.concatenate([west + steps * (east - west)] * 2 + [np.full(997, west), np.full(997, east)])
    lat = np.concatenate([np.full(997, south), np.full(997, north)] + [south + steps * (north - south)] * 2)
    x, y = pyproj.Transformer.from_crs(4326, made.epsg, always_xy=True).transform(lon, lat)
    x_min, y_min, x_max, y_max = made.bounds
    bow = 0.05
    assert x_min - bow <= x.min() < x_min + 100 + bow
    assert x_max - 100 - bow < x.max() <= x_max + bow
    assert y_min - bow <= y.min() < y_min + 100 + bow
    assert y_max - 100 - bow < y.max() <= y_max + bow


@pytest.mark.parametrize(
    "bbox",
    [(5.0, 51.0, 6.0, 50.0), (5.0, 50.0, 5.0, 51.0), (664000.0, 50.0, 665000.0, 51.0), (0.0, -95.0, 1.0, 0.0)],
)
def test_impossible_boxes_are_refused(bbox):
    with pytest.raises(GridError, match="bbox"):
        TargetGrid.from_bbox_wgs84(bbox, resolution=10)


def test_poles_have_no_utm_zone():
    with pytest.raises(GridError, match="polar"):
        TargetGrid.from_bbox_wgs84((0.0, 85.0, 10.0, 86.0), resolution=10)
    assert TargetGrid.from_bbox_wgs84((0.0, 85.0, 10.0, 86.0), resolution=100, epsg=3413).epsg == 3413


def test_footprint_is_a_closed_counter_clockwise_ring_whose_corners_project_back():
    made = grid()
    ring = np.array(made.footprint_wgs84())
    assert (ring[0] == ring[-1]).all()
    area = np.sum(ring[:-1, 0] * ring[1:, 1] - ring[1:, 0] * ring[:-1, 1])
    assert area > 0
    x, y = pyproj.Transformer.from_crs(4326, 32631, always_xy=True).transform(ring[:, 0], ring[:, 1])
    np.testing.assert_allclose((x.min(), y.min(), x.max(), y.max()), BELGIUM, atol=1e-3)
    assert len(ring) == 81


def test_footprint_of_a_large_grid_keeps_the_bow_of_its_edges():
    wide = TargetGrid.from_bounds((300000.0, 6700000.0, 700000.0, 6800000.0), epsg=32633, resolution=100)
    west_end = wide.footprint_wgs84()[0][1]
    south_edge_middle = wide.footprint_wgs84()[10][1]
    assert south_edge_middle - west_end > 0.01


def test_footprint_across_the_antimeridian_stays_connected():
    made = TargetGrid.from_bbox_wgs84((179.9, -17.1, -179.9, -16.9), resolution=100)
    longitudes = [lon for lon, _ in made.footprint_wgs84()]
    assert max(abs(np.diff(longitudes))) < 1
    assert 179.8 < min(longitudes) < 180 < max(longitudes) < 180.2
    west, south, east, north = made.bbox_wgs84()
    assert west > east
    assert south < -17.1
    assert north > -16.9


def test_bbox_in_degrees_goes_there_and_back():
    west, south, east, north = grid().bbox_wgs84()
    assert (round(west, 3), round(south, 3), round(east, 3), round(north, 3)) == (5.319, 50.629, 5.333, 50.638)


def test_geobox_agrees_with_the_grid():
    made, box = grid(), grid().geobox()
    assert tuple(box.shape) == made.shape
    assert tuple(box.affine)[:6] == made.transform
    assert box.crs.epsg == 32631
    np.testing.assert_array_equal(box.coords["x"].values, made.x)
    np.testing.assert_array_equal(box.coords["y"].values, made.y)


def test_wkt_names_the_crs():
    assert pyproj.CRS.from_wkt(grid().crs_wkt).to_epsg() == 32631


def test_dict_goes_through_json_and_back():
    made = grid(resolution=2.5)
    assert TargetGrid.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    by_hand = TargetGrid(epsg=32631, resolution=10, x_min=664000, y_max=5612120, width=100, height=100)
    assert json.dumps(by_hand.to_dict()) == json.dumps(grid().to_dict())


def test_contains_its_upper_left_pixel_and_nothing_beyond():
    made = grid()
    assert made.contains(664000.0, 5611120.0)
    assert made.contains(664999.9, 5612119.9)
    assert not made.contains(665000.0, 5611500.0)
    assert not made.contains(664500.0, 5612120.0)


def square(west, south, east, north):
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


def test_geojson_in_its_three_forms_gives_one_grid():
    polygon = {"type": "Polygon", "coordinates": square(5.319, 50.629, 5.333, 50.638)}
    feature = {"type": "Feature", "properties": {}, "geometry": polygon}
    collection = {"type": "FeatureCollection", "features": [feature]}
    grids = {TargetGrid.from_geojson(MappingProxyType(form), resolution=10) for form in (polygon, feature, collection)}
    assert grids == {TargetGrid.from_bbox_wgs84((5.319, 50.629, 5.333, 50.638), resolution=10)}


def test_geojson_cut_at_the_antimeridian_is_one_area():
    parts = [square(179.9, -17.1, 180.0, -16.9), square(-180.0, -17.1, -179.9, -16.9)]
    made = TargetGrid.from_geojson({"type": "MultiPolygon", "coordinates": parts}, resolution=10)
    assert made == TargetGrid.from_bbox_wgs84((179.9, -17.1, -179.9, -16.9), resolution=10)


@pytest.mark.parametrize(
    ("geometry", "says"),
    [
        ({"type": "Point", "coordinates": [5.0, 50.0]}, "with an area"),
        ({"type": "LineString", "coordinates": [[5.0, 50.0], [6.0, 51.0]]}, "with an area"),
        ({"type": "FeatureCollection", "features": []}, "with an area"),
        ({"type": "Polygon"}, "GeoJSON"),
        ({"type": "Region", "coordinates": []}, "GeoJSON"),
        ({"type": "Feature", "geometry": None}, "GeoJSON"),
        ({}, "GeoJSON"),
        ({"type": "Polygon", "coordinates": square(664000, 5611120, 665000, 5612120)}, "degrees"),
        ({"type": "Polygon", "coordinates": square(-170, 0, 170, 10)}, "MultiPolygon"),
    ],
)
def test_areas_that_are_none_are_refused(geometry, says):
    with pytest.raises(GridError, match=says):
        TargetGrid.from_geojson(geometry, resolution=10)
