"""Made-up files of the open sets with several labels, and of those of PANGAEA, in the layout their authors publish.

Each `make_<set>(root)` answers what it planted, as in `benchmarks_made_e`.
"""

from __future__ import annotations

import json

import numpy as np
from made_pictures import SIZE, Planted, generator, mask_of, noise, write_text, write_tiff

from pipelines.training.benchmarks.sample import IGNORE

# --- several labels

BIGEARTHNET = [f"B{number:02d}" for number in (1, 2, 3, 4, 5, 6, 7, 8)] + ["B8A", "B09", "B11", "B12"]
COARSER = {"B01": 6, "B09": 6} | dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), 2)


def bigearthnet_patch(folders, names):
    """Files of a pair of patches of 12 pixels a side; answers the images on the finest grid."""
    rng = generator(*names)
    s2 = []
    for band in BIGEARTHNET:
        factor = COARSER.get(band, 1)
        layer = noise(rng, 12 // factor, 12 // factor, dtype=np.uint16, high=10000)
        write_tiff(folders[0] / names[0] / f"{names[0]}_{band}.tif", layer[None])
        s2.append(np.kron(layer, np.ones((factor, factor))) * 1e-4)
    s1 = rng.normal(-12, 3, (2, 12, 12)).astype(np.float32)
    for band, layer in zip(("VV", "VH"), s1, strict=True):
        write_tiff(folders[1] / names[1] / f"{names[1]}_{band}.tif", layer[None])
    return np.stack(s2), s1


V1_PATCHES = {
    "train": (
        ("S2A_MSIL2A_20170613T101031_87_48", ("Airports", "Pastures")),
        ("S2A_MSIL2A_20170613T101031_0_1", ("Sea and ocean", "Estuaries")),
    ),
    "val": (("S2B_MSIL2A_20170924T93020_69_24", ("Vineyards", "Peatbogs", "Natural grassland")),),
    "test": (("S2A_MSIL2A_20170617T113321_4_55", ("Burnt areas",)),),
}


def make_bigearthnet_with(root, label_of):
    planted = {}
    for split, patches in V1_PATCHES.items():
        planted[split], lines = {}, []
        for patch, labels in patches:
            radar = f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_{'_'.join(patch.split('_')[-2:])}"
            folders = (root / "BigEarthNet-v1.0", root / "BigEarthNet-S1-v1.0")
            images = bigearthnet_patch(folders, (patch, radar))
            metadata = {"labels": list(labels), "acquisition_date": "2017-06-13 10:10:31"}
            write_text(folders[0] / patch / f"{patch}_labels_metadata.json", json.dumps(metadata))
            lines.append(f"{patch},{radar}")
            planted[split][patch] = Planted(images, tuple(label_of[label] for label in labels if label in label_of))
        write_text(root / f"bigearthnet-{split}.csv", "\n".join(lines) + "\n")
    return planted


def make_bigearthnet_43(root):
    label_of = {"Airports": 5, "Vineyards": 14, "Pastures": 17, "Natural grassland": 25, "Burnt areas": 32,
                "Peatbogs": 34, "Estuaries": 41, "Sea and ocean": 42}  # fmt: skip
    return make_bigearthnet_with(root, label_of)


def make_bigearthnet(root):
    label_of = {
        "Vineyards": 3,
        "Pastures": 4,
        "Natural grassland": 11,
        "Peatbogs": 15,
        "Estuaries": 18,
        "Sea and ocean": 18,
    }
    return make_bigearthnet_with(root, label_of)


def make_bigearthnet_v2(root):
    import pyarrow as pa
    from pyarrow import parquet

    label_of = {"Arable land": 2, "Coniferous forest": 9, "Marine waters": 18}
    rows, planted = [], {}
    for split, num in {"train": 2, "validation": 1, "test": 1}.items():
        planted[split] = {}
        for number in range(num):
            place = f"{len(rows)}_{number}"
            scene, radar_scene = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP", "S1A_IW_GRDH_1SDV_20170613T165043"
            names = f"{scene}_{place}", f"{radar_scene}_33UUP_{place}"
            labels = list(label_of)[: number + 2]
            folders = (root / "BigEarthNet-S2" / scene, root / "BigEarthNet-S1" / radar_scene)
            planted[split][names[0]] = Planted(bigearthnet_patch(folders, names), tuple(label_of[x] for x in labels))
            rows.append({"patch_id": names[0], "labels": labels, "split": split, "country": "Austria",
                         "s1_name": names[1], "contains_cloud_or_shadow": False})  # fmt: skip
    parquet.write_table(pa.Table.from_pylist(rows), root / "metadata.parquet")
    return planted


# --- sets of PANGAEA


def make_pangaea_hls_burn_scars(root):
    planted = {}
    for split in ("training", "validation"):
        planted[split] = {}
        for tile in ("T10SDH.2020248", "T11SKU.2019001"):
            rng = generator("hls", split, tile)
            stored = rng.uniform(0, 0.6, (6, SIZE, SIZE)).astype(np.float32)
            stored[:, 0, 0] = -9999
            mask = mask_of(rng, 2)
            name = f"subsetted_512x512_HLS.S30.{tile}.v1.4"
            write_tiff(root / split / f"{name}_merged.tif", stored)
            label = np.where(mask == IGNORE, -1, mask).astype(np.int16)
            write_tiff(root / split / f"{name}.mask.tif", label[None])
            seen = np.where(stored == -9999, np.nan, stored)
            planted[split][name] = Planted((seen,), mask)
    return planted


def make_pangaea_mados(root):
    waves = {10: (492, 559, 665, 833), 20: (704, 739, 780, 864, 1610, 2186), 60: (443,)}
    planted = {}
    for split, crops in {"train": ("Scene_0_4", "Scene_0_11"), "val": ("Scene_12_1",), "test": ("Scene_3_2",)}.items():
        write_text(root / "splits" / f"{split}_X.txt", "\n".join(crops) + "\n")
        planted[split] = {}
        for entry in crops:
            scene, _, crop = entry.rpartition("_")
            rng = generator("mados", entry)
            layers = {}
            for resolution, wavelengths in waves.items():
                factor = resolution // 10
                for wave in wavelengths:
                    layer = rng.uniform(0, 0.2, (12 // factor, 12 // factor)).astype(np.float32)
                    layer[0, 0] = np.nan if wave == 443 else layer[0, 0]
                    write_tiff(root / scene / str(resolution) / f"{scene}_L2R_rhorc_{wave}_{crop}.tif", layer[None])
                    layers[wave] = np.kron(layer, np.ones((factor, factor)))
            mask = mask_of(rng, 15)[:12, :12]
            mask[11, 11] = IGNORE
            label = np.where(mask == IGNORE, 0, mask + 1).astype(np.uint8)
            write_tiff(root / scene / "10" / f"{scene}_L2R_cl_{crop}.tif", label[None])
            planted[split][entry] = Planted((np.stack([layers[wave] for wave in sorted(layers)]),), mask)
    return planted


def make_pangaea_ai4smallfarms(root):
    planted = {}
    for split, folder in {"train": "train", "val": "validate", "test": "test"}.items():
        planted[split] = {}
        for number in (1, 2):
            rng = generator("farms", split, number)
            stored, mask = noise(rng, 4, SIZE, SIZE, dtype=np.uint16, high=9000), mask_of(rng, 2, ignored=False)
            base = root / "sentinel-2-asia" / folder
            write_tiff(base / "images" / f"{number}_0.tif", stored)
            write_tiff(base / "masks" / f"{number}_0.tif", (255 * mask).astype(np.uint8)[None])
            planted[split][f"{number}_0"] = Planted((stored * 1e-4,), mask)
    return planted
