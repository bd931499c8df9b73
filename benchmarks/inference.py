"""Speed of inference from Zarr to written product, beside the model's bare forward on the same windows and threads.

    python benchmarks/inference.py [--json] [--size 1056] [--dates 12] [--rounds 3]

The peer has every window's input ready in memory and drops the logits; ours reads a stored cube, makes channels,
blends, reduces and commits a prediction. Both run in this process, one after the other in every round; the ratio is
the median over rounds. The same in CPU time is printed beside it: neighbours on the machine disturb that one less.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from catalogs.sensors import load_sensor
from pipelines.cube import CubeRef
from pipelines.cube.group import GroupTemplate, create_group, write_coords
from pipelines.cube.store import create_store
from pipelines.grid import TargetGrid
from pipelines.inference import InferenceOptions, predict
from pipelines.inference.forward import window_series
from pipelines.inference.options import TASKS
from pipelines.inference.prediction import open_groups, plan_job, trained_model
from pipelines.inference.slab import read_slab
from pipelines.inference.threads import run, task
from pipelines.inference.torch_threads import torch_threads
from pipelines.legend import CHANGE, LAND_COVER
from pipelines.schema import PER_TIME_COORDS, SCHEMA_VERSION
from ringmoe_core import CheckpointMetadata, RingMoE, load_checkpoint, nano, save_checkpoint
from ringmoe_core.heap import keep_heap

FLOOR, GOAL = 0.8, 0.9
BANDS = {"s2": ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"), "s1": ("VV", "VH")}
SENSOR = {"s2": "sentinel-2-msi", "s1": "sentinel-1-csar"}
VALUE = {"s2": "reflectance", "s1": "power"}
TEXTS = ("scene_ids", "platform", "orbit_direction", "processing_baseline", "radiometric_rule", "radiometric_evidence")
TRAINED = Path(__file__).parents[1] / "ringmoe_core" / "weights" / "nano.safetensors"


def made_up_cube(folder, size, num_dates):
    """Writes a cube of both sensors, dates a month apart, noise in the usual range, a fifth clouded."""
    grid = TargetGrid(epsg=32631, resolution=10.0, x_min=600_000.0, y_max=5_600_000.0, width=size, height=size)
    rng = np.random.default_rng(0)
    store = create_store(folder)
    with store.run("benchmark") as lent:
        draft = lent.begin()
        draft.root.attrs.update({"schema_version": SCHEMA_VERSION, "grid": grid.to_dict()})
        for name, ids in BANDS.items():
            bands = tuple(load_sensor(SENSOR[name]).band(band) for band in ids)
            made = GroupTemplate(name=name, grid=grid, bands=bands, chunk=512, title="benchmark")
            group = create_group(draft.root, made)
            shape = (num_dates, len(ids), size, size)
            values = rng.normal(2000, 500, shape).astype(np.int16) if name == "s2" else rng.gamma(4, 0.02, shape)
            blobs = np.kron(rng.random((num_dates, -(-size // 32), -(-size // 32))), np.ones((32, 32)))[:, :size, :size]
            valid = blobs > 0.2 if name == "s2" else np.ones_like(blobs, dtype=bool)
            for array, stored in ((VALUE[name], values), ("valid", valid), ("reason", np.where(valid, 0, 2))):
                group[array].resize(stored.shape)
                group[array][...] = stored.astype(group[array].dtype)
            for index in range(num_dates):
                coords = dict.fromkeys(PER_TIME_COORDS, float("nan")) | dict.fromkeys(TEXTS, "")
                time_us = 1_609_500_000_000_000 + index * 30 * 86_400_000_000
                write_coords(group, [*range(index), None], time_us=time_us, bounds_us=(time_us, time_us), values=coords)
        return CubeRef(uri=store.uri, snapshot=draft.publish("benchmark", {}))


def untrained(folder):
    """Writes a nano with random values: speed does not depend on them."""
    path = folder / "nano.safetensors"
    metadata = CheckpointMetadata(
        trained_modalities=("sar_l2", "ms"),
        normalisation="physical-v1",
        class_names=tuple(entry.name for entry in LAND_COVER),
        change_names=tuple(entry.name for entry in CHANGE),
        provenance="random values",
    )
    save_checkpoint(RingMoE(nano(), seed=0), path, metadata=metadata)
    return path


def ready_batches(job):
    """Reads the cube and returns the batches of all windows as the model takes them."""
    slab = read_slab(job.cube, job.plan, job.modalities, slice(0, job.lattice.height), num_workers=2)
    batches = [batch for row in range(len(job.lattice.rows)) for batch in job.batches(row)]
    return [window_series(slab, batch) for batch in batches]


def bare_forward(model, question, windows, series):
    """Everything the model is asked about one batch, and nothing else."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        membership = torch.from_numpy(question.membership)[None].expand(len(windows), -1, -1)
        maps = model.decode(model.fuse(model.encode(series), membership)).unflatten(0, (len(windows), -1))
        model.segment(maps[:, 0])
        for before, after in zip(question.fusions.before, question.fusions.after, strict=True):
            model.change(maps[:, before], maps[:, after])


