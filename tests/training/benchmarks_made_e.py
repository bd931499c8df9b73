"""Made-up files of the sets of scenes, masks, heights and change, tiny, in exactly the layout their authors publish.

Each `make_<set>(root)` answers what it planted: split (or "*" for any) -> id of the sample -> `Planted`.
"""

from __future__ import annotations

import json

import numpy as np
from benchmarks_made_change import make_cdd, make_levir_cd, make_oscd
from benchmarks_made_geo_bench import MADE as MADE_GEO_BENCH
from benchmarks_made_open import (
    make_bigearthnet,
    make_bigearthnet_43,
    make_bigearthnet_v2,
    make_pangaea_ai4smallfarms,
    make_pangaea_hls_burn_scars,
    make_pangaea_mados,
)
from benchmarks_made_pangaea import MADE as MADE_PANGAEA
from made_pictures import (
    ANY,
    JPEG_ERROR,
    SIZE,
    Planted,
    colour_label,
    generator,
    mask_of,
    noise,
    words,
    write_picture,
    write_text,
    write_tiff,
)

from pipelines.training.benchmarks.sample import IGNORE

# --- a folder a class


def scene_folders(root, base, folders, name_of, num, *, suffix=".jpg"):
    """`num` flat pictures a class; file names by `name_of(folder, number)`."""
    found = {}
    for label, folder in enumerate(folders):
        for number in range(1, num + 1):
            name = name_of(folder, number)
            colour = generator(folder, number).integers(0, 256, 3).astype(np.uint8)
            pixels = np.broadcast_to(colour, (8, 8, 3)).copy()
            options = {"quality": 95, "subsampling": 0} if suffix == ".jpg" else {}
            write_picture(root / base / folder / f"{name}{suffix}", pixels, **options)
            image = np.moveaxis(pixels, -1, 0).astype(np.float32)
            found[f"{folder}/{name}"] = Planted((image,), label, JPEG_ERROR if suffix == ".jpg" else 0.0)
    return found


def write_lists(root, stem, ids, suffix=".jpg"):
    """Three disjoint lists of file names, as Neumann et al. publish them."""
    names = [f"{sample_id.split('/')[1]}{suffix}" for sample_id in sorted(ids)]
    parts = {"train": names[::3], "val": names[1::3], "test": names[2::3]}
    for part, listed in parts.items():
        write_text(root / f"{stem}-{part}.txt", "\n".join(listed) + "\n")
    return {
        part: {i: ids[i] for i in ids if f"{i.split('/')[1]}{suffix}" in set(listed)} for part, listed in parts.items()
    }


RESISC45 = words(
    "airplane airport baseball_diamond basketball_court beach bridge chaparral church circular_farmland cloud "
    "commercial_area dense_residential desert forest freeway golf_course ground_track_field harbor industrial_area "
    "intersection island lake meadow medium_residential mobile_home_park mountain overpass palace parking_lot railway "
    "railway_station rectangular_farmland river roundabout runway sea_ice ship snowberg sparse_residential stadium "
    "storage_tank tennis_court terrace thermal_power_station wetland"
)


def make_nwpu_resisc45(root):
    found = scene_folders(root, "NWPU-RESISC45", RESISC45, lambda folder, n: f"{folder}_{n:03d}", 6)
    listed = {f"list-{part}": content for part, content in write_lists(root, "resisc45", found).items()}
    return {ANY: found} | listed


def make_aid(root):
    folders = words(
        "Airport BareLand BaseballField Beach Bridge Center Church Commercial DenseResidential Desert Farmland Forest "
        "Industrial Meadow MediumResidential Mountain Park Parking Playground Pond Port RailwayStation Resort River "
        "School SparseResidential Square Stadium StorageTanks Viaduct"
    )
    return {ANY: scene_folders(root, "AID", folders, lambda folder, n: f"{folder.lower()}_{n}", 3)}


def make_whu_rs19(root):
    folders = words(
        "Airport Beach Bridge Commercial Desert Farmland footballField Forest Industrial Meadow Mountain Park Parking "
        "Pond Port railwayStation Residential River Viaduct"
    )
    return {ANY: scene_folders(root, "WHU-RS19", folders, lambda folder, n: f"{folder.lower()}_{n:02d}", 6)}


