"""The sets of scenes, masks, heights and change: files that are missing, damaged or of another set."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from benchmarks_made_e import MADE
from made_pictures import SIZE, write_picture, write_text, write_tiff

from pipelines.training.benchmarks import SampleError, benchmark_class, open_benchmark
from pipelines.training.benchmarks.census import take_census
from pipelines.training.benchmarks.errors import BenchmarkError, FolderMissingError, LayoutError, SplitError

LABELS = {
    "isaid": "train/images/P0000_instance_color_RGB.png",
    "loveda": "Train/Urban/masks_png/1366.png",
    "isprs-potsdam": "5_Labels_all/top_potsdam_2_10_label.tif",
    "air-polsar-seg": "train_set/labels/train_1_gt.png",
    "sarsegl1": "masks/a.png",
    "whu-opt-sar": "lbl/NH49E004021.tif",
    "sen1floods11": "v1.1/data/flood_events/HandLabeled/LabelHand/Ghana_103272_LabelHand.tif",
    "levir-cd": "train/label/train_1.png",
    "oscd": "Onera Satellite Change Detection dataset - Train Labels/abudhabi/cm/abudhabi-cm.tif",
    "pangaea-hls-burn-scars": "training/subsetted_512x512_HLS.S30.T10SDH.2020248.v1.4.mask.tif",
    "pangaea-mados": "Scene_0/10/Scene_0_L2R_cl_4.tif",
    "pangaea-ai4smallfarms": "sentinel-2-asia/train/masks/1_0.tif",
    "dynamic-earth-net-planet": "labels/1311_3077_13_10N/Labels/Raster/10N-x/10N-x-2018_01_01.tif",
}
"""A label file of the first split's first sample."""

IMAGES = {
    "aid": "AID/Airport/airport_1.jpg",
    "nwpu-resisc45": "NWPU-RESISC45/airplane/airplane_001.jpg",
    "whu-rs19": "WHU-RS19/Airport/airport_01.jpg",
    "uc-merced": "UCMerced_LandUse/Images/agricultural/agricultural00.tif",
    "eurosat": "EuroSAT_MS/AnnualCrop/AnnualCrop_1.tif",
    "eurosat-rgb": "EuroSAT_RGB/AnnualCrop/AnnualCrop_1.jpg",
    "isaid": "train/images/P0000.png",
    "loveda": "Train/Urban/images_png/1366.png",
    "isprs-potsdam": "2_Ortho_RGB/top_potsdam_2_10_RGB.tif",
    "isprs-potsdam-height": "2_Ortho_RGB/top_potsdam_2_10_RGB.tif",
    "isprs-vaihingen-height": "top/top_mosaic_09cm_area1.tif",
    "dynamic-earth-net-planet": "planet/10N/29E-117N/1311_3077_13/PF-SR/2018-01-01.tif",
    "air-polsar-seg": "train_set/images/VH/train_1_VH.tiff",
    "sarsegl1": "images/a.tif",
    "whu-opt-sar": "sar/NH49E004021.tif",
    "dfc23": "train/sar/P0001.tif",
    "dfc23-roofs": "train/rgb/P0001.tif",
    "sen1floods11": "v1.1/data/flood_events/HandLabeled/S1Hand/Ghana_103272_S1Hand.tif",
    "levir-cd": "train/B/train_1.png",
    "cdd": "ChangeDetectionDataset/Real/subset/train/A/00000.jpg",
    "oscd": "Onera Satellite Change Detection dataset - Images/abudhabi/imgs_2_rect/B8A.tif",
    "bigearthnet": "BigEarthNet-v1.0/S2A_MSIL2A_20170613T101031_87_48/S2A_MSIL2A_20170613T101031_87_48_B05.tif",
    "bigearthnet-43": "BigEarthNet-S1-v1.0/S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48/"
    "S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48_VH.tif",
    "pangaea-hls-burn-scars": "training/subsetted_512x512_HLS.S30.T10SDH.2020248.v1.4_merged.tif",
    "pangaea-mados": "Scene_0/20/Scene_0_L2R_rhorc_704_4.tif",
    "pangaea-ai4smallfarms": "sentinel-2-asia/train/images/1_0.tif",
}
"""An image of a sample of the first split."""

