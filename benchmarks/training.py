"""A training step with its data beside the bare forward and backward of the same batches, and memory for every preset.

    python benchmarks/training.py [--json] [--only step|memory] [--preset nano] [--stage NAME] [--steps 12] [--rounds 3]
                                  [--threads 2]

Steps: places of all kinds are rendered into a temporary folder. In turn, some steps of the loop (batches from disk in a
thread of their own, losses, gradients, clipping, AdamW, running average) and the bare forward and backward of the very
same batches, made beforehand. `ours` and `peer` are batches a second of the loop and of the bare pass; their ratio is
to be at least 0.8, by wall clock, which is what starves, and by process CPU time, which tells what it costs.

Memory: parameters, the optimiser's two moments and the running average are counted; activations are what autograd keeps
of a batch of 16 multispectral images of 64 px, measured for nano and tiny, and computed from tiny's for the others: in
proportion to tokens x channels x (6 + 3 x the experts' hidden width over the input's), which is about what a block of
attention and three expert passes keeps.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch

from flows.render import PlaceSpec, render_file
from flows.train_config import load_training
from flows.train_learner import make_learner, stage_config
from flows.train_processes import _is_bfloat16
from pipelines.training.loop.prefetch import prefetching
from pipelines.training.loop.trainee import Trainee
from pipelines.training.places import PlaceStore
from pipelines.training.places.store import write_index
from ringmoe_core import PRESETS, RingMoE, Series
from ringmoe_core.heap import keep_heap
from ringmoe_core.sizes import count_parameters

FLOOR = 0.8
MEASURED = ("nano", "tiny")
SIDE, BATCH = 64, 16
OVERHEAD = 6


def small_store(folder):
    specs = [PlaceSpec(kind="series", seed=300_000 + number, size=128, dates=12) for number in range(4)]
    specs += [
        PlaceSpec(kind="slc", seed=300_000, size=128, dates=2),
        PlaceSpec(kind="vhr", seed=300_000, size=128, dates=1),
    ]
    specs.append(PlaceSpec(kind="video", seed=300_000, size=128, dates=4))
    write_index(folder, [render_file(spec, folder) for spec in specs])
    return PlaceStore.open(folder)


def clocks(call):
    wall, cpu = time.monotonic(), time.process_time()
    call()
    return time.monotonic() - wall, time.process_time() - cpu


def step_rows(options):
    torch.set_num_threads(options.threads)
    config = load_training(options.preset, ["data.hold_out={validation: 0, test: 0}"])
    with tempfile.TemporaryDirectory() as folder:
        store = small_store(Path(folder))
        for stage in config.stages:
            for phase in stage.phases if options.stage in {None, stage.name} else ():
                yield from stage_rows(config, stage, phase, store, options)


def stage_rows(config, stage, phase, store, options):
    learner = make_learner(config, stage, store, seed=0)
    sampler = learner.sampler(size=phase.size, batch=phase.batch, seed=5)
    trainee = Trainee(learner.module, stage_config(stage), backbone=learner.backbone.config)
    fast = _is_bfloat16(config, "cpu")

    def make(index):
        return learner.prepare(sampler.batch(index))

    def gradients(prepared):
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            losses = learner.losses(prepared)
        losses.total.backward()

    def loop(first):
        with prefetching(make, first=first, last=first + options.steps) as batches:
            for number in range(options.steps):
                gradients(batches.take())
                trainee.step(first + number, 1e-6)

    learner.module.train()
    loop(10_000)  # kernels, pages, first moments
    ours, peer = [], []
    for turn in range(options.rounds):
        first = turn * options.steps
        ready = [make(first + number) for number in range(options.steps)]

        def bare(ready=ready):
            for prepared in ready:
                gradients(prepared)
                trainee.optimiser.zero_grad(set_to_none=True)

        ours.append(clocks(lambda first=first: loop(first)))
        peer.append(clocks(bare))
    kinds = sorted({sampler.kind_of(index) for index in range(options.rounds * options.steps)})
    for clock, name in enumerate(("wall", "CPU")):
        rates = [[options.steps / one[clock] for one in runs] for runs in (ours, peer)]
        ratio = statistics.median(a / b for a, b in zip(*rates, strict=True))
        yield {
            "name": f"{options.preset} {stage.name}, {phase.size} px, batch {phase.batch}, {name}",
            "ours": round(statistics.median(rates[0]), 3),
            "peer": round(statistics.median(rates[1]), 3),
            "unit": "batches/s",
            "ratio": round(ratio, 3),
            "floor": FLOOR if name == "wall" else None,
            "goal": 1.0,
            "ok": name != "wall" or ratio >= FLOOR,
            "threads": options.threads,
            "kinds": kinds,
        }


def saved_bytes(model):
    """What autograd keeps of one batch, each storage once, parameters left out."""
    channels = dict(zip(model.config.modalities, model.config.channels, strict=True))["ms"]
    series = {
        "ms": Series(
            pixels_BTCHW=torch.randn(BATCH, 1, channels, SIDE, SIDE),
            valid_BTHW=torch.ones(BATCH, 1, SIDE, SIDE, dtype=torch.bool),
            present_BTC=torch.ones(BATCH, 1, channels, dtype=torch.bool),
            day_BT=torch.full((BATCH, 1), 0.5),
        )
    }
    own = {value.untyped_storage().data_ptr() for value in model.state_dict().values()}
    kept = {}

    def pack(value):
        storage = value.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return value

    model.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        features = model.encode(series)
        outputs = [*features.levels]
        if model.config.maps:
            fused = model.fuse(features, torch.ones(BATCH, 1, 1, dtype=torch.bool))
            outputs = [model.segment(model.decode(fused))]
    del outputs
    return sum(kept.values())


def size_of(config):
    """Tokens x channels x width of all blocks, for one image."""
    side = SIDE // config.patch
    total = 0
    for depth, dim in zip(config.depths, config.stage_dims, strict=True):
        total += depth * side * side * dim * (OVERHEAD + 3 * config.mlp_ratio)
        side = max(1, -(-side // 2))
    return total


def memory_rows(_options):
    found = {}
    for name in MEASURED:
        found[name] = saved_bytes(RingMoE(PRESETS[name](), seed=0))
    reference = found["tiny"] / size_of(PRESETS["tiny"]())
    for name, make in PRESETS.items():
        config = make()
        total = count_parameters(config).total
        parts = {
            "parameters": 4 * total,
            "moments of AdamW": 8 * total,
            "running average": 4 * total,
            f"activations, {BATCH} x {SIDE} px": found.get(name, round(reference * size_of(config))),
        }
        for part, size in parts.items():
            how = (
                "measured"
                if "activations" in part and name in found
                else "computed"
                if "activations" in part
                else "counted"
            )
            yield {
                "name": f"{name}, {part}", "ours": round(size / 1e6, 1), "peer": None, "unit": "MB", "ratio": None,
                "floor": None, "goal": None, "ok": True, "how": how,
            }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=("step", "memory"))
    parser.add_argument("--preset", default="nano", choices=("nano", "tiny"))
    parser.add_argument("--stage", help="one stage of the configuration")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    keep_heap()
    missed = False
    for part, rows in (("step", step_rows), ("memory", memory_rows)):
        if options.only in {None, part}:
            for row in rows(options):
                missed |= not row["ok"]
                if options.json:
                    print(json.dumps(row), flush=True)
                else:
                    peer = f" beside {row['peer']}, ratio {row['ratio']}" if row["peer"] else f" ({row.get('how')})"
                    print(f"{row['name']}: {row['ours']} {row['unit']}{peer}", flush=True)
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
