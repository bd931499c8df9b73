"""BigEarthNet and Sen1Floods11 on real files, in the layout of the sets; and what opening a large set costs."""

import gc
import json
import sys
from types import ModuleType

import numpy as np
import pytest
import rasterio
import tifffile
from benchmarks_made_e import MADE
from made_pictures import write_text, write_tiff

from pipelines.training.benchmarks import open_benchmark
from pipelines.training.benchmarks.bigearthnet_classes import CLASSES_19, CLASSES_43, TO_19
from pipelines.training.benchmarks.census import take_census
from pipelines.training.benchmarks.sample import IGNORE

CHIPS = ("Ghana_53713", "Ghana_83483", "India_900498", "Mekong_333434", "Paraguay_34417", "Spain_7370579")


@pytest.fixture
def big_earth_net(shared_data, tmp_path):
    """The official folders by their official names, with a split file over the three patches."""
    examples = shared_data / "bigearthnet"
    (tmp_path / "BigEarthNet-v1.0").symlink_to(examples / "BigEarthNet-S2-Example")
    (tmp_path / "BigEarthNet-S1-v1.0").symlink_to(examples / "BigEarthNet-S1-Example")
    lines = []
    for folder in sorted((examples / "BigEarthNet-S1-Example").iterdir()):
        metadata = json.loads((folder / f"{folder.name}_labels_metadata.json").read_text())
        lines.append(f"{metadata['corresponding_s2_patch']},{folder.name}")
    write_text(tmp_path / "bigearthnet-test.csv", "\n".join(lines) + "\n")
    return tmp_path


def test_real_patches_of_bigearthnet_are_read(big_earth_net):
    benchmark = open_benchmark("bigearthnet-43", big_earth_net, "test")
    assert len(benchmark) == 3
    for sample in benchmark:
        optical, radar = sample.images
        folder = big_earth_net / "BigEarthNet-v1.0" / sample.id
        names = json.loads((folder / f"{sample.id}_labels_metadata.json").read_text())["labels"]
        assert {CLASSES_43[label] for label in sample.target.labels} == set(names)
        assert optical.pixels.shape == (12, 120, 120)
        assert radar.pixels.shape == (2, 120, 120)
        for band, factor in (("B04", 1), ("B11", 2), ("B09", 6)):
            stored = tifffile.imread(folder / f"{sample.id}_{band}.tif")
            layer = optical.pixels[optical.bands.index(band)]
            np.testing.assert_allclose(layer[::factor, ::factor], stored * 1e-4, rtol=1e-6)
            np.testing.assert_array_equal(layer[factor - 1 :: factor, ::factor], layer[::factor, ::factor])
        assert -30 < np.median(radar.pixels[0]) < 5  # decibels, VV
        assert np.median(radar.pixels[0]) > np.median(radar.pixels[1])  # VV above VH


def test_the_19_classes_are_those_of_the_authors_package(big_earth_net):
    constants = pytest.importorskip("bigearthnet_common.constants")
    assert tuple(constants.OLD_LABELS_ORIGINAL_ORDER) == CLASSES_43
    assert tuple(constants.NEW_LABELS_ORIGINAL_ORDER) == CLASSES_19
    for old, new in constants.OLD2NEW_LABELS_DICT.items():
        assert TO_19[old] == new
    assert sum(kept is None for kept in TO_19.values()) == 43 - len(
        [old for old, new in constants.OLD2NEW_LABELS_DICT.items() if new is not None]
    )
    full = open_benchmark("bigearthnet-43", big_earth_net, "test")
    reduced = open_benchmark("bigearthnet", big_earth_net, "test", sensors=("s1",))
    for before, after in zip(full, reduced, strict=True):
        mapped = {constants.OLD2NEW_LABELS_DICT[CLASSES_43[label]] for label in before.target.labels} - {None}
        assert {CLASSES_19[label] for label in after.target.labels} == mapped
        assert [image.modality for image in after.images] == ["sar_l2"]


def layer_of(path):
    with rasterio.open(path) as source:  # tifffile cannot undo this compression without another package
        return source.read(1)


