"""Building and loading large models: time and memory without storage, and bytes read for one modality.

    python benchmarks/load.py [--json] [--preset small] [--rounds 3]

Every measurement has a process of its own, in which everything is imported beforehand. The preset is written to a
temporary folder (small: 0.38 GB, and the same again in one file) with made-up values: time and bytes do not depend
on them. Before a cold start the files' pages are dropped from memory (posix_fadvise); bytes read are what the kernel
fetched from the disk for the process (read_bytes of /proc/self/io, Linux only), read-ahead included, after every byte
of every parameter was touched. Bytes wanted are those of the parameters of the one-modality model in bfloat16. A start
is the CPU time from the files to a model that can run, its layers built on the meta device, weights not touched yet.

The peer of the build keeps every expert in modules of its own. The peer of the load gives the same model its tensors
and slices of tensors from one file, mapped by the safetensors library; `load_file` opens all tensors of that file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from ringmoe_core import CheckpointMetadata, RingMoE, moe
from ringmoe_core.feed_forward import FeedForward
from ringmoe_core.partition import SHARED, plan_parts
from ringmoe_core.presets import PRESETS
from ringmoe_core.prune.configs import extracted_config
from ringmoe_core.shards import load_shards, save_shards

MODALITY = "ms"
SINGLE = "single.safetensors"
MIB = 2**20
READ_LIMITS = (1.10, 1.05)


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def bytes_read():
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("read_bytes")).split()[1])


def build(preset, _folder):
    return RingMoE(PRESETS[preset](), seed=None)


def build_apart(preset, _folder):
    """The same layers with each expert's weights apart."""
    moe.ExpertBank = lambda num, dim, hidden: nn.ModuleList(FeedForward(dim, hidden) for _ in range(num))
    return RingMoE(PRESETS[preset](), seed=None)


def shards(_preset, folder):
    return list(load_shards(folder / "shards", [MODALITY], dtype=torch.bfloat16).model.parameters())


def shards_header(_preset, folder):
    loaded = load_shards(folder / "shards", [MODALITY], dtype=torch.bfloat16, verify="header")
    return list(loaded.model.parameters())


def one_file(preset, folder):
    """The wanted tensors and slices, as the library gives them."""
    config = PRESETS[preset]()
    parts, model = plan_parts(config), RingMoE(extracted_config(config, [MODALITY]), seed=None)
    pieces = {}
    with safe_open(folder / SINGLE, framework="pt") as file:
        for part in (SHARED, MODALITY):
            for name, piece in parts[part].items():  # the whole is only mapped: a slice of it is read when it is used
                pieces.setdefault(name, []).append((piece.axis, piece.of(file.get_tensor(name))))
    tensors = {
        name: found[0][1] if len(found) == 1 else torch.cat([tensor for _, tensor in found], found[0][0])
        for name, found in pieces.items()
    }
    model.load_state_dict(tensors, assign=True)
    return list(model.parameters())


def load_all(preset, folder):
    model = RingMoE(PRESETS[preset](), seed=None)
    model.load_state_dict(load_file(folder / SINGLE), assign=True)
    return list(model.parameters())


CHILDREN = {call.__name__: call for call in (build, build_apart, shards, shards_header, one_file, load_all)}


def measure(name, preset, folder):
    """What a call costs this process: seconds of CPU, memory, and bytes from the disk once all is touched."""
    torch.set_num_threads(1)
    busy, memory, read = time.process_time(), resident_bytes(), bytes_read()
    got = CHILDREN[name](preset, folder)
    found = {"seconds": time.process_time() - busy, "memory": resident_bytes() - memory}
    if isinstance(got, list):
        for tensor in got:
            touch(tensor.detach())
        found["read"] = bytes_read() - read
    return found


def touch(tensor):
    for part in torch.split(tensor.flatten(), 1 << 22):
        part.view(torch.int16).amax()


def run(name, preset, folder):
    command = [sys.executable, __file__, "--child", name, "--preset", preset, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def drop_pages(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def write(preset, folder):
    """Both forms of one model, and the bytes that one modality wants."""
    config = PRESETS[preset]()
    model = RingMoE(config, seed=None).to(torch.bfloat16).to_empty(device="cpu")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.02, 0.02)
    metadata = CheckpointMetadata(
        trained_modalities=(),
        normalisation="none",
        class_names=tuple(map(str, config.class_codes)),
        change_names=tuple(map(str, config.change_codes)),
        provenance="random values",
    )
    save_shards(model, folder / "shards", metadata=metadata)
    save_file(model.state_dict(), folder / SINGLE)
    one = RingMoE(extracted_config(config, [MODALITY]), seed=None)
    return sum(2 * parameter.numel() for parameter in one.parameters())


def row_of(name, unit, ours, peer, limits=(None, None)):
    floor, goal = limits
    return {
        "name": name,
        "ours": round(ours, 4),
        "peer": round(peer, 4),
        "unit": unit,
        "ratio": round(ours / peer, 4) if peer else None,
        "floor": floor,
        "goal": goal,
        "ok": None if floor is None else bool(ours <= floor),
    }


def builds(rounds):
    found = {name: [run(name, "giant", Path()) for _ in range(rounds)] for name in ("build", "build_apart")}
    for key, scale, unit, limits in (("seconds", 1, "CPU s", (0.5, 0.2)), ("memory", MIB, "MiB", (50, 20))):
        ours, peer = (statistics.median(one[key] for one in found[name]) / scale for name in found)
        yield row_of(f"giant on meta, {key} / with experts apart", unit, ours, peer, limits)


def loads(preset, rounds):
    names = ("shards", "shards_header", "one_file", "load_all")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        wanted = write(preset, folder)
        cold, warm = {name: [] for name in names}, {name: [] for name in names}
        for _ in range(rounds):
            for call in names:
                drop_pages(folder)
                cold[call].append(run(call, preset, folder))
                warm[call].append(run(call, preset, folder))

    def middle(table, name, key):
        return statistics.median(one[key] for one in table[name])

    over = {name: middle(cold, name, "read") / wanted for name in names}
    if min(over.values()) < 0.99:
        raise SystemExit(f"bytes wanted must come from the disk, got only {over} of them; pages could not be dropped")
    title = f"{preset}, one modality ({wanted / 1e6:.0f} MB): "
    for ours, label in (("shards", "all verified"), ("shards_header", "header verified")):
        for peer, beside in (("one_file", "slices of one file"), ("load_all", "load_file")):
            name = f"{title}bytes read / wanted, {label}, beside {beside}"
            yield row_of(name, "x", over[ours], over[peer], READ_LIMITS)
        busy, peer = (middle(warm, call, "seconds") * 1e3 for call in (ours, "one_file"))
        yield row_of(f"{title}warm start, {label}, beside slices of one file", "CPU ms", busy, peer)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--preset", default="small", choices=PRESETS, help="of the model that is loaded")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(measure(chosen.child, chosen.preset, chosen.folder)))
        return
    for rows in (builds(chosen.rounds), loads(chosen.preset, chosen.rounds)):
        for row in rows:
            report(row, as_json=chosen.json)


def report(row, *, as_json):
    if as_json:
        print(json.dumps(row), flush=True)
        return
    limits = "" if row["floor"] is None else f", floor {row['floor']}, goal {row['goal']}"
    verdict = {True: ": ok", False: ": MISSES THE FLOOR", None: ""}[row["ok"]]
    print(f"{row['name']}", flush=True)
    print(f"  ours {row['ours']:10.3f} {row['unit']:6} peer {row['peer']:10.3f}, ratio {row['ratio']}{limits}{verdict}")


if __name__ == "__main__":
    main()
