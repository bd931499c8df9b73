"""Sets of PANGAEA that are kept as pictures: choices and faults.

That what was planted is what is read is tested with all other sets, in test_benchmarks_e_sets.
"""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tifffile
from benchmarks_made_pangaea import FBP_TEST, MADE
from made_pictures import SIZE, write_picture, write_text, write_tiff

from pipelines.training.benchmarks import SampleError, open_benchmark, raster
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


# --- Five-Billion-Pixels

FBP = "pangaea-five-billion-pixels"
SCENE = FBP_TEST[0]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_tag_of_printing_colours_is_not_believed(made):
    """GDAL by itself gives red, green, blue and opacity of such a file."""
    import rasterio

    root = made(FBP)
    path = root / "Image__8bit_NirRGB" / f"{SCENE}.tif"
    stored = np.moveaxis(tifffile.imread(path), -1, 0)
    with rasterio.open(path) as source:
        assert not np.array_equal(source.read(), stored)
    image = open_benchmark(FBP, root, "test")[0].images[0]
    assert image.bands == ("nir", "red", "green", "blue")
    np.testing.assert_array_equal(image.pixels, stored)


def test_files_of_five_billion_pixels_may_be_named_otherwise(tmp_path):
    planted = MADE[FBP](tmp_path)["train"]
    (tmp_path / "Image__8bit_NirRGB").rename(tmp_path / "Image_8bit_NirRGB")
    for path in sorted((tmp_path / "Image_8bit_NirRGB").iterdir()):
        path.rename(path.with_suffix(".tiff"))
    assert {sample.id for sample in open_benchmark(FBP, tmp_path, "train")} == set(planted)
    assert len(open_benchmark(FBP, tmp_path, "test")) == 30


def test_a_test_scene_that_is_missing_is_named(made):
    root = made(FBP)
    (root / "Image__8bit_NirRGB" / f"{SCENE}.tif").unlink()
    with pytest.raises(LayoutError, match=f"1 files of the published list are missing.*{SCENE}"):
        open_benchmark(FBP, root, "test")
    assert len(open_benchmark(FBP, root, "train")) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n", "must be a TIFF"),
        (b"GTIFF_RAW:/etc/passwd", "must be a PNG, JPEG, BMP or TIFF"),
        (b"II*\x00 and no more", "must be a whole image"),
    ],
)
def test_scenes_that_are_no_tiff_are_refused(made, content, message):
    root = made(FBP)
    (root / "Image__8bit_NirRGB" / f"{SCENE}.tif").write_bytes(content)
    with pytest.raises(SampleError, match=message):
        open_benchmark(FBP, root, "test")[0]


@pytest.mark.parametrize(
    ("bands", "label", "message"),
    [
        (np.zeros((3, SIZE, SIZE), np.uint8), None, "must have 4 bands, got 3"),
        (np.zeros((4, SIZE, SIZE), np.uint16), None, "must hold uint8, got uint16"),
        (np.zeros((4, SIZE, 9), np.uint8), None, "height, width"),
        (None, np.full((SIZE, SIZE), 25, np.uint8), r"labels must be among .*25"),
    ],
)
def test_scenes_of_another_form_are_refused(made, bands, label, message):
    root = made(FBP)
    if bands is not None:
        write_tiff(root / "Image__8bit_NirRGB" / f"{SCENE}.tif", bands)
    if label is not None:
        write_picture(root / "Annotation__index" / f"{SCENE}_24label.png", label)
    with pytest.raises(SampleError, match=message):
        open_benchmark(FBP, root, "test")[0]


def test_a_scene_that_claims_too_much_is_refused_unread(made, monkeypatch):
    root = made(FBP)
    monkeypatch.setattr(raster, "MAX_PIXELS", 4 * SIZE * SIZE - 1)
    with pytest.raises(SampleError, match="at most 1023 values, got 4 x 16 x 16"):
        open_benchmark(FBP, root, "test")[0]
