"""Made-up files of sets of PANGAEA in the layout their authors publish; answers as in `benchmarks_made_e`."""

from __future__ import annotations

import json

import numpy as np
import tifffile
from made_pictures import SIZE, Planted, generator, mask_of, noise, words, write_picture, write_text, write_tiff

from pipelines.training.benchmarks.sample import IGNORE
from pipelines.training.benchmarks.spacenet7_places import PLACES

# --- PASTIS-R

PASTIS_DAYS = (20180924, 20181004, 20190112, 20190503, 20190727)
PASTIS_LENGTHS = {"S2": 5, "S1A": 4, "S1D": 3}
"""Shorter than the six dates that are read of a series."""


def write_npy(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def pastis_patch(root, number):
    """The files of a patch; answers series by sensor, in the set's unit, and the mask."""
    rng = generator("pastis", number)
    stored = {"S2": noise(rng, 5, 10, SIZE, SIZE, dtype=np.int16, high=9000)}
    stored["S2"][1, :, 2, 3] = -10000
    for sensor in ("S1A", "S1D"):
        power = rng.normal(-14, 4, (PASTIS_LENGTHS[sensor], 2, SIZE, SIZE))
        stored[sensor] = np.concatenate([power, power[:, :1] - power[:, 1:]], axis=1).astype(np.float16)
    for sensor, series in stored.items():
        write_npy(root / f"DATA_{sensor}/{sensor}_{number}.npy", series)
    mask = mask_of(rng, 19)
    label = np.stack([np.where(mask == IGNORE, 19, mask), noise(rng, SIZE, SIZE), noise(rng, SIZE, SIZE)])
    write_npy(root / f"ANNOTATIONS/TARGET_{number}.npy", label.astype(np.uint8))
    seen = np.where(stored["S2"] == -10000, np.nan, stored["S2"] * 1e-4)
    return {"S2": seen, "S1A": stored["S1A"].astype(np.float32), "S1D": stored["S1D"].astype(np.float32)}, mask


def make_pangaea_pastis_r(root):
    """One patch a fold, two of fold 1; dates as an object, of one patch as its text."""
    planted, features = {"train": {}, "val": {}, "test": {}}, []
    for number, fold in {40001: 4, 10002: 1, 10001: 1, 20003: 2, 30001: 3, 50001: 5}.items():
        series, mask = pastis_patch(root, number)
        facts = {"ID_PATCH": number, "Fold": fold, "N_Parcel": 3.0, "TILE": "t31tfm"}
        for sensor, length in PASTIS_LENGTHS.items():
            days = {str(index): day for index, day in enumerate(PASTIS_DAYS[:length])}
            facts[f"dates-{sensor}"] = json.dumps(days) if number == 10002 else days
        features.append({"type": "Feature", "id": str(number), "properties": facts, "geometry": None})
        split = {4: "val", 5: "test"}.get(fold, "train")
        planted[split][str(number)] = Planted((*series["S2"], *series["S1A"]), mask)
    write_text(root / "metadata.geojson", json.dumps({"type": "FeatureCollection", "features": features}))
    return planted


# --- xView2


def make_pangaea_xview2(root):
    planted = {}
    for split, names in {
        "train": ("hurricane-florence_00000103", "palu-tsunami_00000000"),
        "test": ("socal-fire_00000002",),
        "hold": ("mexico-earthquake_00000071",),
    }.items():
        base = root / split if split != "hold" else root / "hold_images_labels_targets" / "hold"
        planted[split] = {}
        for name in names:
            rng = generator("xview2", name)
            before, after, mask = noise(rng, SIZE, SIZE, 3), noise(rng, SIZE, SIZE, 3), mask_of(rng, 5, ignored=False)
            for when, picture, day in (("pre", before, "2017-10-03"), ("post", after, "2018-09-20")):
                write_picture(base / "images" / f"{name}_{when}_disaster.png", picture)
                metadata = {"capture_date": f"{day}T16:04:41.000Z", "gsd": 2.1, "disaster": name.split("_")[0]}
                label = {"features": {"lng_lat": [], "xy": []}, "metadata": metadata}
                write_text(base / "labels" / f"{name}_{when}_disaster.json", json.dumps(label))
            write_picture(base / "targets" / f"{name}_pre_disaster_target.png", (mask > 0).astype(np.uint8))
            write_picture(base / "targets" / f"{name}_post_disaster_target.png", mask.astype(np.uint8))
            planted[split][name] = Planted((np.moveaxis(before, -1, 0), np.moveaxis(after, -1, 0)), mask)
    return planted


# --- SpaceNet 7

SN7_MONTHS = ("2018_01", "2018_02", "2018_05")


def box(left, top, right, bottom, *z):
    """The corners of a box, and back to the first."""
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return [[float(x), float(y), *z] for x, y in corners]


def sn7_buildings(number):
    """Outlines of a month of buildings, and their mask: one with a yard, one of two parts, one without an outline."""
    mask = np.zeros((SIZE, SIZE), int)
    mask[1:7, 2:9], mask[3:5, 4:6], mask[10:13, 1:3], mask[10:13, 5:6] = 1, 0, 1, 1
    shapes = [
        {"type": "Polygon", "coordinates": [box(2, 1, 9, 7), box(4, 3, 6, 5)]},
        {"type": "MultiPolygon", "coordinates": [[box(0.6, 9.7, 3.4, 12.9, 0.0)], [box(5, 10, 6, 13, 0.0)]]},
        None,
    ]
    if number > 0:  # built later
        mask[8:11, 9 + number : 14] = 1
        shapes.append({"type": "Polygon", "coordinates": [box(9 + number, 8, 14, 11)]})
    features = [
        {"type": "Feature", "properties": {"Id": index}, "geometry": shape} for index, shape in enumerate(shapes)
    ]
    return {"type": "FeatureCollection", "features": features}, mask


def sn7_months(root):
    """Files of three months of every place; answers split -> place -> [(image, mask)], cut-outs as NaN and IGNORE."""
    planted = {}
    for split, places in PLACES.items():
        planted[split] = {place: [] for place in places}
        for place in places:
            for number, month in enumerate(SN7_MONTHS):
                stored = noise(generator("sn7", place, month), 4, SIZE, SIZE)
                stored[3] = 255
                if month == "2018_02":
                    stored[3, -3:, :4] = 0
                name = f"global_monthly_{month}_mosaic_{place}"
                write_tiff(root / "train" / place / "images_masked" / f"{name}.tif", stored)
                outlines, mask = sn7_buildings(number)
                label = root / "train" / place / "labels_match_pix" / f"{name}_Buildings.geojson"
                write_text(label, json.dumps(outlines))
                cut = stored[3] == 0
                seen = np.where(cut, np.nan, stored[:3])
                planted[split][place].append((seen, np.where(cut, IGNORE, mask)))
    return planted


def make_pangaea_spacenet7(root):
    return {
        split: {
            f"{place}/{month}": Planted((seen,), mask)
            for place, months in places.items()
            for month, (seen, mask) in zip(SN7_MONTHS, months, strict=True)
        }
        for split, places in sn7_months(root).items()
    }


def make_pangaea_spacenet7_change(root):
    """Of three months the first and the second, in which some was cut out."""
    planted = {}
    for split, places in sn7_months(root).items():
        planted[split] = {}
        for place, ((before, first), (after, second), _) in places.items():
            changed = np.where((first == IGNORE) | (second == IGNORE), IGNORE, first != second)
            planted[split][f"{place}/2018_01/2018_02"] = Planted((before, after), changed)
    return planted


# --- Five-Billion-Pixels

FBP_TEST = words("""
    GF2_PMS1__L1A0001064454-MSS1 GF2_PMS1__L1A0001118839-MSS1 GF2_PMS1__L1A0001344822-MSS1 GF2_PMS1__L1A0001348919-MSS1
    GF2_PMS1__L1A0001366278-MSS1 GF2_PMS1__L1A0001366284-MSS1 GF2_PMS1__L1A0001395956-MSS1 GF2_PMS1__L1A0001432972-MSS1
    GF2_PMS1__L1A0001670888-MSS1 GF2_PMS1__L1A0001680857-MSS1 GF2_PMS1__L1A0001680858-MSS1 GF2_PMS1__L1A0001757429-MSS1
    GF2_PMS1__L1A0001765574-MSS1 GF2_PMS2__L1A0000607677-MSS2 GF2_PMS2__L1A0000607681-MSS2 GF2_PMS2__L1A0000718813-MSS2
    GF2_PMS2__L1A0001038935-MSS2 GF2_PMS2__L1A0001038936-MSS2 GF2_PMS2__L1A0001119060-MSS2 GF2_PMS2__L1A0001367840-MSS2
    GF2_PMS2__L1A0001378491-MSS2 GF2_PMS2__L1A0001378501-MSS2 GF2_PMS2__L1A0001396036-MSS2 GF2_PMS2__L1A0001396037-MSS2
    GF2_PMS2__L1A0001416129-MSS2 GF2_PMS2__L1A0001471436-MSS2 GF2_PMS2__L1A0001517494-MSS2 GF2_PMS2__L1A0001591676-MSS2
    GF2_PMS2__L1A0001787564-MSS2 GF2_PMS2__L1A0001821754-MSS2
""")
FBP_TRAIN = ("GF2_PMS1__L1A0000564539-MSS1", "GF2_PMS1__L1A0000575925-MSS1")


def write_cmyk_tiff(path, bands):
    """(4, y, x) of 8 bits, tagged as cyan, magenta, yellow and black."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.ascontiguousarray(np.moveaxis(bands, 0, -1)), photometric="separated")


def make_pangaea_five_billion_pixels(root):
    planted = {}
    for split, scenes in {"train": FBP_TRAIN, "test": FBP_TEST}.items():
        planted[split] = {}
        for scene in scenes:
            rng = generator("fbp", scene)
            stored, mask = noise(rng, 4, SIZE, SIZE), mask_of(rng, 24)
            write_cmyk_tiff(root / "Image__8bit_NirRGB" / f"{scene}.tif", stored)
            label = np.where(mask == IGNORE, 0, mask + 1).astype(np.uint8)
            write_picture(root / "Annotation__index" / f"{scene}_24label.png", label)
            planted[split][scene] = Planted((stored,), mask)
    return planted


# --- Crop Type Mapping

CROP_DAYS = {"s1": ("2017-01-04", "2017-03-17", "2017-09-01"), "s2": ("2017-02-11", "2017-05-02")}


def make_pangaea_crop_type_mapping(root):
    base, planted, rows = root / "southsudan", {"train": {}, "val": {}, "test": {}}, ["id,partition"]
    for number, split in {17: "train", 2: "val", 1204: "test", 3: "train"}.items():
        rng = generator("crops", number)
        s1 = rng.normal(-12, 4, (3, SIZE, SIZE, 3))
        s2 = noise(rng, 10, SIZE, SIZE, 2, dtype=np.uint16, high=9000) + 1
        s2[:, 4, 5, 1] = 0
        mask = mask_of(rng, 4)
        truth = np.where(mask == IGNORE, 0, mask + 1).astype(np.float64 if number == 2 else np.int16)
        truth[0, -2:] = 5, 9  # less frequent crops
        mask[0, -2:] = IGNORE
        if number == 2:
            truth[-1, -1] = np.nan
        entry = f"{number:06d}"
        for folder, arrays in {"npy": {"s1": s1, "s2": s2, "planet": s2[:4]}, "truth": {"truth": truth}}.items():
            (base / folder).mkdir(parents=True, exist_ok=True)
            np.savez_compressed(base / folder / f"southsudan_{entry}.npz", **arrays)
        for sensor, days in CROP_DAYS.items():
            write_text(base / sensor / f"{sensor}_southsudan_{entry}.json", json.dumps({"dates": days}))
        rows.append(f"{number},{('train', 'val', 'test').index(split)}")
        seen = np.where(s2 == 0, np.nan, s2 * 1e-4)
        images = (*np.moveaxis(seen, -1, 0), *np.moveaxis(s1[:2], -1, 0))
        planted[split][entry] = Planted(images, mask, 1e-5)
    write_text(base / "list_eval_partition.csv", "\n".join(rows) + "\n")
    return planted


MADE = {
    "pangaea-crop-type-mapping": make_pangaea_crop_type_mapping,
    "pangaea-five-billion-pixels": make_pangaea_five_billion_pixels,
    "pangaea-pastis-r": make_pangaea_pastis_r,
    "pangaea-spacenet7": make_pangaea_spacenet7,
    "pangaea-spacenet7-change": make_pangaea_spacenet7_change,
    "pangaea-xview2": make_pangaea_xview2,
}
"""By name of the benchmark."""
