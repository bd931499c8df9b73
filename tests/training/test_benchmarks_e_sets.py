"""The sets of scenes, masks, heights and change: what was planted in made-up official files is what is read."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from benchmarks_made_e import MADE
from made_pictures import ANY, words

from pipelines.training.benchmarks import benchmark_class, names, open_benchmark
from pipelines.training.benchmarks.sample import (
    IGNORE,
    ClassTarget,
    HeightTarget,
    LabelsTarget,
    MaskTarget,
)
from pipelines.training.protocols.model_image import model_image

PLAIN = sorted(name for name in MADE if not name.endswith("few-shot"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Root and planted content of a set, written once."""
    done = {}

    def make(name):
        maker = MADE[name]
        if maker not in done:
            root = tmp_path_factory.mktemp(name)
            done[maker] = root, maker(root)
        return done[maker]

    return make


def content(target):
    match target:
        case ClassTarget(label=found) | LabelsTarget(labels=found):
            return found
        case MaskTarget(mask=found) | HeightTarget(height_m=found):
            return found
    raise AssertionError(target)


def check(sample, planted):
    assert len(sample.images) == len(planted.images)
    for image, expected in zip(sample.images, planted.images, strict=True):
        np.testing.assert_allclose(image.pixels, expected, rtol=1e-6, atol=planted.atol)
        np.testing.assert_array_equal(image.valid, np.isfinite(expected).all(axis=0))
        assert len(image.bands) == len(expected)
    found = content(sample.target)
    if isinstance(sample.target, HeightTarget):
        np.testing.assert_allclose(found, planted.target, atol=planted.atol)
    elif isinstance(sample.target, LabelsTarget):
        assert found == tuple(sorted(set(planted.target)))
    else:
        np.testing.assert_array_equal(found, planted.target)


@pytest.mark.parametrize("name", PLAIN)
def test_every_sample_of_every_split_is_as_planted(made, name):
    root, planted = made(name)
    info = benchmark_class(name).info
    for split in info.splits:
        benchmark = open_benchmark(name, root, split)
        samples = [benchmark[index] for index in range(len(benchmark))]
        if split in planted:
            assert {sample.id for sample in samples} == set(planted[split])
            assert len(samples) == len(planted[split])
        for sample in samples:
            check(sample, planted.get(split, planted.get(ANY))[sample.id])
    assert set(planted) - {ANY} <= set(info.splits)


@pytest.mark.parametrize("name", PLAIN)
def test_targets_are_of_the_task_and_inside_the_classes(made, name):
    root, _ = made(name)
    info = benchmark_class(name).info
    kinds = {
        "classification": ClassTarget,
        "multi_label": LabelsTarget,
        "segmentation": MaskTarget,
        "change": MaskTarget,
        "height": HeightTarget,
    }
    sample = open_benchmark(name, root, info.splits[0])[0]
    assert isinstance(sample.target, kinds[info.task])
    assert len(sample.images) == 2 or info.task != "change"
    if isinstance(sample.target, MaskTarget):
        seen = set(np.unique(sample.target.mask).tolist()) - {IGNORE}
        assert max(seen) < len(info.classes)


@pytest.mark.parametrize("name", PLAIN)
def test_every_image_feeds_the_model(made, name):
    root, _ = made(name)
    sample = open_benchmark(name, root, benchmark_class(name).info.splits[0])[0]
    for image in sample.images:
        seen = model_image(image, ("optical", "ms", "sar_l1", "sar_l2"))
        assert seen.size == image.size
        assert seen.channels.present.any()


@pytest.mark.parametrize("name", ["nwpu-resisc45", "aid", "whu-rs19", "uc-merced"])
def test_drawn_splits_divide_the_set_by_class(made, name):
    root, planted = made(name)
    per_class = len(planted[ANY]) // len(benchmark_class(name).info.classes)
    drawn = {split: open_benchmark(name, root, split, train_fraction=0.34, seed=3) for split in ("train", "test")}
    ids = {split: {found.id for found in benchmark} for split, benchmark in drawn.items()}
    assert ids["train"] | ids["test"] == set(planted[ANY])
    assert not ids["train"] & ids["test"]
    folders = [sample_id.split("/")[0] for sample_id in ids["train"]]
    assert set(map(folders.count, folders)) == {round(0.34 * per_class)}
    again = open_benchmark(name, root, "train", train_fraction=0.34, seed=3)
    other = open_benchmark(name, root, "train", train_fraction=0.34, seed=4)
    assert list(again.entries) == list(drawn["train"].entries) != list(other.entries)