LISTED_BY_IMAGES = {
    *("aid", "nwpu-resisc45", "whu-rs19", "uc-merced", "cdd", "pangaea-ai4smallfarms", "pangaea-hls-burn-scars")
}
"""Sets whose samples are the images that are there."""

LIST_FILES = {
    "eurosat": "eurosat-train.txt",
    "eurosat-rgb": "eurosat-train.txt",
    "dynamic-earth-net-planet": "dynnet_training_splits/train.txt",
    "sarsegl1": "train.txt",
    "sen1floods11": "v1.1/splits/flood_handlabeled/flood_train_data.csv",
    "bigearthnet": "bigearthnet-train.csv",
    "bigearthnet-43": "bigearthnet-train.csv",
    "bigearthnet-v2": "metadata.parquet",
    "oscd": "Onera Satellite Change Detection dataset - Images/train.txt",
    "pangaea-mados": "splits/train_X.txt",
    "dfc23": "annotations/buildings_only_train.json",
    "dfc23-roofs": "annotations/roof_fine_train.json",
}
"""What lists the samples of the first split."""

OUTSIDE = {
    "eurosat": "../../etc/passwd.jpg",
    "dynamic-earth-net-planet": "/../../etc /labels/x.tif 2018-01",
    "sarsegl1": "../secret",
    "sen1floods11": "../x_S1Hand.tif,../x_LabelHand.tif",
    "bigearthnet": "../x,../y",
    "oscd": "../paris",
    "pangaea-mados": "../Scene_0_4",
}
"""A line that leads out of the folder."""


@pytest.fixture
def made(tmp_path):
    def make(name):
        MADE[name](tmp_path / name)
        return tmp_path / name

    return make


def opened(name, root):
    """The first split, so that each file of `IMAGES` and `LABELS` is in it."""
    split = benchmark_class(name).info.splits[0]
    options = {"train_fraction": 0.9} if split == "train" and name in {"aid", "whu-rs19"} else {}
    return open_benchmark(name, root, split, **options)


def refusals(name, root):
    """Messages of all samples that cannot be used; drawn splits are asked both, the file may be in either."""
    drawn = name in {"aid", "nwpu-resisc45", "whu-rs19", "uc-merced"}
    splits = ("train", "test") if drawn else benchmark_class(name).info.splits[:1]
    return [message for split in splits for message in take_census(open_benchmark(name, root, split)).skipped]


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_missing_folder_says_where_to_get_the_set_and_its_licence(tmp_path, name):
    info = benchmark_class(name).info
    with pytest.raises(FolderMissingError) as error:
        open_benchmark(name, tmp_path / "absent", info.splits[0])
    message = str(error.value)
    assert info.home in message
    assert info.licence in message
    assert info.layout.splitlines()[0] in message


@pytest.mark.parametrize("name", sorted(MADE))
def test_an_empty_folder_and_another_split_are_refused(tmp_path, name):
    info = benchmark_class(name).info
    with pytest.raises((LayoutError, SplitError), match=r"must hold|missing|which is not there"):
        open_benchmark(name, tmp_path, info.splits[0])
    with pytest.raises(SplitError, match="split must be one of"):
        open_benchmark(name, tmp_path, "holdout")


@pytest.mark.parametrize("name", sorted(MADE))
def test_an_option_that_the_set_has_not_is_refused(tmp_path, name):
    with pytest.raises(TypeError, match="unexpected keyword"):
        open_benchmark(name, tmp_path, benchmark_class(name).info.splits[0], no_such_option=1)


