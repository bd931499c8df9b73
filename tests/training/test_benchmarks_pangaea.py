"""Sets of PANGAEA that are kept as arrays: choices and faults.

That what was planted is what is read is tested with all other sets, in test_benchmarks_e_sets.
"""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from benchmarks_made_pangaea import MADE
from made_pictures import SIZE, words, write_text

from pipelines.training.benchmarks import SampleError, npy_file, open_benchmark
from pipelines.training.benchmarks.errors import LayoutError, SplitError

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
    with pytest.raises(SplitError, match=r"PASTIS-R: (sensors|dates|rotation) must"):
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


# --- Crop Type Mapping

CROPS = "pangaea-crop-type-mapping"
ARRAYS = "southsudan/npy/southsudan_001204.npz"
TRUTH = "southsudan/truth/southsudan_001204.npz"


@pytest.mark.parametrize(
    ("sensors", "dates", "expected"),
    [
        (("s1",), 2, ["2017-01-04", "2017-09-01"]),
        (("s1",), 1, ["2017-09-01"]),
        (("s1", "s2"), 1, ["2017-09-01", "2017-05-02"]),
        (("s2", "s1"), 9, ["2017-02-11", "2017-05-02", "2017-01-04", "2017-03-17", "2017-09-01"]),
    ],
)
def test_series_of_crops_are_read_as_asked(made, sensors, dates, expected):
    images = open_benchmark(CROPS, made(CROPS), "test", sensors=sensors, dates=dates)[0].images
    assert [image.time for image in images] == expected


def test_crops_may_lie_in_the_archives_folder(tmp_path):
    MADE[CROPS](tmp_path / "africa_crop_type_mapping_v1.0")
    assert list(open_benchmark(CROPS, tmp_path, "train").entries) == ["000017", "000003"]


@pytest.mark.parametrize(
    "options", [{"sensors": ()}, {"sensors": ("planet",)}, {"sensors": ("s1", "s1")}, {"dates": 0}]
)
def test_choices_that_crops_have_not_are_refused(made, options):
    with pytest.raises(SplitError, match=r"South Sudan: (sensors|dates) must"):
        open_benchmark(CROPS, made(CROPS), "train", **options)


@pytest.mark.parametrize(
    "text", ["id,part\n1,0\n", "id,partition\nx,0\n", "id,partition\n1\n", "id,partition\n../1,0\n"]
)
def test_lists_of_grids_of_another_form_are_refused(made, text):
    root = made(CROPS)
    write_text(root / "southsudan/list_eval_partition.csv", text)
    with pytest.raises(LayoutError, match="whole numbers in columns id and partition"):
        open_benchmark(CROPS, root, "train")


def test_a_split_without_a_grid_is_refused(made):
    root = made(CROPS)
    write_text(root / "southsudan/list_eval_partition.csv", "id,partition\n17,0\n")
    with pytest.raises(LayoutError, match="at least one sample"):
        open_benchmark(CROPS, root, "test")


def arrays_with(**changed):
    arrays = {"s1": np.zeros((3, SIZE, SIZE, 3)), "s2": np.ones((10, SIZE, SIZE, 2), np.uint16)} | changed
    return {name: array for name, array in arrays.items() if array is not None}


@pytest.mark.parametrize(
    ("part", "arrays", "message"),
    [
        (ARRAYS, arrays_with(s2=None), "must hold an array 's2'"),
        (ARRAYS, arrays_with(s2=np.ones((9, SIZE, SIZE, 2))), "must have 10 bands, got 9"),
        (ARRAYS, arrays_with(s1=np.ones((1, SIZE, SIZE, 3))), "must have 2 bands, got 1"),
        (ARRAYS, arrays_with(s1=np.ones((2, SIZE, SIZE, 4))), "s1 must have an image for each of 3 dates, got 4"),
        (ARRAYS, arrays_with(s1=np.ones((2, SIZE, SIZE))), "must have 4 dims"),
        (ARRAYS, arrays_with(s1=np.ones((2, SIZE, SIZE, 3), complex)), "real numbers, got complex128"),
        (ARRAYS, arrays_with(s1=np.ones((2, SIZE, 7, 3))), "height, width"),
        (TRUTH, {"truth": np.full((SIZE, SIZE), -1)}, "labels must be among"),
        (TRUTH, {"truth": np.full((SIZE, SIZE), 0.5)}, "whole numbers"),
        (TRUTH, {"mask": np.zeros((SIZE, SIZE))}, "must hold an array 'truth'"),
    ],
)
def test_grids_of_another_form_are_refused(made, part, arrays, message):
    root = made(CROPS)
    np.savez(root / part, **arrays)
    with pytest.raises(SampleError, match=message) as error:
        open_benchmark(CROPS, root, "test")[0]
    assert "southsudan_001204.npz" in str(error.value)


def test_archives_that_are_damaged_are_refused(made):
    root = made(CROPS)
    path = root / ARRAYS
    content = path.read_bytes()
    for damaged in (b"", content[: len(content) // 2], content[:200] + bytes(300) + content[500:]):
        path.write_bytes(damaged)
        with pytest.raises(SampleError, match=r"must be a whole \.npz file of numbers"):
            open_benchmark(CROPS, root, "test")[0]


def test_pickles_in_archives_are_never_opened(made):
    root = made(CROPS)
    trace = root / "trace"
    np.savez(root / ARRAYS, **arrays_with(s2=np.array([Runs(trace)], dtype=object)))
    with pytest.raises(SampleError, match="real numbers, got object"):
        open_benchmark(CROPS, root, "test")[0]
    (root / ARRAYS).write_bytes(pickle.dumps(Runs(trace)))
    with pytest.raises(SampleError, match=r"must be a whole \.npz file of numbers"):
        open_benchmark(CROPS, root, "test")[0]
    assert not trace.exists()


def test_an_archive_that_claims_too_much_is_refused_unread(made, monkeypatch):
    root = made(CROPS)
    monkeypatch.setattr(npy_file, "MAX_PIXELS", 10 * SIZE * SIZE * 2 - 1)
    with pytest.raises(SampleError, match=r"at most 5119 values, got \(10, 16, 16, 2\)"):
        open_benchmark(CROPS, root, "test")[0]


@pytest.mark.parametrize("document", [{}, {"dates": 5}, {"dates": ["2017-02-30", "2017-05-02"]}, {"dates": [1, 2]}])
def test_dates_of_another_form_are_refused(made, document):
    root = made(CROPS)
    write_text(root / "southsudan/s2/s2_southsudan_001204.json", json.dumps(document))
    with pytest.raises(SampleError, match="must list dates"):
        open_benchmark(CROPS, root, "test")[0]
