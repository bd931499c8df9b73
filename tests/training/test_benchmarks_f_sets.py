"""The detection and tracking sets, read from made-up files in their authors' layout."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from benchmarks_made_f import HEIGHT, MADE, WIDTH, hrsc_object, hrsc_xml, turned, upright, voc_xml, write

from pipelines.training.benchmarks import SampleError, benchmark_class, names, open_benchmark
from pipelines.training.benchmarks.errors import FolderMissingError, LayoutError, SplitError, UnknownBenchmarkError
from pipelines.training.benchmarks.xml_file import read_xml


@pytest.fixture
def made(tmp_path):
    def make(name):
        MADE[name](tmp_path / name)
        return tmp_path / name

    return make


@pytest.mark.parametrize("name", sorted(MADE))
def test_every_split_of_every_set_is_read(made, name):
    root = made(name)
    info = benchmark_class(name).info
    for split in info.splits:
        opened = open_benchmark(name, root, split)
        assert len(opened) > 0
        samples = [opened[index] for index in range(len(opened))]
        assert len({sample.id for sample in samples}) == len(samples)
        for sample in samples:
            image = sample.images[0]
            assert image.size == (HEIGHT, WIDTH)
            assert image.peak == 255
            assert image.pixels.max() > 1  # numbers of the file, not scaled
            assert sample.target.labels.max(initial=0) < len(info.classes)


def test_boxes_of_dior_are_those_written(made):
    sample = open_benchmark("dior", made("dior"), "test")[1]
    assert sample.id == "11727"
    np.testing.assert_array_equal(sample.target.boxes, [[9, 6, 25, 20], [30, 22, 60, 44]])
    classes = benchmark_class("dior").info.classes
    assert [classes[label] for label in sample.target.labels] == ["airplane", "Expressway-Service-area"]
    inside = sample.images[0].pixels[:, 8:18, 12:22].mean()
    assert inside > 180 > sample.images[0].pixels[:, :4, :4].mean()  # the bright square lies in the first box


def test_boxes_of_dior_r_are_those_written(made):
    sample = open_benchmark("dior-r", made("dior-r"), "val")[0]
    np.testing.assert_array_equal(sample.target.corners[0], [[40, 10], [50, 20], [40, 30], [30, 20]])


def test_a_ship_of_hrsc2016_points_where_its_bow_is(tmp_path):
    """Numbers of a published annotation of the set, with the bow at 964, 290."""
    MADE["hrsc2016"](tmp_path)
    from pipelines.training.benchmarks.hrsc2016 import box_corners

    path = tmp_path / "one.xml"
    write(path, hrsc_object(582.9349, 353.2006, 778.1303, 174.2541, -0.2144308))
    corners = box_corners(read_xml(path), path)
    bow = corners[1:3].mean(axis=0)
    assert math.dist(bow, (964, 290)) < 25  # drawn by hand; the other ends are 250 px and more away
    assert min(math.dist(corners[[3, 0]].mean(axis=0), (964, 290)), math.dist(corners[:2].mean(axis=0), bow)) > 250
    np.testing.assert_allclose(corners.mean(axis=0), [582.9349, 353.2006])


def test_hrsc2016_states_ground_sample_distance_and_difficult_ships(made):
    sample = open_benchmark("hrsc2016", made("hrsc2016"), "test")[0]
    assert sample.images[0].gsd_m == 1.07
    assert sample.target.ignore.tolist() == [False, True]
    assert len(open_benchmark("hrsc2016", made("hrsc2016"), "test")[1].target.labels) == 0


def test_hrsid_box_goes_from_width_to_right(made):
    opened = open_benchmark("hrsid", made("hrsid"), "train")
    np.testing.assert_array_equal(opened[0].target.boxes, [[10, 12, 26, 20]])
    assert opened[1].target.boxes.shape == (0, 4)
    assert opened[0].images[0].bands == ("amplitude",)


def test_frames_of_a_video_keep_identities_and_flags(made):
    opened = open_benchmark("air-mot", made("air-mot"), "test")
    assert len(opened) == 8
    first, second, other = opened[0], opened[1], opened[4]
    assert (first.sequence, other.sequence, second.target.frame) == ("02", "03", 2)
    np.testing.assert_array_equal(first.target.ids, second.target.ids)
    np.testing.assert_allclose(second.target.boxes - first.target.boxes, [[2, 0, 2, 0]] * 3)
    np.testing.assert_array_equal(first.target.boxes[0], [4, 0, 14, 8])  # left 5, top 1, counted from 1
    assert first.target.ignore.tolist() == [False, False, True]
    assert first.target.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_missing_folder_says_where_to_get_it_and_its_licence(tmp_path, name):
    info = benchmark_class(name).info
    with pytest.raises(FolderMissingError) as caught:
        open_benchmark(name, tmp_path / "nowhere", "test")
    assert info.home in str(caught.value)
    assert info.licence in str(caught.value)
    assert info.layout in str(caught.value)


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_split_the_set_has_not_or_the_copy_lacks_is_refused(made, name):
    root = made(name)
    with pytest.raises(SplitError, match="split must be one of"):
        open_benchmark(name, root, "testing")
    for gone in ("ImageSets/Main/test.txt", "ImageSets/test.txt", "annotations/test2017.json"):
        (root / gone).unlink(missing_ok=True)
    if (root / "test").is_dir():
        (root / "test").rename(root / "elsewhere")
    with pytest.raises(SplitError, match="not there"):
        open_benchmark(name, root, "test")


def test_an_unknown_name_lists_the_known(tmp_path):
    with pytest.raises(UnknownBenchmarkError, match="dior-r"):
        open_benchmark("dota", tmp_path, "test")
    assert "hrsc2016" in names()


def test_another_tree_is_refused_with_the_official_one(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(LayoutError, match="JPEGImages-trainval"):
        open_benchmark("dior", tmp_path, "train")


DAMAGED = {
    "leaves": (voc_xml("x", [upright("ship", (10, 10, 70, 20))]), "must lie in the image of 64 x 48"),
    "no size": (voc_xml("x", [upright("ship", (10, 10, 10, 20))]), "must have a width and a height"),
    "inside out": (voc_xml("x", [upright("ship", (20, 10, 10, 20))]), "must have a width and a height"),
    "unknown class": (voc_xml("x", [upright("boat", (1, 1, 9, 9))]), "a class must be one of"),
    "not a number": (voc_xml("x", [upright("ship", (1, "one", 9, 9))]), "must be a number"),
    "not finite": (voc_xml("x", [upright("ship", (1, "nan", 9, 9))]), "must be finite"),
    "no box": (voc_xml("x", ["<object><name>ship</name></object>"]), "must hold <bndbox>"),
    "other size": (voc_xml("x", [], width=800), "is of an image of 800 x 48"),
    "other root": ("<html></html>", "must be an <annotation>"),
    "flag": (voc_xml("x", [upright("ship", (1, 1, 9, 9), difficult=2)]), "must be 0 or 1"),
    "empty": ("", "must not be empty"),
    "blank": (" \n", "must not be empty"),
    "not XML": ("<annotation>", "must be plain XML"),
    "entities": (
        '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>',
        "has no document type",
    ),
    "outside": ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "has no document type"),
    "deep": ("<a>" * 101 + "</a>" * 101, "nests at most 100 elements"),
}


@pytest.mark.parametrize("fault", sorted(DAMAGED))
def test_a_bad_annotation_names_file_rule_and_value(made, fault):
    root = made("dior")
    text, rule = DAMAGED[fault]
    write(root / "Annotations/Horizontal Bounding Boxes/11726.xml", text)
    opened = open_benchmark("dior", root, "test")
    with pytest.raises(SampleError, match=rule) as caught:
        opened[0]
    assert "11726.xml" in str(caught.value)
    assert len(opened[1].target.labels) == 2  # the others are read


def test_a_box_one_pixel_over_the_border_is_cut(made):
    root = made("dior")
    path = root / "Annotations/Horizontal Bounding Boxes/11726.xml"
    write(path, voc_xml("x", [upright("ship", (-1, 0, 65, 49))]))
    np.testing.assert_array_equal(open_benchmark("dior", root, "test")[0].target.boxes, [[0, 0, 64, 48]])


@pytest.mark.parametrize(
    ("corners", "rule"),
    [
        ([(5, 5), (5, 5), (9, 9), (9, 9)], "corners must go around"),
        ([(5, 5), (9, 9), (9, 5), (5, 9)], "corners must go around"),
        ([(90, 5), (99, 5), (99, 9), (90, 9)], "centre must lie in the image"),
    ],
)
def test_a_bad_turned_box_is_refused(made, corners, rule):
    root = made("dior-r")
    write(root / "Annotations/Oriented Bounding Boxes/00002.xml", voc_xml("x", [turned("ship", corners)]))
    with pytest.raises(SampleError, match=rule):
        open_benchmark("dior-r", root, "val")[0]


def test_bad_ships_are_refused(made):
    root = made("hrsc2016")
    opened = open_benchmark("hrsc2016", root, "test")
    for item, rule in (
        (hrsc_object(30, 24, 0, 10, 0), "must have a width"),
        (hrsc_object(30, 24, 9, 10, 0, identity="100000099"), "Class_ID"),
        (hrsc_object(30, 240, 9, 10, 0), "centre must lie"),
        (hrsc_object(30, 24, 9, 10, "left"), "must be a number"),
    ):
        write(root / "FullDataSet/Annotations/100000006.xml", hrsc_xml("x", [item]))
        with pytest.raises(SampleError, match=rule):
            opened[0]
    write(root / "FullDataSet/Annotations/100000006.xml", hrsc_xml("x", [], width=5))
    with pytest.raises(SampleError, match="is of a picture of 5 x 48"):
        opened[0]


@pytest.mark.parametrize("name", sorted(set(MADE)))
def test_a_missing_or_damaged_picture_costs_its_sample(made, name):
    root = made(name)
    opened = open_benchmark(name, root, "test")
    kept = opened[len(opened) - 1].id
    pictures = sorted(path for path in root.rglob("*") if path.suffix in {".jpg", ".bmp"})
    first = opened[0].id
    bad = [path for path in pictures if path.stem.startswith(first.split("/")[-1][:9]) and "train" not in path.parts]
    bad[0].write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    with pytest.raises(SampleError, match="whole image"):
        opened[0]
    bad[0].unlink()
    with pytest.raises(SampleError, match="must be there"):
        opened[0]
    assert opened[len(opened) - 1].id == kept


def test_a_grey_picture_among_colours_is_refused(made):
    root = made("dior")
    grey = made("hrsid") / "JPEGImages"
    (root / "JPEGImages-test/11726.jpg").write_bytes(next(iter(sorted(grey.iterdir()))).read_bytes())
    with pytest.raises(SampleError, match="must have 3 bands, got 1"):
        open_benchmark("dior", root, "test")[0]


def test_a_colour_picture_among_radar_is_refused(made):
    root = made("sar-aircraft-1.0")
    colour = made("dior") / "JPEGImages-test/11726.jpg"
    (root / "JPEGImages/0000004.jpg").write_bytes(colour.read_bytes())
    with pytest.raises(SampleError, match="three bands of a grey picture must be equal"):
        open_benchmark("sar-aircraft-1.0", root, "test")[0]


def test_coco_faults_are_named(made):
    root = made("hrsid")
    path = root / "annotations/test2017.json"
    good = json.loads(path.read_text())

    def refused(change, error, rule):
        document = json.loads(json.dumps(good))
        change(document)
        path.write_text(json.dumps(document))
        with pytest.raises(error, match=rule):
            open_benchmark("hrsid", root, "test")[0]

    refused(lambda d: d.pop("categories"), LayoutError, "categories")
    refused(lambda d: d.update(images=[]), LayoutError, "annotation 3 is of image 3")
    refused(lambda d: d.update(images=[], annotations=[]), LayoutError, "at least one picture")
    refused(lambda d: d["annotations"][0].update(category_id=7), LayoutError, "category 7")
    refused(lambda d: d["categories"][0].update(name="boat"), SampleError, "a class must be one of")
    refused(lambda d: d["annotations"][0].update(bbox=[1, 1, 0, 5]), SampleError, "width and a height")
    refused(lambda d: d["annotations"][0].update(bbox=[1, 1, 90, 5]), SampleError, "must lie in the image")
    refused(lambda d: d["annotations"][0].update(bbox=[1, 1, 5]), SampleError, "4 finite numbers")
    refused(lambda d: d["images"][0].update(height=800), SampleError, "as test2017.json states")
    refused(lambda d: d["annotations"][0].update(image_id=1.9), LayoutError, "image_id must be a whole number, got 1.9")
    refused(lambda d: d["annotations"][0].update(iscrowd="0"), LayoutError, "iscrowd must be a whole number, got '0'")
    refused(lambda d: d["annotations"][0].update(iscrowd=2), LayoutError, "iscrowd must be 0 or 1, got 2")
    refused(lambda d: d["images"][0].update(file_name="../../x.jpg"), LayoutError, "stay inside")
    for text, rule in (("", "must not be empty"), ("[" * 100_000, "must be JSON"), ("[1]", "COCO annotation file")):
        path.write_text(text)
        with pytest.raises(LayoutError, match=rule):
            open_benchmark("hrsid", root, "test")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("1,9,5,5,10,8,1,3,1", "class must be 1 to 2, got 3"),
        ("9,9,5,5,10,8,1,1,1", "frame must be 1 to 4, got 9"),
        ("1,1,5,5,10,8,1,1,1", "is there twice"),
        ("1,9,5,5,0,8,1,1,1", "must have a width"),
        ("1,9,70,5,10,8,1,1,1", "must reach into the picture"),
        ("1,1.5,5,5,10,8,1,1,1", "id must be a whole number of at least 0, got 1.5"),
        ("1,-1,5,5,10,8,1,1,1", "id must be a whole number of at least 0, got -1"),
        ("1,9,5,5,10,8,1,1", "must have 9 finite numbers"),
        ("1,9,a,5,10,8,1,1,1", "must be numbers"),
    ],
)
def test_bad_lines_of_a_video_are_named(made, line, rule):
    root = made("air-mot")
    path = root / "test/02/gt/gt.txt"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(SampleError, match=rule):
        open_benchmark("air-mot", root, "test")[0]


def test_a_box_that_sticks_out_of_a_picture_is_kept_as_stated(made):
    root = made("air-mot")
    path = root / "test/02/gt/gt.txt"
    path.write_text(path.read_text() + "1,9,60,5,10,8,1,1,1\n")
    target = open_benchmark("air-mot", root, "test")[0].target
    assert target.boxes[target.ids == 9].tolist() == [[59, 4, 69, 12]]


def test_empty_and_missing_files_of_a_video(made):
    root = made("air-mot")
    (root / "test/02/gt/gt.txt").write_text("")
    opened = open_benchmark("air-mot", root, "test")
    with pytest.raises(SampleError, match="it is empty"):
        opened[0]
    assert opened[4].sequence == "03"
    (root / "test/02/seqinfo.ini").write_text("[Sequence]\nseqLength=4\n")
    with pytest.raises(LayoutError, match="imHeight"):
        open_benchmark("air-mot", root, "test")


def test_split_lists_are_checked(made):
    root = made("dior")
    path = root / "ImageSets/Main/test.txt"
    for text, rule in (("", "at least one sample"), ("11726\n11726\n", "repeats"), ("../x\n", "stay inside")):
        path.write_text(text)
        with pytest.raises((SplitError, SampleError), match=rule):
            open_benchmark("dior", root, "test")


@pytest.mark.parametrize("harm", ["cut", "bit"])
def test_a_damaged_png_is_refused(tmp_path, harm):
    """The driver reads both and says nothing."""
    import rasterio

    from pipelines.training.benchmarks.raster import read_raster

    path = tmp_path / "a.png"
    values = np.random.default_rng(0).integers(0, 255, (3, 64, 64)).astype(np.uint8)
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(path, "w", driver="PNG", count=3, height=64, width=64, dtype="uint8") as file,
    ):
        file.write(values)
    np.testing.assert_array_equal(read_raster(path), values)
    content = bytearray(path.read_bytes())
    if harm == "cut":
        content = content[: len(content) // 2]
    else:
        content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SampleError, match="must be a whole PNG"):
        read_raster(path)


def test_a_picture_that_may_not_be_read_costs_one_sample(tmp_path, monkeypatch):
    from pathlib import Path

    from pipelines.training.benchmarks.raster import read_raster

    (tmp_path / "a.png").write_bytes(b"")

    def refused(*_, **__):
        raise PermissionError("not yours")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(SampleError, match="not yours"):
        read_raster(tmp_path / "a.png")


@pytest.mark.parametrize("key", ["id", "file_name"])
def test_a_picture_of_a_coco_file_stands_once(made, key):
    root = made("hrsid")
    path = root / "annotations/test2017.json"
    document = json.loads(path.read_text())
    document["images"].append(document["images"][0] | ({"file_name": "other.jpg"} if key == "id" else {"id": 9999}))
    path.write_text(json.dumps(document))
    with pytest.raises(LayoutError, match=f"{key} of a picture must stand once"):
        open_benchmark("hrsid", root, "test")


def test_splits_that_share_samples_are_told_by_their_names():
    from pipelines.training.benchmarks.split_overlap import share_samples

    for first, second in (("train", "train"), ("trainval", "val"), ("train", "trainval"), ("list-test", "train")):
        assert share_samples(first, second)
        assert share_samples(second, first)
    for first, second in (("train", "test"), ("trainval", "test"), ("list-train", "list-test"), ("support", "query")):
        assert not share_samples(first, second)