@pytest.fixture
def floods(shared_data, tmp_path):
    """Official files made of the catalogue's, which holds the same numbers one band a file."""
    source, base = shared_data / "catalog" / "sen1floods11", tmp_path / "v1.1"
    hand = base / "data/flood_events/HandLabeled"
    for chip in CHIPS:
        bands = {path.stem: layer_of(path) for path in (source / chip).glob("*.tif")}
        write_tiff(hand / "S1Hand" / f"{chip}_S1Hand.tif", [bands["VV"], bands["VH"]])
        write_tiff(hand / "LabelHand" / f"{chip}_LabelHand.tif", [bands["label"].astype(np.int16)])
        if "B8A" in bands:
            order = [
                *(f"B{number:02d}" for number in range(1, 9)),
                "B8A",
                *(f"B{number:02d}" for number in range(9, 13)),
            ]
            write_tiff(hand / "S2Hand" / f"{chip}_S2Hand.tif", [bands[band].astype(np.int16) for band in order])
    metadata = (shared_data / "labels" / "Sen1Floods11_Metadata.geojson").read_bytes()
    (base / "Sen1Floods11_Metadata.geojson").write_bytes(metadata)
    lines = [f"{chip}_S1Hand.tif,{chip}_LabelHand.tif" for chip in CHIPS]
    write_text(base / "splits/flood_handlabeled/flood_test_data.csv", "\n".join(lines) + "\n")
    return tmp_path


def test_real_chips_of_sen1floods11_are_read_and_counted(floods):
    """Counts of water and gaps as the data's own list of oddities gives them."""
    benchmark = open_benchmark("sen1floods11", floods, "test", sensors=("s1",))
    samples = {sample.id: sample for sample in benchmark}
    water = {name: int((sample.target.mask == 1).sum()) for name, sample in samples.items()}
    assert water["Mekong_333434"] == 3284
    assert water["Paraguay_34417"] == 50026
    assert water["Ghana_53713"] == 0
    census = take_census(benchmark)
    assert census.nothing_counts == ("Ghana_83483",)
    assert "Paraguay_34417" in census.nothing_valid
    assert census.num_samples == 6
    assert census.labels[1] == sum(water.values())
    assert samples["Ghana_53713"].images[0].time == "2018-09-18"
    spain = samples["Spain_7370579"]
    assert (spain.target.mask == IGNORE).any() or water["Spain_7370579"] > 0


def test_the_real_chip_with_sentinel_2_is_reflectance(floods, shared_data):
    benchmark = open_benchmark("sen1floods11", floods, "test", sensors=("s2",))
    image = benchmark[CHIPS.index("Spain_7370579")].images[0]
    stored = layer_of(shared_data / "catalog/sen1floods11/Spain_7370579/B8A.tif")
    np.testing.assert_allclose(image.pixels[image.bands.index("B8A")], stored * 1e-4, rtol=1e-6)
    assert 0 < np.median(image.pixels) < 1
    assert take_census(benchmark).num_samples == 1  # the five others have no Sentinel-2 here: counted, not fatal


def held_bytes(benchmark):
    """Bytes of everything that hangs on a benchmark's own attributes."""
    found, waiting = {}, list(vars(benchmark).values())
    while waiting:
        thing = waiting.pop()
        if id(thing) in found or isinstance(thing, (type, ModuleType)):
            continue
        found[id(thing)] = sys.getsizeof(thing)
        waiting.extend(gc.get_referents(thing))
    return sum(found.values())


def test_a_set_of_100000_images_costs_its_list_alone(tmp_path):
    MADE["sarsegl1"](tmp_path)
    names = [f"sample_{number:06d}" for number in range(100_000)]
    write_text(tmp_path / "test.txt", "\n".join(["a", *names]) + "\n")
    benchmark = open_benchmark("sarsegl1", tmp_path, "test")
    assert len(benchmark) == 100_001
    held = held_bytes(benchmark)
    assert 60 < held / len(benchmark) < 120  # the name and a place in the list
    for _ in range(50):
        benchmark[0]
    assert held_bytes(benchmark) - held < 1000  # nothing of a sample is kept: an image alone weighs 8 kB