@pytest.mark.parametrize(("name", "part"), sorted(IMAGES.items()))
def test_a_damaged_image_is_a_sample_error_that_names_the_file(made, name, part):
    root = made(name)
    (root / part).write_bytes(b"II*\x00 not an image at all")
    messages = refusals(name, root)
    assert len(messages) == 1
    assert part.rsplit("/", 1)[-1] in messages[0]


@pytest.mark.parametrize(("name", "part"), sorted(IMAGES.items()))
def test_a_missing_image_is_refused(made, name, part):
    root = made(name)
    before = len(opened(name, root))
    (root / part).unlink()
    if name in LISTED_BY_IMAGES:
        assert len(opened(name, root)) <= before
        assert all(not entry.endswith(part.rsplit("/", 1)[-1]) for entry in opened(name, root).entries)
        return
    with pytest.raises(BenchmarkError, match=r"must be there|are missing|lists|wavelengths"):
        list(opened(name, root))


@pytest.mark.parametrize(("name", "part"), sorted(IMAGES.items()))
def test_an_image_of_other_bands_is_refused(made, name, part):
    root = made(name)
    five = np.zeros((5, 8, 8), np.float32 if "S1" in part or "rhorc" in part or "merged" in part else np.uint8)
    write_tiff(root / part, five)  # what it is decides, not its suffix
    messages = refusals(name, root)
    assert len(messages) == 1
    assert "bands" in messages[0]


@pytest.mark.parametrize(("name", "part"), sorted(LABELS.items()))
def test_a_label_outside_the_classes_is_refused(made, name, part):
    root = made(name)
    if name in {"isaid", "air-polsar-seg"}:
        write_picture(root / part, np.full((SIZE, SIZE, 3), 77, np.uint8))
    elif name == "isprs-potsdam":
        write_tiff(root / part, np.full((3, 8, 8), 77, np.uint8))
    elif name == "dynamic-earth-net-planet":
        write_tiff(root / part, np.full((7, SIZE, SIZE), 77, np.uint8))
    else:
        bands = np.full((1, SIZE, SIZE), 77, np.uint8)
        (write_tiff(root / part, bands) if part.endswith("tif") else write_picture(root / part, bands[0]))
    with pytest.raises(SampleError, match="77") as error:
        opened(name, root)[0]
    assert part.rsplit("/", 1)[-1] in str(error.value)


@pytest.mark.parametrize(("name", "part"), sorted(LABELS.items()))
def test_a_label_of_another_size_is_refused(made, name, part):
    root = made(name)
    if name in {"isaid", "air-polsar-seg"}:
        write_picture(root / part, np.zeros((SIZE, SIZE - 1, 3), np.uint8))
    elif name == "isprs-potsdam":
        write_tiff(root / part, np.full((3, 8, 9), 255, np.uint8))
    elif name == "dynamic-earth-net-planet":
        write_tiff(root / part, np.zeros((7, SIZE, 5), np.uint8))
    else:
        bands = np.full((1, SIZE, SIZE - 1), 1 if name == "oscd" else 0, np.uint8)
        (write_tiff(root / part, bands) if part.endswith("tif") else write_picture(root / part, bands[0]))
    with pytest.raises(SampleError, match="height, width"):
        opened(name, root)[0]


@pytest.mark.parametrize("name", ["levir-cd", "cdd", "dfc23", "oscd", "sen1floods11", "whu-opt-sar"])
def test_images_of_a_sample_must_be_of_one_size(made, name):
    root = made(name)
    path = root / IMAGES[name]
    if name == "oscd":
        for band in path.parent.iterdir():
            write_tiff(band, np.zeros((1, 5, 5), np.uint16))
    elif name == "sen1floods11":
        write_tiff(path, np.zeros((2, 5, 5), np.float32))
    elif name in {"dfc23", "whu-opt-sar"}:
        write_tiff(path, np.zeros((1, 5, 5), np.uint8))
    else:
        write_tiff(path, np.zeros((3, 5, 5), np.uint8))
    with pytest.raises(SampleError, match="height, width"):
        opened(name, root)[0]


