"""Files that could be read as something else without a word: each is refused instead."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from benchmarks_made_e import MADE
from benchmarks_made_geo_bench import MADE as MADE_GEO_BENCH
from made_pictures import SIZE, write_text, write_tiff
from tiny_hdf5 import write_hdf5

from pipelines.training.benchmarks import SampleError, hdf5_layers, open_benchmark
from pipelines.training.benchmarks.errors import LayoutError, SplitError

EUROSAT = "classification_v1.0/m-eurosat"


@pytest.fixture
def made(tmp_path):
    def make(name):
        (MADE | MADE_GEO_BENCH)[name](tmp_path)
        return tmp_path

    return make


def rewritten(path, change):
    document = json.loads(path.read_text())
    change(document)
    write_text(path, json.dumps(document))


def test_complex_amplitudes_do_not_lose_their_imaginary_part(made):
    root = made("air-polsar-seg")
    for band in ("HH", "HV", "VH", "VV"):
        scattering = np.full((1, SIZE, SIZE), 3 + 4j, np.complex64)
        write_tiff(root / f"train_set/images/{band}/train_1_{band}.tiff", scattering)
    with pytest.raises(SampleError, match="real numbers, got complex64"):
        open_benchmark("air-polsar-seg", root, "train")[0]


@pytest.mark.parametrize(
    ("name", "part", "line"),
    [
        ("oscd", "Onera Satellite Change Detection dataset - Images/train.txt", "abudhabi,abudhabi"),
        (
            "dynamic-earth-net-planet",
            "dynnet_training_splits/train.txt",
            "/planet/a/PF-SR /labels/x.tif 2018-01\n/planet/a/PF-SR /labels/x.tif 2018-01\n",
        ),
        ("geo-bench-eurosat", f"{EUROSAT}/default_partition.json", '{"train": ["id_0000", "id_0000"]}'),
    ],
)
def test_a_sample_that_a_split_lists_twice_is_refused(made, name, part, line):
    root = made(name)
    write_text(root / part, line)
    with pytest.raises(SplitError, match="a sample once"):
        open_benchmark(name, root, "train")


def test_splits_that_share_a_sample_are_refused(made):
    root = made("geo-bench-eurosat")
    rewritten(root / EUROSAT / "default_partition.json", lambda parts: parts["test"].append("id_0000"))
    with pytest.raises(SplitError, match=r"share no sample, 1 are in two or more, the first \['id_0000'\]"):
        open_benchmark("geo-bench-eurosat", root, "train")


def test_a_sample_of_two_labels_is_refused(made):
    root = made("geo-bench-eurosat")
    write_text(root / EUROSAT / "label_map.json", json.dumps({"1": ["id_0000"], "2": ["id_0000"]}))
    with pytest.raises(LayoutError, match=r"one label in .*id_0000"):
        open_benchmark("geo-bench-eurosat", root, "train")


def test_an_array_that_claims_too_much_is_refused_before_it_is_read(made, monkeypatch):
    root = made("geo-bench-nz-cattle")
    square = np.zeros((8, 8), np.uint8)
    arrays = {"Red": square, "Green": square, "Blue": square, "label": square}
    write_hdf5(root / "segmentation_v1.0/m-nz-cattle/id_0000.hdf5", arrays)
    benchmark = open_benchmark("geo-bench-nz-cattle", root, "train")
    assert benchmark[0].images[0].size == (8, 8)
    monkeypatch.setattr(hdf5_layers, "MAX_PIXELS", 63)
    with pytest.raises(SampleError, match="at most 63 values, got 1 x 8 x 8"):
        benchmark[0]


def test_the_sets_own_folder_may_be_the_working_folder(made, monkeypatch):
    monkeypatch.chdir(made("geo-bench-eurosat") / EUROSAT)
    assert len(open_benchmark("geo-bench-eurosat", ".", "train")) == 2


def test_dates_are_told_by_their_number_not_by_their_line(made):
    root = made("oscd")
    benchmark = open_benchmark("oscd", root, "train")
    days = [image.time for image in benchmark[0].images]
    path = root / "Onera Satellite Change Detection dataset - Images" / benchmark.entries[0] / "dates.txt"
    write_text(path, "\n".join(reversed(path.read_text().strip().splitlines())))
    assert [image.time for image in benchmark[0].images] == days
    write_text(path, "date_1: 20160120\ndate_1: 20180328\n")
    with pytest.raises(SampleError, match="date_1 and date_2"):
        benchmark[0]


def test_two_images_of_one_name_do_not_share_their_regions(made):
    root = made("dfc23")
    path = root / "annotations/buildings_only_train.json"
    rewritten(path, lambda document: document["images"][1].update(file_name=document["images"][0]["file_name"]))
    with pytest.raises(LayoutError, match="of their own"):
        open_benchmark("dfc23", root, "train")


@pytest.mark.parametrize("corner", [10**400, 1e9, True])
def test_corners_that_are_no_pixels_are_refused(made, corner):
    root = made("dfc23")
    path = root / "annotations/buildings_only_train.json"
    rewritten(path, lambda document: document["annotations"][0].update(segmentation=[[1, 1, 5, 1, 5, corner]]))
    with pytest.raises(SampleError, match="3 or more corners"):
        list(open_benchmark("dfc23", root, "train"))


def test_a_wavelength_in_two_folders_is_refused(made):
    root = made("pangaea-mados")
    source = root / "Scene_0/20/Scene_0_L2R_rhorc_704_4.tif"
    shutil.copy(source, root / "Scene_0/10" / source.name)
    with pytest.raises(SampleError, match="a file each"):
        open_benchmark("pangaea-mados", root, "train")[0]


def test_two_folders_of_one_class_are_refused(made):
    root = made("aid")
    shutil.copytree(root / "AID/StorageTanks", root / "AID/storage_tanks")
    with pytest.raises(LayoutError, match=r"one folder, got .*StorageTanks"):
        open_benchmark("aid", root, "train")


def test_a_name_in_two_classes_is_not_found_by_a_list(made):
    root = made("eurosat-rgb")
    shutil.copy(root / "EuroSAT_RGB/AnnualCrop/AnnualCrop_1.jpg", root / "EuroSAT_RGB/River/AnnualCrop_1.jpg")
    with pytest.raises(LayoutError, match="names of their own"):
        open_benchmark("eurosat-rgb", root, "train")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("bigearthnet", "BigEarthNet-v1.0/{0}/{0}_labels_metadata.json"),
        ("dfc23", "annotations/buildings_only_train.json"),
        ("sarsegl1", "dataset.json"),
        ("sen1floods11", "v1.1/Sen1Floods11_Metadata.geojson"),
        ("geo-bench-eurosat", f"{EUROSAT}/default_partition.json"),
    ],
)
def test_json_without_an_end_of_brackets_is_refused_like_any_other(made, name, part):
    root = made(name)
    (root / part.format("S2A_MSIL2A_20170613T101031_87_48")).write_bytes(b"[" * 200_000)
    with pytest.raises(SampleError, match="must be JSON"):
        open_benchmark(name, root, "train")[0]


def test_a_filler_is_no_height_in_metres(made):
    root = made("isprs-vaihingen-height")
    height = np.full((1, 8, 8), 2.5, np.float32)
    height[0, 3, 3] = -9999.0
    path = root / "ndsm/dsm_09cm_matching_area1_normalized.jpg"
    write_tiff(path, height)
    benchmark = open_benchmark("isprs-vaihingen-height", root, "train")
    with pytest.raises(SampleError, match=r"within 1000 m, got -9999; mark what is missing as NaN"):
        benchmark[0]
    height[0, 3, 3] = np.nan
    write_tiff(path, height)
    assert np.isnan(benchmark[0].target.height_m).sum() == 1
