"""Labels become pixels as an independent rasteriser has them; overlaps are resolved and counted."""

import importlib

import numpy as np
import pytest
import rasterio.features
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPoint, Point, Polygon, box

from pipelines.grid import TargetGrid
from pipelines.training.own_labels.errors import LabelError
from pipelines.training.own_labels.label_file import Labels
from pipelines.training.own_labels.label_pixels import _bands, _resolved, label_pixels, pixels_of

MODULE = importlib.import_module("pipelines.training.own_labels.label_pixels")
"""The package hides it behind its function."""

GRID = TargetGrid(epsg=32631, resolution=10.0, x_min=600_000.0, y_max=5_000_400.0, width=50, height=40)


def labels(*pairs, epsg=32631):
    geometry = np.empty(len(pairs), dtype=object)
    geometry[:] = [shape for shape, _ in pairs]
    return Labels(geometry=geometry, name=np.array([name for _, name in pairs]), epsg=epsg, skipped={})


def at(left, top, width, height):
    """A box in pixels from the grid's corner."""
    x, y = GRID.x_min + 10 * left, GRID.y_max - 10 * top
    return box(x, y - 10 * height, x + 10 * width, y)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-150, 650), st.floats(-150, 550)), min_size=3, max_size=7), st.booleans())
def test_polygons_hold_the_centres_that_gdal_burns(corners, holed):
    shape = Polygon([(GRID.x_min + x + 0.123, GRID.y_max - 400 + y + 0.377) for x, y in corners]).convex_hull
    if shape.geom_type != "Polygon" or shape.area < 1:
        return
    if holed:
        shape = shape.difference(shapely.affinity.scale(shape, 0.5, 0.5))
    burnt = rasterio.features.rasterize([(shape, 1)], out_shape=GRID.shape, transform=GRID.transform, dtype=np.uint8)
    assert pixels_of(shape, GRID).tolist() == np.flatnonzero(burnt).tolist()


def test_points_take_the_pixel_that_holds_them():
    shape = MultiPoint([(600_000.0, 5_000_400.0), (600_011.0, 5_000_399.0), (600_011.5, 5_000_391.0), (0, 0)])
    assert pixels_of(shape, GRID).tolist() == [0, 1]


def test_pixels_of_two_classes_are_left_out_and_those_of_one_counted_once():
    laid = label_pixels(labels((at(0, 0, 4, 2), "a"), (at(3, 0, 3, 2), "b"), (at(0, 1, 2, 2), "a")), GRID)
    assert laid.skipped == {"several_classes": 2, "twice": 2}
    truth = {(row, col): "a" for row in (0, 1) for col in (0, 1, 2)} | {(2, 0): "a", (2, 1): "a"}
    truth |= {(row, col): "b" for row in (0, 1) for col in (4, 5)}
    found = {(int(r), int(c)): laid.class_names[k] for r, c, k in zip(laid.row, laid.col, laid.label, strict=True)}
    assert found == truth


def test_labels_that_share_a_pixel_are_one_unit():
    chain = [(at(0, 0, 3, 2), "a"), (at(2, 0, 3, 2), "a"), (at(4, 0, 3, 2), "b"), (at(20, 20, 2, 2), "a")]
    laid = label_pixels(labels(*chain), GRID)
    near = laid.row < 10
    assert np.unique(laid.unit[near]).size == 1
    assert set(laid.unit[near]) & set(laid.unit[~near]) == set()


def test_a_large_label_is_thinned_and_a_small_one_is_not():
    pair = labels((at(0, 0, 20, 20), "a"), (at(30, 30, 2, 2), "b"))
    laid = label_pixels(pair, GRID, pixels_per_label=30, seed=1)
    assert np.bincount(laid.label).tolist() == [30, 4]
    assert laid.skipped == {"beyond_limit": 370}
    again = label_pixels(pair, GRID, pixels_per_label=30, seed=1)
    assert (again.row == laid.row).all()
    assert (again.col == laid.col).all()
    assert ((laid.row < 20) & (laid.col < 20)).sum() == 30


def test_what_lies_outside_or_between_centres_is_counted():
    sliver = box(600_000, 5_000_390, 600_500, 5_000_391)
    laid = label_pixels(labels((Point(0, 0), "a"), (sliver, "a"), (at(100, 0, 3, 3), "b"), (at(0, 5, 1, 1), "c")), GRID)
    assert laid.skipped == {"outside_area": 2, "no_pixel_centre": 1}
    assert laid.class_names == ("c",)


def test_labels_that_cannot_be_laid_are_told():
    with pytest.raises(LabelError, match="none of 1 does"):
        label_pixels(labels((Point(0, 0), "a")), GRID)
    with pytest.raises(LabelError, match=r"EPSG:32631, got EPSG:32632"):
        label_pixels(labels((at(0, 0, 2, 2), "a"), epsg=32632), GRID)
    with pytest.raises(LabelError, match="at least one pixel, got 0"):
        label_pixels(labels((at(0, 0, 2, 2), "a")), GRID, pixels_per_label=0)
    with pytest.raises(LabelError, match="all lie under labels of different classes"):
        label_pixels(labels((at(0, 0, 2, 2), "a"), (at(0, 0, 2, 2), "b")), GRID)


def test_rows_laid_in_bands_give_the_pixels_of_all_at_once(monkeypatch):
    mixed = labels(
        (at(0, 0, 30, 39), "a"), (at(25, 3, 20, 30), "b"), (at(40, 20, 8, 18), "b"), (at(44, 38, 3, 2), "c"),
        (Point(GRID.x_min + 495, GRID.y_max - 5), "c"), (at(-9, 30, 12, 3), "a"), (at(60, 0, 3, 3), "c"),
    )  # fmt: skip
    whole, thin = label_pixels(mixed, GRID, pixels_per_label=5000), label_pixels(mixed, GRID, pixels_per_label=100)
    monkeypatch.setattr(MODULE, "CENTRES_A_BAND", 150)
    bands = _bands(mixed, GRID)
    assert [row for band in bands for row in band] == list(range(GRID.height))
    assert len(bands) > 10
    banded = label_pixels(mixed, GRID, pixels_per_label=5000)
    assert banded.skipped == whole.skipped
    for name in ("row", "col", "label", "unit"):
        assert (getattr(banded, name) == getattr(whole, name)).all()
    few = label_pixels(mixed, GRID, pixels_per_label=100)
    assert few.skipped == thin.skipped
    assert np.bincount(few.label).tolist() == np.bincount(thin.label).tolist()
    rows = few.row[few.col < 25]
    assert abs(rows.mean() - 19) < 3, "drawn from all bands alike"


def test_no_more_is_held_than_a_band_and_what_is_kept(monkeypatch):
    held = []

    def told(pixel, label, skip):
        held.append(pixel.size)
        return _resolved(pixel, label, skip)

    monkeypatch.setattr(MODULE, "_resolved", told)
    monkeypatch.setattr(MODULE, "CENTRES_A_BAND", 200)
    label_pixels(labels((at(0, 0, 50, 40), "a"), (at(0, 0, 50, 40), "a")), GRID, pixels_per_label=3)
    assert max(held) <= 200
    assert sum(held) == 4000