@pytest.mark.parametrize("name", ["bigearthnet", "air-polsar-seg", "pangaea-mados"])
def test_a_band_whose_grid_does_not_divide_the_finest_is_refused(made, name):
    root = made(name)
    kind = np.float32 if name == "pangaea-mados" else np.uint16
    write_tiff(root / IMAGES[name], np.zeros((1, 7, 7), kind))
    with pytest.raises(SampleError, match="divide"):
        opened(name, root)[0]


@pytest.mark.parametrize(("name", "size"), [("eurosat", (64, 64)), ("aid", (600, 600)), ("uc-merced", (256, 256))])
def test_published_sizes_are_insisted_on_where_asked(made, name, size):
    root = made(name)
    strict = open_benchmark(name, root, "train", insist_on_size=True)
    with pytest.raises(SampleError, match=str(size[0])):
        strict[0]


@pytest.mark.parametrize(("name", "part"), sorted(LIST_FILES.items()))
def test_a_missing_split_file_is_named(made, name, part):
    root = made(name)
    (root / part).unlink()
    with pytest.raises((SplitError, LayoutError)) as error:
        opened(name, root)
    assert any(word in str(error.value) for word in (part.rsplit("/", 1)[-1], "train.csv"))


@pytest.mark.parametrize(("name", "part"), sorted(LIST_FILES.items()))
def test_an_empty_split_file_is_refused(made, name, part):
    root = made(name)
    (root / part).write_bytes(b"")
    with pytest.raises(BenchmarkError, match="must"):
        opened(name, root)


@pytest.mark.parametrize(("name", "line"), sorted(OUTSIDE.items()))
def test_a_list_that_leads_out_of_the_folder_is_refused(made, name, line):
    root = made(name)
    write_text(root / LIST_FILES[name], line + "\n")
    with pytest.raises(BenchmarkError, match=r"inside the set's folder|must be Scene|no class folder"):
        opened(name, root)


def test_annotations_that_lead_out_of_the_folder_are_refused(made):
    root = made("dfc23")
    path = root / LIST_FILES["dfc23"]
    document = json.loads(path.read_text())
    document["images"][0]["file_name"] = "../../secret.tif"
    write_text(path, json.dumps(document))
    with pytest.raises(SampleError, match="inside the set's folder"):
        opened("dfc23", root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["annotations"][0].update(category_id=99), "category 99"),
        (lambda d: d["annotations"][0].update(image_id=99), "image 99"),
        (lambda d: d["categories"][0].update(name="shed"), "shed"),
        (lambda d: d.pop("images"), "images"),
        (lambda d: d.update(images=[], annotations=[]), "at least one sample"),
    ],
)
def test_annotations_of_another_set_are_refused(made, change, message):
    root = made("dfc23-roofs")
    path = root / LIST_FILES["dfc23-roofs"]
    document = json.loads(path.read_text())
    change(document)
    write_text(path, json.dumps(document))
    with pytest.raises(BenchmarkError, match=message):
        opened("dfc23-roofs", root)


@pytest.mark.parametrize(
    "segmentation", [[[1, 2, 3]], [[1, 2, 3, 4, 5, float("nan")]], {"counts": "a", "size": [1, 1]}, 5]
)
def test_one_bad_polygon_costs_one_sample(made, segmentation):
    root = made("dfc23")
    path = root / LIST_FILES["dfc23"]
    document = json.loads(path.read_text())
    document["annotations"][0]["segmentation"] = segmentation
    write_text(path, json.dumps(document))
    census = take_census(opened("dfc23", root))
    assert census.num_samples == 1
    assert "3 or more corners" in census.skipped[0]
    assert "P0002.tif" in census.skipped[0]


def test_a_crowd_does_not_count(made):
    root = made("dfc23")
    path = root / LIST_FILES["dfc23"]
    document = json.loads(path.read_text())
    document["annotations"][1]["iscrowd"] = 1
    write_text(path, json.dumps(document))
    mask = opened("dfc23", root)[1].target.mask
    assert (mask[5:12, 6:14] == 255).all()
    assert mask[3, 2] == 1


