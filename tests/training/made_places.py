"""Made-up places of every kind for the tests of places, samplers and the loop."""

from __future__ import annotations

import numpy as np

from pipelines.training.places import Place
from pipelines.training.scene_arrays import SensorArrays

CHANNELS = {"ms": 10, "sar_l2": 2, "sar_l1": 8, "optical": 3}


def images(random, modality, dates, size, *, missing=0.1):
    valid = random.random((dates, size, size)) >= missing
    age = np.linspace(0.9, 0, dates, dtype=np.float32) if dates > 1 else np.zeros(1, np.float32)
    return SensorArrays(
        pixels=random.standard_normal((dates, CHANNELS[modality], size, size)).astype(np.float16),
        valid=valid,
        observed=np.ones_like(valid),
        present=np.ones((dates, CHANNELS[modality]), bool),
        day=np.linspace(0, 0.95, dates, dtype=np.float32),
        age=age,
    )


def place(kind="series", number=0, *, size=96, block=None, dates=8, missing=0.1, **changes):
    random = np.random.default_rng((number, len(kind)))
    land_cover = ((np.arange(size)[:, None] // 24 + np.arange(size)[None, :] // 24) % 2).astype(np.uint8)
    boxes = np.array([[30, 40, 20, 8, 0.3, 0], [60, 20, 12, 6, -1.0, 1]], np.float32)
    if kind == "series":
        series = {name: images(random, name, dates, size, missing=missing) for name in ("ms", "sar_l2")}
        change = np.zeros((size, size), np.uint8)
        change[20:40, 30:60] = 1
        first = np.where(change > 0, 4, -1).astype(np.int16)
        targets = {"land_cover": land_cover, "change": change, "change_epoch": first}
    elif kind == "slc":
        series, targets = {"sar_l1": images(random, "sar_l1", 2, size, missing=0)}, {"land_cover": land_cover}
    elif kind == "vhr":
        series = {"optical": images(random, "optical", 1, size, missing=0)}
        height = random.uniform(0, 20, (size, size)).astype(np.float32)
        targets = {"height_m": height, "boxes": boxes, "scene_class": np.array([number % 2], np.int16)}
    else:
        series = {"optical": images(random, "optical", 4, size, missing=0)}
        targets = {
            "boxes": np.concatenate([boxes + np.eye(6)[0] * frame for frame in range(4)]).astype(np.float32),
            "box_frame": np.repeat(np.arange(4, dtype=np.int16), 2),
            "box_track": np.tile(np.arange(2, dtype=np.int32), 4),
        }
    given = {
        "id": f"{kind}-{number}", "kind": kind, "series": series, "targets": targets, "seed": number,
        "gsd_m": 10.0 if kind in {"series", "slc"} else 0.5, "block": block or (2 * number, 0),
    }  # fmt: skip
    return Place(**given | changes)
