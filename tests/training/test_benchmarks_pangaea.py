"""Sets of PANGAEA: choices and faults.

That what was planted is what is read is tested with all other sets, in test_benchmarks_e_sets.
"""

from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest
from benchmarks_made_pangaea import MADE
from made_pictures import SIZE, words, write_picture, write_text, write_tiff

from pipelines.training.benchmarks import SampleError, npy_file, open_benchmark
from pipelines.training.benchmarks.errors import LayoutError, SplitError
from pipelines.training.benchmarks.geojson_mask import read_geojson_mask
from pipelines.training.benchmarks.spacenet7_places import PLACES

PASTIS = "pangaea-pastis-r"


@pytest.fixture
def made(tmp_path):
    def make(name):
        MADE[name](tmp_path)
        return tmp_path

    return make


def rewritten(path, change):
    document = json.loads(path.read_text())
    change(document)
    write_text(path, json.dumps(document))


# --- PASTIS-R


@pytest.mark.parametrize(
    ("rotation", "train", "val", "test"),
    [
        (1, "10001 10002 20003 30001", "40001", "50001"),
        (2, "20003 30001 40001", "50001", "10001 10002"),
        (3, "30001 40001 50001", "10001 10002", "20003"),
        (4, "10001 10002 40001 50001", "20003", "30001"),
        (5, "10001 10002 20003 50001", "30001", "40001"),
    ],
)
def test_rotations_of_pastis_are_the_authors(made, rotation, train, val, test):
    """Of utae-paps' training script: folds 123 4 5, 234 5 1, 345 1 2, 451 2 3, 512 3 4."""
    root = made(PASTIS)
    for split, expected in (("train", train), ("val", val), ("test", test)):
        assert list(open_benchmark(PASTIS, root, split, rotation=rotation).entries) == words(expected)


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (1, ["2019-07-27"]),
        (2, ["2018-09-24", "2019-07-27"]),
        (3, ["2018-09-24", "2019-01-12", "2019-07-27"]),
        (4, ["2018-09-24", "2018-10-04", "2019-01-12", "2019-07-27"]),
        (9, ["2018-09-24", "2018-10-04", "2019-01-12", "2019-05-03", "2019-07-27"]),
    ],
)
def test_dates_of_pastis_are_evenly_spaced(made, dates, expected):
    """Of five images: indices 0 and 4; 0, 2, 4; 0, 1, 2, 4 (whole parts of 0, 4/3, 8/3, 4); of one date the last."""
    root = made(PASTIS)
    whole = {image.time: image for image in open_benchmark(PASTIS, root, "val", sensors=("S2",))[0].images}
    images = open_benchmark(PASTIS, root, "val", sensors=("S2",), dates=dates)[0].images
    assert [image.time for image in images] == expected
    for image in images:
        np.testing.assert_array_equal(image.pixels, whole[image.time].pixels)


def test_sensors_of_pastis_are_read_as_asked(made):
    images = open_benchmark(PASTIS, made(PASTIS), "train", sensors=("S1D", "S2"), dates=2)[1].images
    assert [(image.modality, image.unit, image.time) for image in images] == [
        ("sar_l2", "db", "2018-09-24"),
        ("sar_l2", "db", "2019-01-12"),
        ("ms", "reflectance", "2018-09-24"),
        ("ms", "reflectance", "2019-07-27"),
    ]
    difference = images[0].pixels[0] - images[0].pixels[1]
    np.testing.assert_allclose(images[0].pixels[2], difference, atol=0.05)  # of half precision


def test_pastis_may_lie_in_a_folder_of_its_name(tmp_path):
    MADE[PASTIS](tmp_path / "PASTIS-R")
    assert len(open_benchmark(PASTIS, tmp_path, "train")) == 4


