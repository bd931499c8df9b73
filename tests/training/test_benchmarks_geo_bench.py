"""GEO-Bench without its pickles: HDF5 files as its authors write them, labels from the JSON files beside them."""

from __future__ import annotations

import json
import pickle
import warnings
from ast import literal_eval

import numpy as np
import pytest
import rasterio
from benchmarks_made_geo_bench import MADE, SETS
from made_pictures import write_text
from rasterio.errors import NotGeoreferencedWarning
from tiny_hdf5 import write_hdf5

from pipelines.training.benchmarks import SampleError, benchmark_class, open_benchmark
from pipelines.training.benchmarks.census import take_census
from pipelines.training.benchmarks.errors import LayoutError, SplitError
from pipelines.training.benchmarks.hdf5_layers import layer_names, read_layer

EUROSAT = "classification_v1.0/m-eurosat"


@pytest.mark.parametrize("name", sorted(MADE))
def test_nothing_is_unpickled(tmp_path, name):
    MADE[name](tmp_path)
    for split in ("train", "valid", "test"):
        assert take_census(open_benchmark(name, tmp_path, split)).skipped == ()
    assert not (tmp_path / "unpickled").exists()


def test_the_trap_would_have_shown(tmp_path):
    MADE["geo-bench-eurosat"](tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(tmp_path / EUROSAT / "id_0000.hdf5", driver="HDF5") as source:
            stored = source.tags()["pickle"]
    pickle.loads(literal_eval(stored))["trap"].close()
    assert (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("folder", sorted(SETS))
def test_number_of_classes_is_the_benchmarks(folder):
    """GEO-Bench, table 2: numbers of classes."""
    assert len(benchmark_class(f"geo-bench-{folder.removeprefix('m-').lower()}").info.classes) == SETS[folder][3]


def test_bands_are_named_by_what_the_arrays_hold(tmp_path):
    """EuroSAT keeps B8A last and its converter named layers in order: Sentinel-2's cirrus band lies in the array 09."""
    MADE["geo-bench-eurosat"](tmp_path)
    image = open_benchmark("geo-bench-eurosat", tmp_path, "train")[0].images[0]
    path = tmp_path / EUROSAT / "id_0000.hdf5"
    held = {"B08": "08_-_NIR", "B09": "08A_-_Vegetation_Red_Edge", "B10": "09_-_Water_vapour", "B8A": "12_-_SWIR"}
    for band, array in held.items():
        stored = read_layer(path, layer_names(path)[array])
        np.testing.assert_allclose(image.pixels[image.bands.index(band)], stored * 1e-4, rtol=1e-6)


@pytest.mark.parametrize(("name", "peak"), [("pv4ger", 255), ("sa-crop-type", 255), ("chesapeake-landcover", 1)])
def test_pictures_say_their_largest_value(tmp_path, name, peak):
    MADE[f"geo-bench-{name}"](tmp_path)
    assert open_benchmark(f"geo-bench-{name}", tmp_path, "test")[0].images[0].peak == peak


def test_partitions_and_roots_are_found(tmp_path):
    MADE["geo-bench-eurosat"](tmp_path)
    half = open_benchmark("geo-bench-eurosat", tmp_path, "train", partition="0.50x_train")
    assert list(half.entries) == ["id_0001"]
    for root in (tmp_path / "classification_v1.0", tmp_path / EUROSAT):
        assert len(open_benchmark("geo-bench-eurosat", root, "train")) == 2
    with pytest.raises(SplitError, match=r"0\.01x_train"):
        open_benchmark("geo-bench-eurosat", tmp_path, "train", partition="0.01x_train")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("default_partition.json", "[", "must be JSON"),
        ("default_partition.json", "[]", "JSON object"),
        ("default_partition.json", '{"valid": []}', "must list 'train'"),
        ("default_partition.json", '{"train": ["../../id_0000"]}', "inside the set's folder"),
        ("default_partition.json", '{"train": []}', "at least one sample"),
        ("label_map.json", '{"10": ["id_0000"]}', r"below 10, got \[10\]"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, file, text, message):
    MADE["geo-bench-eurosat"](tmp_path)
    write_text(tmp_path / EUROSAT / file, text)
    with pytest.raises((LayoutError, SampleError), match=message):
        open_benchmark("geo-bench-eurosat", tmp_path, "train")


def test_samples_that_cannot_be_used_are_refused(tmp_path):
    MADE["geo-bench-eurosat"](tmp_path)
    write_text(tmp_path / EUROSAT / "label_map.json", json.dumps({"3": ["id_0001"]}))
    path = tmp_path / EUROSAT / "id_0000.hdf5"
    benchmark = open_benchmark("geo-bench-eurosat", tmp_path, "train")
    assert benchmark[1].target.label == 3
    with pytest.raises(SampleError, match="must have a label"):
        benchmark[0]
    write_hdf5(path, {"02 - Blue": np.zeros((8, 8), np.int16), "label": np.zeros((8, 8), np.int16)})
    with pytest.raises(SampleError, match="one array '01 - Coastal aerosol', has 0"):
        benchmark[0]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SampleError, match="HDF5"):
        benchmark[0]
    path.write_bytes(b"no HDF5 at all")
    with pytest.raises(SampleError, match="must be an HDF5 file"):
        benchmark[0]
    path.unlink()
    with pytest.raises(SampleError, match="must be there"):
        benchmark[0]


def test_several_dates_and_other_sizes_are_refused(tmp_path):
    MADE["geo-bench-nz-cattle"](tmp_path)
    base = tmp_path / "segmentation_v1.0/m-nz-cattle"
    benchmark = open_benchmark("geo-bench-nz-cattle", tmp_path, "train")
    square, label = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.int16)
    arrays = {"Red": square, "Green": square, "Blue": square, "label": label}
    for change, message in (
        ({"Red_2019-01-01": square}, "has 2"),
        ({"Red": np.zeros((3, 8), np.uint8)}, "divide"),
        ({"label": np.zeros((8, 4), np.int16)}, "height, width"),
        ({"label": np.full((8, 8), 2, np.int16)}, "labels must be among"),
    ):
        write_hdf5(base / "id_0000.hdf5", arrays | change)
        with pytest.raises(SampleError, match=message):
            benchmark[0]


def test_coarser_bands_are_repeated(tmp_path):
    MADE["geo-bench-nz-cattle"](tmp_path)
    coarse = np.arange(16, dtype=np.uint8).reshape(4, 4)
    square = np.zeros((8, 8), np.uint8)
    arrays = {"Red": square, "Green": coarse, "Blue": square, "label": np.zeros((8, 8), np.int16)}
    write_hdf5(tmp_path / "segmentation_v1.0/m-nz-cattle/id_0000.hdf5", arrays)
    image = open_benchmark("geo-bench-nz-cattle", tmp_path, "train")[0].images[0]
    np.testing.assert_array_equal(image.pixels[1], np.kron(coarse, np.ones((2, 2))))