def test_copies_whose_folders_are_written_otherwise_read_the_same(tmp_path):
    planted = MADE["aid"](tmp_path)
    (tmp_path / "AID/DenseResidential").rename(tmp_path / "AID/Dense Residential")
    (tmp_path / "AID/StorageTanks").rename(tmp_path / "AID/storage_tanks")
    for split in ("train", "test"):
        for sample in open_benchmark("aid", tmp_path, split):
            check(sample, planted[ANY][sample.id])


def test_the_draw_is_by_sha256_of_seed_and_name(made):
    root, planted = made("aid")
    names_of_class = sorted(i.split("/")[1] + ".jpg" for i in planted[ANY] if i.startswith("Beach/"))
    first = min(names_of_class, key=lambda name: hashlib.sha256(f"7/{name}".encode()).digest())
    train = open_benchmark("aid", root, "train", train_fraction=0.3, seed=7)
    assert [entry for entry in train.entries if entry.startswith("Beach/")] == [f"Beach/{first}"]


@pytest.mark.parametrize("name", ["nwpu-resisc45-few-shot", "uc-merced-few-shot", "whu-rs19-few-shot"])
def test_few_shot_scenes_show_the_asked_number_of_each_class(made, name):
    root, planted = made(name)
    classes = benchmark_class(name).info.classes
    support = open_benchmark(name, root, "support", shots=2, seed=1, classes=classes[:3])
    query = open_benchmark(name, root, "query", shots=2, seed=1, classes=classes[:3])
    labels = [sample.target.label for sample in support]
    assert sorted(labels) == [0, 0, 1, 1, 2, 2]
    ids = {sample.id for sample in support}, {sample.id for sample in query}
    assert not ids[0] & ids[1]
    assert len(ids[0] | ids[1]) == 3 * len(planted[ANY]) // len(classes)
    for sample in support:
        check(sample, planted[ANY][sample.id])


@pytest.mark.parametrize(("name", "novel"), [("isaid-few-shot", "bridge"), ("loveda-few-shot", "water")])
def test_few_shot_masks_keep_novel_classes_alone(made, name, novel):
    root, planted = made(name)
    index = benchmark_class(name).info.classes.index(novel)
    support = open_benchmark(name, root, "support", shots=2, novel=(novel,))
    query = open_benchmark(name, root, "query", shots=2, novel=(novel,))
    assert len(support) == 2
    assert {sample.id for sample in query} == set(planted["val"])
    for benchmark, split in ((support, "train"), (query, "val")):
        for sample in benchmark:
            whole = planted[split][sample.id].target
            expected = np.where((whole == index) | (whole == IGNORE), whole, 0)
            np.testing.assert_array_equal(sample.target.mask, expected)
            assert (sample.target.mask == index).any()


def test_folds_of_isaid_are_those_published(made):
    """iSAID-5i takes the fifteen classes by fives in the order of their labels."""
    root, _ = made("isaid")
    folds = [
        words("ship storage_tank baseball_diamond tennis_court basketball_court"),
        words("ground_track_field bridge large_vehicle small_vehicle helicopter"),
        words("swimming_pool roundabout soccer_ball_field plane harbor"),
    ]
    classes = benchmark_class("isaid-few-shot").info.classes
    for fold, expected in enumerate(folds):
        opened = open_benchmark("isaid-few-shot", root, "query", fold=fold)
        assert [classes[index] for index in opened.novel] == expected


@pytest.mark.parametrize(
    ("composition", "bands"),
    [("RGB", "red green blue"), ("IRRG", "nir red green"), ("RGBIR", "red green blue nir")],
)
def test_compositions_of_potsdam_hold_the_named_bands(made, composition, bands):
    root, planted = made("isprs-potsdam")
    image = open_benchmark("isprs-potsdam", root, "test", composition=composition)[0].images[0]
    assert list(image.bands) == words(bands)
    colours = dict(zip(words("red green blue"), planted["test"]["2_13"].images[0], strict=True))
    for band, layer in zip(image.bands, image.pixels, strict=True):
        if band != "nir":
            np.testing.assert_array_equal(layer, colours[band])