@pytest.mark.parametrize(
    "options", [{"sensors": ()}, {"sensors": ("S2", "S2")}, {"sensors": ("S3",)}, {"dates": 0}, {"rotation": 6}]
)
def test_choices_that_pastis_has_not_are_refused(made, options):
    with pytest.raises(SplitError, match=r"PASTIS-R: (sensors|dates) must"):
        open_benchmark(PASTIS, made(PASTIS), "train", **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("features"), "ID_PATCH and Fold"),
        (lambda d: d["features"][0]["properties"].pop("Fold"), "ID_PATCH and Fold"),
        (lambda d: d["features"][1]["properties"].update(ID_PATCH="../x"), "ID_PATCH and Fold"),
        (lambda d: d["features"][1]["properties"].pop("dates-S2"), "date each image"),
        (lambda d: d["features"][1]["properties"].update({"dates-S2": {"0": 20190231}}), "date each image"),
        (lambda d: d["features"][1]["properties"].update({"dates-S2": {"a": 20190201}}), "date each image"),
        (lambda d: d["features"][1]["properties"].update({"dates-S2": "[" * 9}), "date each image"),
    ],
)
def test_metadata_of_another_form_are_refused(made, change, message):
    root = made(PASTIS)
    rewritten(root / "metadata.geojson", change)
    with pytest.raises(LayoutError, match=message):
        open_benchmark(PASTIS, root, "train")


def test_a_patch_that_is_listed_twice_is_refused(made):
    root = made(PASTIS)
    rewritten(root / "metadata.geojson", lambda d: d["features"].append(d["features"][1]))
    with pytest.raises(SplitError, match="a sample once"):
        open_benchmark(PASTIS, root, "train")


def test_series_of_other_dates_than_stated_are_refused(made):
    root = made(PASTIS)
    np.save(root / "DATA_S2/S2_40001.npy", np.zeros((4, 10, SIZE, SIZE), np.int16))
    with pytest.raises(SampleError, match=r"S2_40001.npy: must have an image for each of 5 dates, got 4"):
        open_benchmark(PASTIS, root, "val")[0]


@pytest.mark.parametrize(
    ("part", "array", "message"),
    [
        ("DATA_S2/S2_40001.npy", np.zeros((5, 9, SIZE, SIZE), np.int16), "must have 10 bands, got 9"),
        ("DATA_S1A/S1A_40001.npy", np.zeros((4, 3, SIZE, 5), np.float16), "height, width"),
        ("DATA_S1A/S1A_40001.npy", np.zeros((4, 3, SIZE, SIZE), np.complex64), "real numbers, got complex64"),
        ("DATA_S1A/S1A_40001.npy", np.full((4, 3, SIZE, SIZE), "x"), "real numbers"),
        ("ANNOTATIONS/TARGET_40001.npy", np.zeros((SIZE, SIZE), np.uint8), "must have 3 dims"),
        ("ANNOTATIONS/TARGET_40001.npy", np.full((3, SIZE, SIZE), 20, np.uint8), r"labels must be among .*20"),
        ("ANNOTATIONS/TARGET_40001.npy", np.full((3, SIZE, SIZE), 0.5), "whole numbers"),
    ],
)
def test_arrays_of_another_form_are_refused(made, part, array, message):
    root = made(PASTIS)
    np.save(root / part, array)
    with pytest.raises(SampleError, match=message) as error:
        open_benchmark(PASTIS, root, "val")[0]
    assert "40001.npy" in str(error.value)