def make_uc_merced(root):
    folders = words(
        "agricultural airplane baseballdiamond beach buildings chaparral denseresidential forest freeway golfcourse "
        "harbor intersection mediumresidential mobilehomepark overpass parkinglot river runway sparseresidential "
        "storagetanks tenniscourt"
    )
    found = scene_folders(
        root, "UCMerced_LandUse/Images", folders, lambda folder, n: f"{folder}{n - 1:02d}", 6, suffix=".tif"
    )
    listed = write_lists(root, "uc_merced", found, ".tif")
    return {ANY: found} | {f"list-{part}": content for part, content in listed.items()}


EUROSAT = words(
    "AnnualCrop Forest HerbaceousVegetation Highway Industrial Pasture PermanentCrop Residential River SeaLake"
)


def make_eurosat_rgb(root):
    return write_lists(root, "eurosat", scene_folders(root, "EuroSAT_RGB", EUROSAT, lambda f, n: f"{f}_{n}", 3))


def make_eurosat(root):
    found = {}
    for label, folder in enumerate(EUROSAT):
        for number in (1, 2, 3):
            stored = noise(generator("eurosat", folder, number), 13, 8, 8, dtype=np.uint16, high=12000)
            write_tiff(root / "EuroSAT_MS" / folder / f"{folder}_{number}.tif", stored)
            found[f"{folder}/{folder}_{number}"] = Planted((stored * 1e-4,), label)
    return write_lists(root, "eurosat", found)


# --- masks

ISAID = (
    (0, 0, 0), (0, 0, 63), (0, 63, 63), (0, 63, 0), (0, 63, 127), (0, 63, 191), (0, 63, 255), (0, 127, 63),
    (0, 127, 127), (0, 0, 127), (0, 0, 191), (0, 0, 255), (0, 191, 127), (0, 127, 191), (0, 127, 255), (0, 100, 155),
)  # fmt: skip


def make_isaid(root):
    planted = {}
    for split, numbers in {"train": (0, 1, 2, 5, 6, 9), "val": (3, 4)}.items():
        planted[split] = {}
        for number in numbers:
            name = f"P{number:04d}"
            rng = generator("isaid", number)
            pixels, mask = noise(rng, SIZE, SIZE, 3), mask_of(rng, 16, ignored=False)
            folder = root / split / "images"
            write_picture(folder / f"{name}.png", pixels)
            write_picture(folder / f"{name}_instance_color_RGB.png", colour_label(mask, dict(enumerate(ISAID))))
            write_picture(folder / f"{name}_instance_id_RGB.png", noise(rng, SIZE, SIZE, 3))
            planted[split][name] = Planted((np.moveaxis(pixels, -1, 0),), mask)
    return planted


def make_loveda(root):
    planted = {}
    for split, numbers in {"train": (1366, 1367, 1368), "val": (3514,)}.items():
        planted[split] = {}
        for domain in ("Urban", "Rural"):
            for number in numbers:
                rng = generator("loveda", domain, number)
                pixels, mask = noise(rng, SIZE, SIZE, 3), mask_of(rng, 7)
                stored = np.where(mask == IGNORE, 0, mask + 1).astype(np.uint8)
                folder = root / split.capitalize() / domain
                write_picture(folder / "images_png" / f"{number}.png", pixels)
                write_picture(folder / "masks_png" / f"{number}.png", stored)
                planted[split][f"{domain}/{number}"] = Planted((np.moveaxis(pixels, -1, 0),), mask)
    return planted


POTSDAM = {
    "train": words(
        "2_10 2_11 2_12 3_10 3_11 3_12 4_10 4_11 4_12 5_10 5_11 5_12 6_10 6_11 6_12 6_7 6_8 6_9 7_10 7_11 7_12 7_7 7_8 "
        "7_9"
    ),
    "test": words("2_13 2_14 3_13 3_14 4_13 4_14 4_15 5_13 5_14 5_15 6_13 6_14 6_15 7_13"),
}
ISPRS = {0: (255, 255, 255), 1: (0, 0, 255), 2: (0, 255, 255), 3: (0, 255, 0), 4: (255, 255, 0), 5: (255, 0, 0)}