def test_eroded_reference_of_potsdam_leaves_borders_out(made):
    root, planted = made("isprs-potsdam")
    mask = open_benchmark("isprs-potsdam", root, "train", eroded=True)[0].target.mask
    assert (mask[0] == IGNORE).all()
    np.testing.assert_array_equal(mask[1:], planted["train"]["2_10"].target[1:])


def test_height_of_a_step_is_an_option(made):
    root, _ = made("isprs-vaihingen-height")
    usual = open_benchmark("isprs-vaihingen-height", root, "train")[0].target.height_m
    halved = open_benchmark("isprs-vaihingen-height", root, "train", metres_per_step=0.05)[0].target.height_m
    np.testing.assert_allclose(halved, usual / 2, rtol=1e-6)


def test_official_divisions_have_the_published_sizes(made):
    """ISPRS contest pages: 24 and 14 tiles of Potsdam, 16 and 17 of Vaihingen; WHU-OPT-SAR: 80 and 20 sheets."""
    sizes = {"isprs-potsdam": (24, 14), "isprs-vaihingen-height": (16, 17), "whu-opt-sar": (80, 20)}
    for name, expected in sizes.items():
        root, _ = made(name)
        assert tuple(len(open_benchmark(name, root, split)) for split in ("train", "test")) == expected
    sheets = open_benchmark("whu-opt-sar", made("whu-opt-sar")[0], "test").entries
    assert {"NH49E001014", "NH50E014003"} <= set(sheets)


def test_dates_of_dynamic_earth_net(tmp_path):
    MADE["dynamic-earth-net-planet"](tmp_path)
    single = open_benchmark("dynamic-earth-net-planet", tmp_path, "val")
    assert [image.time for image in single[1].images] == ["2018-02-01"]
    first = next((tmp_path / "planet").rglob("2018-02-01.tif"))
    for folder in {path.parent for path in (tmp_path / "planet").rglob("2018-02-01.tif")}:
        for day in range(2, 29):
            (folder / f"2018-02-{day:02d}.tif").write_bytes(first.read_bytes())
    weekly = open_benchmark("dynamic-earth-net-planet", tmp_path, "val", dates="weekly")[1]
    assert [image.time[-2:] for image in weekly.images] == words("01 05 10 15 20 25")
    daily = open_benchmark("dynamic-earth-net-planet", tmp_path, "val", dates="daily")[1]
    assert len(daily.images) == 28


def test_days_are_told_where_the_set_tells_them(made):
    chip = open_benchmark("sen1floods11", made("sen1floods11")[0], "train", sensors=("s2", "s1"))[0]
    assert [(image.modality, image.time) for image in chip.images] == [("ms", "2018-09-19"), ("sar_l2", "2018-09-18")]
    unclear = open_benchmark("sen1floods11", made("sen1floods11")[0], "train")[1]  # two events of this name
    assert [image.time for image in unclear.images] == ["", ""]
    pair = open_benchmark("oscd", made("oscd")[0], "test")[0]
    assert [image.time for image in pair.images] == ["2016-01-20", "2018-03-28"]
    patch = open_benchmark("bigearthnet", made("bigearthnet")[0], "train")[0]
    assert [image.time for image in patch.images] == ["2017-06-13", "2017-06-13"]


def test_levir_cd_may_lie_in_three_folders(tmp_path):
    planted = MADE["levir-cd"](tmp_path / "apart")
    for path in sorted((tmp_path / "apart").rglob("*.png")):
        target = tmp_path / "together" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    for split, samples in planted.items():
        benchmark = open_benchmark("levir-cd", tmp_path / "together", split)
        assert {sample.id for sample in benchmark} == set(samples)
        for sample in benchmark:
            check(sample, samples[sample.id])


@pytest.mark.parametrize("part", ["", "ChangeDetectionDataset", "ChangeDetectionDataset/Real/subset"])
def test_cdd_may_be_named_by_any_of_its_folders(tmp_path, part):
    planted = MADE["cdd"](tmp_path)
    for sample in open_benchmark("cdd", tmp_path / part, "val"):
        check(sample, planted["val"][sample.id])


def test_the_runs_of_the_papers_table_are_all_there():
    """Specification of the paper's table: 25 rows, one of them private."""
    assert sum(benchmark_class(name).info.paper_run for name in names()) == 25
    assert {benchmark_class(name).info.task for name in MADE} == set(
        words("classification multi_label segmentation change height")
    )