def test_an_image_without_annotation_is_background(made):
    sample = opened("dfc23", made("dfc23"))[0]
    assert not sample.target.mask.any()


@pytest.mark.parametrize(
    "name", ["loveda", "sen1floods11", "air-polsar-seg", "pangaea-mados", "isprs-vaihingen-height"]
)
def test_targets_that_say_nothing_are_allowed_and_counted(made, name):
    root = made(name)
    if name == "isprs-vaihingen-height":
        shutil.rmtree(root / "ndsm")
        for area in (1, 3, 5, 7, 11, 13, 15, 17, 21, 23, 26, 28, 30, 32, 34, 37):
            height = np.full((1, 8, 8), np.nan if area == 1 else 2.5, np.float32)
            write_tiff(root / "ndsm" / f"dsm_09cm_matching_area{area}_normalized.jpg", height)
    elif name == "air-polsar-seg":
        write_picture(root / LABELS[name], np.zeros((SIZE, SIZE, 3), np.uint8))
    elif name == "loveda":
        write_picture(root / LABELS[name], np.zeros((SIZE, SIZE), np.uint8))
    else:
        size = 12 if name == "pangaea-mados" else SIZE
        write_tiff(root / LABELS[name], np.full((1, size, size), -1 if name == "sen1floods11" else 0, np.int16))
    census = take_census(opened(name, root))
    assert len(census.nothing_counts) == 1
    assert census.skipped == ()
    assert census.num_samples == len(opened(name, root))


def test_missing_pixels_are_not_valid_and_stay_missing(made):
    root = made("sen1floods11")
    path = root / IMAGES["sen1floods11"]
    radar = np.full((2, SIZE, SIZE), -14.0, np.float32)
    radar[1, 3, 4] = np.nan
    radar[0, 5, 6] = np.inf
    write_tiff(path, radar)
    image = opened("sen1floods11", root)[0].images[0]
    assert [tuple(place) for place in np.argwhere(~image.valid)] == [(3, 4), (5, 6)]
    assert np.isnan(image.pixels[1, 3, 4])
    assert image.pixels[0, 3, 4] == -14
    write_tiff(path, np.full((2, SIZE, SIZE), np.nan, np.float32))
    census = take_census(opened("sen1floods11", root))
    assert census.nothing_valid == ("Ghana_103272",)


@pytest.mark.parametrize("value", [complex(np.nan, 0), complex(0, np.nan), complex(np.inf, 0)])
def test_a_complex_pixel_is_missing_where_a_part_is(made, value):
    root = made("sarsegl1")
    scattering = np.ones((4, SIZE, SIZE), np.complex64)
    scattering[2, 7, 8] = value
    write_tiff(root / IMAGES["sarsegl1"], scattering)
    image = opened("sarsegl1", root)[0].images[0]
    assert [tuple(place) for place in np.argwhere(~image.valid)] == [(7, 8)]
    assert np.isnan(image.pixels[4:6, 7, 8]).any()


def test_fractions_and_nan_are_no_labels(made):
    root = made("sen1floods11")
    for value in (0.5, np.nan):
        label = np.zeros((1, SIZE, SIZE), np.float32)
        label[0, 2, 2] = value
        write_tiff(root / LABELS["sen1floods11"], label)
        with pytest.raises(SampleError, match="whole numbers"):
            opened("sen1floods11", root)[0]
    write_tiff(root / LABELS["sen1floods11"], np.full((1, SIZE, SIZE), -1.0, np.float32))
    assert (opened("sen1floods11", root)[0].target.mask == 255).all()


def test_published_nodata_values_are_missing(made):
    root = made("pangaea-hls-burn-scars")
    path = root / IMAGES["pangaea-hls-burn-scars"]
    stored = np.full((6, SIZE, SIZE), 0.25, np.float32)
    stored[2, 1, 1], stored[3, 2, 2] = 9999, -9999
    write_tiff(path, stored)
    image = opened("pangaea-hls-burn-scars", root)[0].images[0]
    assert (~image.valid).sum() == 2
    assert np.isnan(image.pixels[2, 1, 1])