def seconds(call):
    """Wall time and CPU time of all threads."""
    wall, busy = time.perf_counter(), time.process_time()
    call()
    return np.array([time.perf_counter() - wall, time.process_time() - busy])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--size", type=int, default=1056, help="side of the cube in pixels")
    parser.add_argument("--dates", type=int, default=12, help="dates of each sensor")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    keep_heap()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ref = made_up_cube(folder / "cube", chosen.size, chosen.dates)
        weights = TRAINED if TRAINED.is_file() else untrained(folder)
        options = InferenceOptions()
        trained = trained_model(load_checkpoint(weights), weights)
        job = plan_job(open_groups(ref), trained, options, TASKS)
        batches = ready_batches(job)
        num_windows = len(job.lattice.windows())

        def peer():
            with torch_threads(1):
                run([task(bare_forward, trained.model, job.question, *batch) for batch in batches], options.num_workers)

        peer()  # warm
        pairs = []
        for turn in range(chosen.rounds):
            bare = seconds(peer)
            ours = seconds(lambda turn=turn: predict(ref, weights, str(folder / f"out{turn}"), options=options))
            pairs.append((num_windows / ours, num_windows / bare))
    report(pairs, as_json=chosen.json, windows=num_windows, workers=options.num_workers)


def row_of(name, unit, pairs):
    ratio = statistics.median(ours / peer for ours, peer in pairs)
    return {
        "name": name,
        "ours": round(statistics.median(pair[0] for pair in pairs), 3),
        "peer": round(statistics.median(pair[1] for pair in pairs), 3),
        "unit": unit,
        "ratio": round(ratio, 3),
        "floor": FLOOR,
        "goal": GOAL,
        "ok": bool(ratio >= FLOOR),
    }


def report(pairs, *, as_json, windows, workers):
    name = "inference: Zarr to product / bare forward"
    row = row_of(name, "windows/s", [(ours[0], peer[0]) for ours, peer in pairs])
    busy = row_of(f"{name}, CPU time", "windows/CPU s", [(ours[1], peer[1]) for ours, peer in pairs])
    if as_json:
        print(json.dumps(row))
        print(json.dumps(busy))
        return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{row['name']}: {windows} windows of 128 px, {workers} threads, peak memory {peak:.2f} GiB")
    verdict = "ok" if row["ok"] else "BELOW THE FLOOR"
    print(f"  bare forward      {row['peer']:8.3f} windows/s")
    print(f"  Zarr to product   {row['ours']:8.3f} windows/s")
    print(f"  ratio {row['ratio']:.3f} (in CPU time {busy['ratio']:.3f}), floor {FLOOR}, goal {GOAL}: {verdict}")


if __name__ == "__main__":
    main()