def make_isprs_potsdam(root):
    planted = {}
    for split, tiles in POTSDAM.items():
        planted[split] = {}
        for tile in tiles:
            rng = generator("potsdam", tile)
            red, green, blue, infrared = noise(rng, 4, 8, 8)
            for folder, name, bands in (
                ("2_Ortho_RGB", "RGB", (red, green, blue)),
                ("3_Ortho_IRRG", "IRRG", (infrared, red, green)),
                ("4_Ortho_RGBIR", "RGBIR", (red, green, blue, infrared)),
            ):
                write_tiff(root / folder / f"top_potsdam_{tile}_{name}.tif", bands)
            mask = mask_of(rng, 6, ignored=False)[:8, :8]
            label = np.moveaxis(colour_label(mask, ISPRS), -1, 0)
            write_tiff(root / "5_Labels_all" / f"top_potsdam_{tile}_label.tif", label)
            eroded = label.copy()
            eroded[:, 0] = 0
            write_tiff(root / "5_Labels_all_noBoundary" / f"top_potsdam_{tile}_label_noBoundary.tif", eroded)
            planted[split][tile] = Planted((np.stack([red, green, blue]),), mask)
    return planted


def make_isprs_potsdam_height(root):
    planted = {}
    for split, images in make_isprs_potsdam(root).items():
        planted[split] = {}
        for tile, content in images.items():
            steps = int(generator("steps", tile).integers(0, 250))
            row, column = tile.split("_")
            name = f"dsm_potsdam_{int(row):02d}_{int(column):02d}_normalized_lastools.jpg"
            write_picture(root / "1_DSM_normalisation" / name, np.full((8, 8), steps, np.uint8), quality=95)
            planted[split][tile] = Planted(content.images, np.full((8, 8), steps * 0.1), 0.31)
    return planted


VAIHINGEN = {
    "train": (1, 3, 5, 7, 11, 13, 15, 17, 21, 23, 26, 28, 30, 32, 34, 37),
    "test": (2, 4, 6, 8, 10, 12, 14, 16, 20, 22, 24, 27, 29, 31, 33, 35, 38),
}


def make_isprs_vaihingen_height(root):
    planted = {}
    for split, areas in VAIHINGEN.items():
        planted[split] = {}
        for area in areas:
            rng = generator("vaihingen", area)
            pixels, steps = noise(rng, 3, 8, 8), noise(rng, 8, 8)
            write_tiff(root / "top" / f"top_mosaic_09cm_area{area}.tif", pixels)
            write_picture(root / "ndsm" / f"ndsm_09cm_matching_area{area}.bmp", steps)
            planted[split][f"area{area}"] = Planted((pixels,), steps * 0.1, 1e-5)
    return planted


def make_dynamic_earth_net_planet(root):
    planted = {}
    cubes = {
        "train": (("1311_3077_13", "10N"), ("2006_3280_13", "13N")),
        "val": (("2528_4620_13", "19N"),),
        "test": (("4768_4131_13", "36N"),),
    }
    for split, places in cubes.items():
        planted[split], lines = {}, []
        for place, zone in places:
            for month in ("2018-01", "2018-02"):
                rng = generator("dynamic", place, month)
                folder = f"{zone}/29E-117N/{place}/PF-SR"
                label = f"labels/{place}_{zone}/Labels/Raster/{zone}-x/{zone}-x-{month.replace('-', '_')}_01.tif"
                stored = noise(rng, 4, SIZE, SIZE, dtype=np.uint16, high=10000)
                write_tiff(root / "planet" / folder / f"{month}-01.tif", stored)
                classes = mask_of(rng, 7)  # 6 is snow and ice
                layers = np.stack([np.where(classes == index, 255, 0) for index in range(7)]).astype(np.uint8)
                write_tiff(root / label, layers)
                lines.append(f"/reprocess-cropped/UTM-24000/{folder} /{label} {month}")
                mask = np.where(classes == 6, IGNORE, classes)
                planted[split][f"{place}/{month}"] = Planted((stored * 1e-4,), mask)
        write_text(root / "dynnet_training_splits" / f"{split}.txt", "\n".join(lines) + "\n")
    return planted


AIR = {0: (0, 0, 255), 1: (0, 255, 0), 2: (255, 0, 0), 3: (0, 255, 255), 4: (255, 255, 0), 5: (255, 255, 255)}


