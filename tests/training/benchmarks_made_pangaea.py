"""Made-up files of sets of PANGAEA in the layout their authors publish; answers as in `benchmarks_made_e`."""

from __future__ import annotations

import json

import numpy as np
from made_pictures import SIZE, Planted, generator, mask_of, noise, write_text

from pipelines.training.benchmarks.sample import IGNORE

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


MADE = {"pangaea-pastis-r": make_pangaea_pastis_r}
"""By name of the benchmark."""
