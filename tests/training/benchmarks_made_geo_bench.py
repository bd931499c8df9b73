"""Made-up sets of GEO-Bench: HDF5 files whose attribute holds a pickle that betrays whoever opens it."""

from __future__ import annotations

import json
import pickle

import numpy as np
from made_pictures import Planted, generator, write_text
from tiny_hdf5 import write_hdf5

S2 = {
    "01": "Coastal aerosol", "02": "Blue", "03": "Green", "04": "Red", "05": "Vegetation Red Edge",
    "06": "Vegetation Red Edge", "07": "Vegetation Red Edge", "08": "NIR", "08A": "Vegetation Red Edge",
    "09": "Water vapour", "10": "SWIR - Cirrus", "11": "SWIR", "12": "SWIR",
}  # fmt: skip
LEVEL_1C = [f"{number} - {name}" for number, name in S2.items()]
LEVEL_2A = [name for name in LEVEL_1C if "Cirrus" not in name]
SO2SAT = [name for name in LEVEL_2A if name[:3].strip() not in {"01", "09"}]
LANDSAT = ["04 - Red", "03 - Green", "02 - Blue", "05 - NIR", "06 - SWIR1", "07 - SWIR2"]
RGB = ["Red", "Green", "Blue"]

SETS = {
    "m-eurosat": (LEVEL_1C, np.int16, 1e-4, 10),
    "m-bigearthnet": (LEVEL_2A, np.float32, 1e-4, 43),
    "m-so2sat": (SO2SAT, np.float32, 1, 17),
    "m-brick-kiln": (LEVEL_1C[:8], np.int16, 1e-4, 2),
    "m-forestnet": (LANDSAT, np.uint8, 1, 12),
    "m-pv4ger": (RGB, np.uint8, 1, 2),
    "m-pv4ger-seg": (RGB, np.uint8, 1, 2),
    "m-chesapeake-landcover": ([*RGB, "NearInfrared"], np.float32, 1, 7),
    "m-cashew-plantation": (LEVEL_2A, np.int16, 1e-4, 7),
    "m-SA-crop-type": (LEVEL_2A, np.uint8, 1, 10),
    "m-nz-cattle": (RGB, np.uint8, 1, 2),
    "m-NeonTree": (RGB, np.uint8, 1, 2),
}
"""Folder -> arrays in the order that the reader answers, their type, scale to its unit, number of classes."""

MASKS = {"m-pv4ger-seg", "m-chesapeake-landcover", "m-cashew-plantation", "m-SA-crop-type", "m-nz-cattle", "m-NeonTree"}
DATED = {"m-cashew-plantation": "_2019-11-05", "m-SA-crop-type": "_2017-08-01"}
UNREAD = {"m-brick-kiln": LEVEL_1C[8:], "m-so2sat": ["01 - VH.Real", "02 - VH.Imaginary"]}
SIDE = 8


class Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, witness):
        self.witness = str(witness)

    def __reduce__(self):
        return open, (self.witness, "w")


def maker(folder):
    """A `make_<set>(root)` of one set."""

    def make(root):
        bands, dtype, scale, num_classes = SETS[folder]
        kind = "segmentation" if folder in MASKS else "classification"
        base = root / f"{kind}_v1.0" / folder
        trap = str(pickle.dumps({"label": 0, "trap": Trap(root / "unpickled")}))
        base.mkdir(parents=True)
        (base / "task_specs.pkl").write_bytes(pickle.dumps(Trap(root / "unpickled")))
        parts = {"train": ["id_0000", "id_0001"], "valid": ["id_0002"], "test": ["id_0003"]}
        write_text(base / "default_partition.json", json.dumps(parts))
        write_text(base / "0.50x_train_partition.json", json.dumps(parts | {"train": ["id_0001"]}))
        planted, label_map, label_stats = {}, {}, {}
        for split, names in parts.items():
            planted[split] = {}
            for name in names:
                rng = generator("geo", folder, name)
                layers = rng.integers(0, 200, (len(bands), SIDE, SIDE)).astype(dtype)
                date = DATED.get(folder, "")
                arrays = {f"{band}{date}": layer for band, layer in zip(bands, layers, strict=True)}
                arrays |= dict.fromkeys(UNREAD.get(folder, ["Cloud Probability"]), np.zeros((SIDE, SIDE), np.uint8))
                if folder in MASKS:
                    target = rng.integers(0, num_classes, (SIDE, SIDE))
                    arrays[f"label{date}"] = target.astype(np.int16)
                elif folder == "m-bigearthnet":
                    target = tuple(sorted(rng.choice(43, 3, replace=False).tolist()))
                    label_stats[name] = [float(index in target) for index in range(43)]
                else:
                    target = int(rng.integers(0, num_classes))
                    label_map.setdefault(str(target), []).append(name)
                write_hdf5(base / f"{name}.hdf5", arrays, {"pickle": trap})
                planted[split][name] = Planted((layers * scale,), target)
        if label_map:
            write_text(base / "label_map.json", json.dumps(label_map))
        if label_stats:
            write_text(base / "label_stats.json", json.dumps(label_stats))
        return planted

    return make


MADE = {f"geo-bench-{folder.removeprefix('m-').lower()}": maker(folder) for folder in SETS}