def make_air_polsar_seg(root):
    planted = {}
    for split in ("train", "test"):
        planted[split] = {}
        for number in (1, 2):
            rng = generator("air", split, number)
            stored = noise(rng, 4, SIZE, SIZE, dtype=np.uint16, high=60000)
            for band, layer in zip(("HH", "HV", "VH", "VV"), stored, strict=True):
                write_tiff(root / f"{split}_set/images/{band}/{split}_{number}_{band}.tiff", layer[None])
            mask = mask_of(rng, 6)
            write_picture(root / f"{split}_set/labels/{split}_{number}_gt.png", colour_label(mask, AIR))
            planted[split][f"{split}_{number}"] = Planted((stored,), mask)
    return planted


def make_sarsegl1(root):
    facts = {
        "format": "sarsegl1",
        "version": 1,
        "classes": ["water", "vegetation", "bare land", "building", "road", "mountain"],
        "gsd_m": 8.0,
        "amplitude_scale": 0.5,
    }
    write_text(root / "dataset.json", json.dumps(facts))
    planted = {}
    for split, names in {"train": ("a", "b"), "val": ("c",), "test": ("d", "e")}.items():
        write_text(root / f"{split}.txt", "\n".join(names) + "\n")
        planted[split] = {}
        for name in names:
            rng = generator("slc", name)
            parts = rng.normal(size=(8, SIZE, SIZE)).astype(np.float32)
            as_complex = parts[::2] + 1j * parts[1::2]
            stored = as_complex.astype(np.complex64) if name in "ac" else parts
            write_tiff(root / "images" / f"{name}.tif", stored)
            mask = mask_of(rng, 6)
            write_picture(root / "masks" / f"{name}.png", mask.astype(np.uint8))
            planted[split][name] = Planted((parts * 0.5,), mask)
    return planted


def whu_opt_sar_sheets(split):
    from pipelines.training.benchmarks.whu_opt_sar import TILES

    return TILES[split].split()


def make_whu_opt_sar(root):
    planted = {}
    for split in ("train", "test"):
        planted[split] = {}
        for sheet in whu_opt_sar_sheets(split):
            rng = generator("whu", sheet)
            optical, sar, mask = noise(rng, 4, 8, 8), noise(rng, 1, 8, 8), mask_of(rng, 7)[:8, :8]
            mask[7, 7] = IGNORE
            write_tiff(root / "optical" / f"{sheet}.tif", optical)
            write_tiff(root / "sar" / f"{sheet}.tif", sar)
            write_tiff(
                root / "lbl" / f"{sheet}.tif", np.where(mask == IGNORE, 0, 10 * (mask + 1)).astype(np.uint8)[None]
            )
            planted[split][sheet] = Planted((optical, sar), mask)
    return planted


ROOFS = words(
    "flat_roof gable_roof gambrel_roof row_roof multiple_eave_roof hipped_roof_v1 hipped_roof_v2 mansard_roof "
    "pyramid_roof arched_roof revolved other"
)


def dfc23_files(root, stem, splits, categories):
    """Rectangles as polygons: `roof` pixels of a class, another of the next over it; a picture without any."""
    planted = {}
    for split, names in splits.items():
        planted[split], images, annotations = {}, [], []
        for number, name in enumerate(names):
            rng = generator(stem, name)
            optical, sar = noise(rng, SIZE, SIZE, 3), noise(rng, SIZE, SIZE)
            write_tiff(root / split / "rgb" / f"{name}.tif", np.moveaxis(optical, -1, 0))
            write_tiff(root / split / "sar" / f"{name}.tif", sar[None])
            images.append({"id": number + 7, "file_name": f"{name}.tif", "height": SIZE, "width": SIZE})
            mask = np.zeros((SIZE, SIZE), int)
            for turn, (left, top, right, bottom) in enumerate([(2, 3, 8, 9), (6, 5, 14, 12)] if number else []):
                category = (number + turn) % len(categories) + 1
                corners = [left, top, right, top, right, bottom, left, bottom]
                annotations.append(
                    {"id": len(annotations), "image_id": number + 7, "category_id": category, "iscrowd": 0,
                     "segmentation": [corners], "bbox": [left, top, right - left, bottom - top], "area": 1}
                )  # fmt: skip
                mask[top:bottom, left:right] = category
            planted[split][name] = Planted((np.moveaxis(optical, -1, 0), sar[None]), mask)
        document = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": index + 1, "name": name} for index, name in enumerate(categories)],
        }
        write_text(root / "annotations" / f"{stem}_{split}.json", json.dumps(document))
    return planted


