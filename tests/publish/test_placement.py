from __future__ import annotations

import pytest
from shapely.geometry import shape

from pipelines.grid import TargetGrid
from pipelines.publish.placement import geometry_of, grid_of


def test_grid_comes_back_from_a_dataset(land, grid):
    assert grid_of(land) == grid


def test_footprint_lies_in_its_box(grid):
    geometry, bbox = geometry_of(grid)
    assert geometry["type"] == "Polygon"
    assert shape(geometry).bounds == pytest.approx(bbox)
    assert shape(geometry).exterior.is_ccw


def test_a_footprint_across_the_antimeridian_is_cut_there():
    fiji = TargetGrid(epsg=32760, resolution=10.0, x_min=815000.0, y_max=8_010_000.0, width=1000, height=500)
    geometry, (west, _, east, _) = geometry_of(fiji)
    assert geometry["type"] == "MultiPolygon"
    assert west > 179.9
    assert east < -179.9
    footprint = shape(geometry)
    assert footprint.is_valid
    assert footprint.bounds[0] == -180
    assert footprint.bounds[2] == 180