def test_a_folder_of_no_class_and_a_class_without_images_are_refused(made):
    root = made("aid")
    (root / "AID" / "Glacier").mkdir()
    with pytest.raises(LayoutError, match="Glacier"):
        opened("aid", root)
    (root / "AID" / "Glacier").rmdir()
    for path in (root / "AID" / "Beach").iterdir():
        path.unlink()
    with pytest.raises(LayoutError, match="Beach"):
        opened("aid", root)


def test_a_class_of_one_image_cannot_be_divided(made):
    root = made("aid")
    for number in (2, 3):
        (root / "AID" / "Beach" / f"beach_{number}.jpg").unlink()
    with pytest.raises(SplitError, match="'Beach' must have two"):
        opened("aid", root)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1])
def test_a_share_outside_its_range_is_refused(made, fraction):
    with pytest.raises(SplitError, match="between 0 and 1"):
        open_benchmark("aid", made("aid"), "train", train_fraction=fraction)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "format"),
        ({"version": 2}, "version"),
        ({"classes": ["sea"]}, "classes"),
        ({"gsd_m": "8"}, "gsd_m"),
        ({"amplitude_scale": 0}, "amplitude_scale"),
        ({"amplitude_scale": True}, "amplitude_scale"),
    ],
)
def test_facts_of_sarsegl1_are_checked(made, change, message):
    root = made("sarsegl1")
    facts = json.loads((root / "dataset.json").read_text()) | change
    write_text(root / "dataset.json", json.dumps(facts))
    with pytest.raises(LayoutError, match=message):
        opened("sarsegl1", root)
    write_text(root / "dataset.json", "[]")
    with pytest.raises(LayoutError, match="format"):
        opened("sarsegl1", root)


def test_colours_off_the_table_may_be_tolerated_up_to_a_share(made):
    root = made("isprs-potsdam")
    label = np.full((3, 8, 8), 255, np.uint8)
    label[:, 0, 0] = (255, 255, 252)
    write_tiff(root / LABELS["isprs-potsdam"], label)
    with pytest.raises(SampleError, match="252"):
        open_benchmark("isprs-potsdam", root, "train")[0]
    mask = open_benchmark("isprs-potsdam", root, "train", tolerated=0.02)[0].target.mask
    assert mask[0, 0] == 255
    assert (mask.ravel()[1:] == 0).all()


def test_a_pixel_of_two_classes_is_refused(made):
    root = made("dynamic-earth-net-planet")
    layers = np.zeros((7, SIZE, SIZE), np.uint8)
    layers[1:3, 4, 4] = 255
    write_tiff(root / LABELS["dynamic-earth-net-planet"], layers)
    with pytest.raises(SampleError, match="one class"):
        opened("dynamic-earth-net-planet", root)[0]


@pytest.mark.parametrize("labels", [["Moon"], [], None])
def test_labels_of_bigearthnet_must_be_corines(made, labels):
    root = made("bigearthnet")
    patch = "S2A_MSIL2A_20170613T101031_87_48"
    path = root / "BigEarthNet-v1.0" / patch / f"{patch}_labels_metadata.json"
    write_text(path, json.dumps({"labels": labels}))
    with pytest.raises(SampleError, match="labels"):
        opened("bigearthnet", root)[0]


def test_change_maps_whose_layers_differ_are_refused(made):
    root = made("oscd")
    folder = (root / LABELS["oscd"]).parent
    (root / LABELS["oscd"]).unlink()
    coloured = np.zeros((SIZE, SIZE + 3, 3), np.uint8)
    coloured[..., 1] = 255
    write_picture(folder / "cm.png", coloured)
    with pytest.raises(SampleError, match="grey"):
        opened("oscd", root)[0]
