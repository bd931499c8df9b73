"""Labels are read from every format alike; each fault is told or counted."""

import geopandas
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from shapely.geometry import LineString, MultiPoint, Point, Polygon, box

from pipelines.training.own_labels.errors import LabelError
from pipelines.training.own_labels.label_file import read_labels

EPSG = 32631
BOW_TIE = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])


def frame(geometry=None, values=("wheat", "maize"), crs="EPSG:4326"):
    geometry = [box(5.31, 50.62, 5.32, 50.63), box(5.33, 50.62, 5.34, 50.63)] if geometry is None else geometry
    return geopandas.GeoDataFrame({"crop": list(values)}, geometry=geometry, crs=crs)


def write(table, path):
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_file(path)
    return path


@pytest.mark.parametrize("name", ["l.gpkg", "l.geojson", "l.shp", "l.parquet"])
def test_formats_agree_and_are_reprojected_as_pyproj_does(tmp_path, name):
    labels = read_labels(write(frame(), tmp_path / name), "crop", epsg=EPSG)
    assert labels.name.tolist() == ["wheat", "maize"]
    assert labels.skipped == {}
    to_metres = pyproj.Transformer.from_crs(4326, EPSG, always_xy=True).transform
    wanted = shapely.transform(frame().geometry.iloc[0], lambda xy: np.stack(to_metres(*xy.T), axis=1))
    assert labels.geometry[0].symmetric_difference(wanted).area < 0.01


def test_points_of_a_csv_are_degrees(tmp_path):
    path = tmp_path / "points.csv"
    pd.DataFrame({"Lon": [5.32, 5.33, None], "LAT": [50.63, 50.63, 50.6], "crop": [1.0, 2.0, 2.0]}).to_csv(path)
    labels = read_labels(path, "crop", epsg=EPSG)
    x, y = pyproj.Transformer.from_crs(4326, EPSG, always_xy=True).transform(5.32, 50.63)
    assert (labels.geometry[0].x, labels.geometry[0].y) == pytest.approx((x, y))
    assert labels.name.tolist() == ["1", "2"]
    assert labels.skipped == {"no_geometry": 1}


def test_rows_that_cannot_be_used_are_counted(tmp_path):
    good = box(5, 50, 5.1, 50.1)
    geometry = [good, None, Polygon(), BOW_TIE, LineString([(5, 50), (6, 51)]), good, good, Point(5, 50)]
    values = ["a", "a", "a", "a", "a", None, "  ", "b"]
    labels = read_labels(write(frame(geometry, values), tmp_path / "l.gpkg"), "crop", epsg=EPSG)
    assert labels.name.tolist() == ["a", "b"]
    assert labels.skipped == {
        "invalid_geometry": 1,
        "neither_point_nor_polygon": 1,
        "no_class": 2,
        "no_geometry": 2,
    }


def test_multi_points_stay_one_label(tmp_path):
    shape = MultiPoint([(5, 50), (5.01, 50.01)])
    labels = read_labels(write(frame([shape], ["a"]), tmp_path / "l.gpkg"), "crop", epsg=EPSG)
    assert labels.geometry[0].geom_type == "MultiPoint"


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1, 2], ["1", "2"]),
        ([1.0, 2.5], ["1", "2.5"]),
        ([" rye ", "oat"], ["rye", "oat"]),
        ([True, False], ["True", "False"]),
    ],
)
def test_classes_become_texts(tmp_path, values, names):
    path = write(frame(values=values), tmp_path / "l.parquet")
    assert read_labels(path, "crop", epsg=EPSG).name.tolist() == names


def test_an_unknown_column_is_told_with_a_near_one(tmp_path):
    path = write(frame(), tmp_path / "l.gpkg")
    with pytest.raises(LabelError, match="did you mean 'crop'"):
        read_labels(path, "CROP", epsg=EPSG)
    with pytest.raises(LabelError, match="got 'soil' among"):
        read_labels(path, "soil", epsg=EPSG)


def test_labels_without_a_crs_are_refused(tmp_path):
    path = write(frame(), tmp_path / "l.shp")
    path.with_suffix(".prj").unlink()
    with pytest.raises(LabelError, match=r"must state their CRS.*\.prj"):
        read_labels(path, "crop", epsg=EPSG)


def test_several_layers_need_a_name(tmp_path):
    path = tmp_path / "l.gpkg"
    frame().to_file(path, layer="one")
    frame(values=("x", "y")).to_file(path, layer="two")
    with pytest.raises(LabelError, match=r"one layer.*'one', 'two'.*--layer"):
        read_labels(path, "crop", epsg=EPSG)
    assert read_labels(path, "crop", epsg=EPSG, layer="two").name.tolist() == ["x", "y"]
    with pytest.raises(LabelError, match="labels must be a GeoPackage"):
        read_labels(path, "crop", epsg=EPSG, layer="three")


def test_files_that_are_none_are_told(tmp_path):
    with pytest.raises(LabelError, match="which is none"):
        read_labels(tmp_path / "absent.gpkg", "crop", epsg=EPSG)
    broken = tmp_path / "broken.gpkg"
    broken.write_bytes(b"no database")
    with pytest.raises(LabelError, match="export it again"):
        read_labels(broken, "crop", epsg=EPSG)
    plain = tmp_path / "plain.parquet"
    pd.DataFrame({"crop": [1]}).to_parquet(plain)
    with pytest.raises(LabelError, match=r"GeoParquet.*--table"):
        read_labels(plain, "crop", epsg=EPSG)
    csv = tmp_path / "plain.csv"
    pd.DataFrame({"crop": [1], "east": [3]}).to_csv(csv)
    with pytest.raises(LabelError, match="columns lon and lat"):
        read_labels(csv, "crop", epsg=EPSG)
    pd.DataFrame({"crop": [1], "x": [664000.0], "y": [5612120.0]}).to_csv(csv)
    with pytest.raises(LabelError, match=r"within \+-180"):
        read_labels(csv, "crop", epsg=EPSG)


def test_a_file_with_nothing_usable_says_what_it_held(tmp_path):
    path = write(frame([BOW_TIE, BOW_TIE], ["a", None]), tmp_path / "l.gpkg")
    with pytest.raises(LabelError, match=r"'invalid_geometry': 1, 'no_class': 1"):
        read_labels(path, "crop", epsg=EPSG)