def make_dfc23(root):
    return dfc23_files(
        root, "buildings_only", {"train": ("P0001", "P0002"), "val": ("P0011", "P0012"), "test": ("P0021", "P0022")},
        ["building"],
    )  # fmt: skip


def make_dfc23_roofs(root):
    splits = {"train": ("P0001", "P0002", "P0003"), "val": ("P0011", "P0012"), "test": ("P0021", "P0022")}
    return dfc23_files(root, "roof_fine", splits, ROOFS)


def make_sen1floods11(root):
    chips = {"train": ("Ghana_103272", "India_1"), "valid": ("Ghana_5",), "test": ("USA_7",), "bolivia": ("Bolivia_9",)}
    base = root / "v1.1"
    events = [
        {"properties": {"location": "Ghana", "s1_date": "2018/09/18", "s2_date": "2018/09/19"}},
        {"properties": {"location": "India", "s1_date": "2016/08/12", "s2_date": "2016/08/12"}},
        {"properties": {"location": "India", "s1_date": "2016/08/13", "s2_date": "2016/08/13"}},
    ]
    write_text(base / "Sen1Floods11_Metadata.geojson", json.dumps({"type": "FeatureCollection", "features": events}))
    planted = {}
    for split, names in chips.items():
        planted[split], lines = {}, []
        for name in names:
            rng = generator("flood", name)
            s1 = rng.normal(-15, 4, (2, SIZE, SIZE)).astype(np.float32)
            s2 = noise(rng, 13, SIZE, SIZE, dtype=np.int16, high=8000)
            mask = mask_of(rng, 2)
            hand = base / "data/flood_events/HandLabeled"
            write_tiff(hand / "S1Hand" / f"{name}_S1Hand.tif", s1)
            write_tiff(hand / "S2Hand" / f"{name}_S2Hand.tif", s2)
            label = np.where(mask == IGNORE, -1, mask).astype(np.int16)
            write_tiff(hand / "LabelHand" / f"{name}_LabelHand.tif", label[None])
            lines.append(f"{name}_S1Hand.tif,{name}_LabelHand.tif")
            planted[split][name] = Planted((s1, s2 * 1e-4), mask)
        write_text(base / "splits/flood_handlabeled" / f"flood_{split}_data.csv", "\n".join(lines) + "\n")
    return planted


MADE = {
    "aid": make_aid,
    "air-polsar-seg": make_air_polsar_seg,
    "bigearthnet": make_bigearthnet,
    "bigearthnet-43": make_bigearthnet_43,
    "bigearthnet-v2": make_bigearthnet_v2,
    "cdd": make_cdd,
    "dfc23": make_dfc23,
    "dfc23-roofs": make_dfc23_roofs,
    "dynamic-earth-net-planet": make_dynamic_earth_net_planet,
    "eurosat": make_eurosat,
    "eurosat-rgb": make_eurosat_rgb,
    "isaid": make_isaid,
    "isprs-potsdam": make_isprs_potsdam,
    "isprs-potsdam-height": make_isprs_potsdam_height,
    "isprs-vaihingen-height": make_isprs_vaihingen_height,
    "levir-cd": make_levir_cd,
    "loveda": make_loveda,
    "nwpu-resisc45": make_nwpu_resisc45,
    "oscd": make_oscd,
    "pangaea-ai4smallfarms": make_pangaea_ai4smallfarms,
    "pangaea-hls-burn-scars": make_pangaea_hls_burn_scars,
    "pangaea-mados": make_pangaea_mados,
    "sarsegl1": make_sarsegl1,
    "sen1floods11": make_sen1floods11,
    "uc-merced": make_uc_merced,
    "whu-opt-sar": make_whu_opt_sar,
    "whu-rs19": make_whu_rs19,
    "isaid-few-shot": make_isaid,
    "loveda-few-shot": make_loveda,
    "nwpu-resisc45-few-shot": make_nwpu_resisc45,
    "uc-merced-few-shot": make_uc_merced,
    "whu-rs19-few-shot": make_whu_rs19,
    **MADE_GEO_BENCH,
    **MADE_PANGAEA,
}
"""By name of the benchmark. Few-shot runs use the files of another benchmark, enough for their default shots."""