class Runs:
    """What an unpickler would run: it leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("way", ["array of objects", "plain pickle"])
def test_pickles_are_never_opened(made, way):
    root = made(PASTIS)
    path, trace = root / "DATA_S2/S2_40001.npy", root / "trace"
    if way == "plain pickle":
        path.write_bytes(pickle.dumps(Runs(trace)))
    else:
        np.save(path, np.array([Runs(trace)], dtype=object), allow_pickle=True)
    with pytest.raises(SampleError, match=r"must be a whole \.npy file of numbers"):
        open_benchmark(PASTIS, root, "val")[0]
    assert not trace.exists()


@pytest.mark.parametrize("length", [0, 7, 60, 200])
def test_arrays_that_are_cut_short_are_refused(made, length):
    root = made(PASTIS)
    path = root / "DATA_S1A/S1A_40001.npy"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(SampleError, match=r"S1A_40001.npy: must be a whole \.npy file"):
        open_benchmark(PASTIS, root, "val")[0]
    path.unlink()
    with pytest.raises(SampleError, match="must be there"):
        open_benchmark(PASTIS, root, "val")[0]


def test_an_array_that_claims_too_much_is_refused_unread(made, monkeypatch):
    root = made(PASTIS)
    monkeypatch.setattr(npy_file, "MAX_PIXELS", 5 * 10 * SIZE * SIZE - 1)
    with pytest.raises(SampleError, match=r"at most 12799 values, got \(5, 10, 16, 16\)"):
        open_benchmark(PASTIS, root, "val")[0]


# --- xView2

XVIEW2 = "pangaea-xview2"
FLORENCE = "hurricane-florence_00000103"


def test_dates_of_xview2_are_told_where_the_labels_tell_them(made):
    root = made(XVIEW2)
    opened = open_benchmark(XVIEW2, root, "train")
    assert [image.time for image in opened[0].images] == ["2017-10-03", "2018-09-20"]
    path = root / "train/labels" / f"{FLORENCE}_pre_disaster.json"
    for stated in ("yesterday", 20171003, "2017-13-40"):
        rewritten(path, lambda d, stated=stated: d["metadata"].update(capture_date=stated))
        assert [image.time for image in opened[0].images] == ["", "2018-09-20"]
    path.unlink()
    assert [image.time for image in opened[0].images] == ["", "2018-09-20"]
    write_text(root / "train/labels" / f"{FLORENCE}_post_disaster.json", "{")
    with pytest.raises(SampleError, match="must be JSON"):
        opened[0]


@pytest.mark.parametrize(
    ("part", "pixels", "message"),
    [
        ("targets/{}_post_disaster_target.png", np.full((SIZE, SIZE), 5, np.uint8), r"labels must be among .*5"),
        ("targets/{}_post_disaster_target.png", np.zeros((SIZE, 7), np.uint8), "height, width"),
        ("images/{}_pre_disaster.png", np.zeros((SIZE, 7, 3), np.uint8), "height, width"),
        ("images/{}_post_disaster.png", np.zeros((SIZE, SIZE), np.uint8), "must have 3 bands, got 1"),
        ("images/{}_post_disaster.png", None, "must be there"),
        ("targets/{}_post_disaster_target.png", None, "must be there"),
    ],
)
def test_pairs_of_another_form_are_refused(made, part, pixels, message):
    root = made(XVIEW2)
    path = root / "train" / part.format(FLORENCE)
    path.unlink()
    if pixels is not None:
        write_picture(path, pixels)
    with pytest.raises(SampleError, match=message):
        open_benchmark(XVIEW2, root, "train")[0]


def test_a_part_of_xview2_without_targets_is_refused(made):
    root = made(XVIEW2)
    (root / "test/targets").rename(root / "test/masks")
    with pytest.raises(LayoutError, match="must hold targets"):
        open_benchmark(XVIEW2, root, "test")


# --- SpaceNet 7

SN7 = "pangaea-spacenet7"
CHANGE = "pangaea-spacenet7-change"
FIRST = PLACES["test"][0]
BUILDINGS = f"train/{FIRST}/labels_match_pix/global_monthly_2018_01_mosaic_{FIRST}_Buildings.geojson"


def test_places_of_spacenet7_are_divided_as_published():
    """Hafner et al. 2023: 30, 15 and 14 places, each in one split."""
    assert [len(PLACES[split]) for split in ("train", "val", "test")] == [30, 15, 14]
    assert len({place for places in PLACES.values() for place in places}) == 59


def as_packaged(root, *, masked=("2018_02",), unlabelled=()):
    """Turns outlines into the masks of PANGAEA's package, with its list of months."""
    listed = {}
    for folder in sorted((root / "train").iterdir()):
        for path in sorted((folder / "labels_match_pix").iterdir()):
            mask = read_geojson_mask(path, (SIZE, SIZE))
            write_tiff(folder / "labels_raster" / f"{path.stem}.tif", (255 * mask).astype(np.uint8)[None])
            path.unlink()
        listed[folder.name] = [
            {"aoi_id": folder.name, "index": index, "year": 2018, "month": month,
             "mask": f"2018_{month:02d}" in masked, "label": f"2018_{month:02d}" not in unlabelled}
            for index, month in enumerate((1, 2, 5))
        ]  # fmt: skip
    write_text(root / "metadata_train.json", json.dumps(listed))


def test_months_of_the_package_are_those_without_a_cut_out(tmp_path):
    planted = MADE[SN7](tmp_path)["test"]
    as_packaged(tmp_path)
    opened = open_benchmark(SN7, tmp_path, "test")
    assert list(opened.entries) == [f"{place}/{month}" for place in PLACES["test"] for month in ("2018_01", "2018_05")]
    for sample in opened:
        np.testing.assert_array_equal(sample.target.mask, planted[sample.id].target)
    pairs = open_benchmark(CHANGE, tmp_path, "test")
    assert pairs.entries[0] == f"{FIRST}/2018_01/2018_05"
    expected = planted[f"{FIRST}/2018_01"].target != planted[f"{FIRST}/2018_05"].target
    np.testing.assert_array_equal(pairs[0].target.mask, expected)
    as_packaged(tmp_path, unlabelled=("2018_05",))
    assert len(open_benchmark(SN7, tmp_path, "test")) == 14
    with pytest.raises(LayoutError, match=r"two months or more to compare, got \['2018_01'\]"):
        open_benchmark(CHANGE, tmp_path, "test")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d: d.pop(FIRST), LayoutError, f"{FIRST} is not there"),
        (lambda d: d[FIRST][0].pop("mask"), SampleError, "year, month, label and mask"),
        (lambda d: d[FIRST][0].update(year=None), SampleError, "year, month, label and mask"),
        (lambda d: d[FIRST].append(d[FIRST][0]), SplitError, "a sample once"),
    ],
)
def test_lists_of_months_of_another_form_are_refused(made, change, error, message):
    root = made(SN7)
    as_packaged(root)
    rewritten(root / "metadata_train.json", change)
    with pytest.raises(error, match=message):
        open_benchmark(SN7, root, "test")


@pytest.mark.parametrize("name", [SN7, CHANGE])
def test_a_place_that_is_missing_is_named(made, name):
    root = made(name)
    shutil.rmtree(root / "train" / FIRST)
    with pytest.raises(LayoutError, match=f"must hold {FIRST}/images_masked"):
        open_benchmark(name, root, "test")
    assert len(open_benchmark(name, root, "val"))


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ({"type": "Point", "coordinates": [1.0, 2.0]}, "got a Point"),
        ({"type": "Polygon"}, "coordinates"),
        ({"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}, "4 corners or more"),
        ({"type": "Polygon", "coordinates": [[["1", "2"]] * 4]}, "corners must be x, y"),
        ({"type": "Polygon", "coordinates": [[[1, 2], [3]] * 4]}, "polygons in pixels"),
        ({"type": "Polygon", "coordinates": [[[float("nan"), 2.0]] * 4]}, "all in pixels"),
        ({"type": "Polygon", "coordinates": [[[1e9, 2.0]] * 4]}, "all in pixels"),
        ([1], "polygons in pixels"),
    ],
)
def test_outlines_of_another_form_are_refused(made, geometry, message):
    root = made(SN7)
    rewritten(root / BUILDINGS, lambda d: d["features"][0].update(geometry=geometry))
    with pytest.raises(SampleError, match=message):
        open_benchmark(SN7, root, "test")[0]


def test_a_month_without_a_building_is_background(made):
    root = made(SN7)
    write_text(root / BUILDINGS, json.dumps({"type": "FeatureCollection", "features": []}))
    assert not open_benchmark(SN7, root, "test")[0].target.mask.any()
    (root / BUILDINGS).unlink()
    with pytest.raises(SampleError, match="must be readable"):
        open_benchmark(SN7, root, "test")[0]


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        (np.zeros((3, SIZE, SIZE), np.uint8), "must have 4 bands, got 3"),
        (np.zeros((4, SIZE, SIZE), np.uint16), "must hold uint8, got uint16"),
        (np.full((4, SIZE, 9), 255, np.uint8), "height, width"),
    ],
)
def test_mosaics_of_another_form_are_refused(made, bands, message):
    root = made(CHANGE)
    write_tiff(root / f"train/{FIRST}/images_masked/global_monthly_2018_02_mosaic_{FIRST}.tif", bands)
    with pytest.raises(SampleError, match=message):
        open_benchmark(CHANGE, root, "test")[0]
