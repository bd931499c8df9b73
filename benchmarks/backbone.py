"""Cost of whole encoders: a mixture of experts beside its dense twin, and tuned bfloat16 beside stock float32.

    python benchmarks/backbone.py [--json] [--rounds 7] [--only mixture|swin|vit]

One thread, process CPU time, candidates interleaved in every round, medians of the rounds' ratios. Twins share one
process; tuned and stock candidates each have their own, since the heap's setting holds for a whole process.

The stock peers are timm's Swin, Swin V2 and ViT of the same size. They run where RINGMOE_PEER_PYTHON names the Python
of an environment with timm and the same torch; without it our own model with stock settings in float32 is the peer.
How much faster this processor multiplies bfloat16 than stock float32 is printed too: more than that no model can gain
from it, however well tuned.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from functools import partial

import torch

PEER_VARIABLE = "RINGMOE_PEER_PYTHON"
SIDE = {"swin": 256, "vit": 192}
TIMM = {
    "timm swin": ("swin_tiny_patch4_window7_224", {"img_size": 256, "window_size": 8}),
    "timm swin v2": ("swinv2_tiny_window8_256", {}),
    "timm vit": ("vit_small_patch16_224", {"img_size": 192}),
}
ALONE = {"modalities": ("optical",), "channels": (3,), "maps": False}
SWIN = {"dim": 96, "depths": (2, 2, 6, 2), "head_dim": 32, "window": 8, "mlp_ratio": 4}
VIT = {"dim": 384, "depths": (12,), "head_dim": 64, "patch": 16, "window": 12, "mlp_ratio": 4}
DENSE = {"num_specialised": 0, "num_collaborative": 0}
CONFIGS = {
    "swin": SWIN | DENSE,
    "swin v2": SWIN | DENSE | {"attention": "cosine"},
    "vit": VIT | DENSE,
    "vit mixture": VIT | {"mlp_ratio": 2, "num_specialised": 0, "num_collaborative": 8},
}


def encoder_call(name, *, dtype, batch):
    """A call of our encoder of random weights on random images."""
    from ringmoe_core import RingMoEConfig, Series
    from ringmoe_core.encoder import Encoder
    from ringmoe_core.initialise import initialise

    config = RingMoEConfig(**ALONE | CONFIGS[name])
    with torch.device("meta"):
        encoder = Encoder(config)
    encoder = encoder.to_empty(device="cpu")
    initialise(encoder, 0)
    encoder = encoder.to(dtype).eval()
    side = SIDE[name.split(maxsplit=1)[0]]
    series = Series(
        pixels_BTCHW=torch.randn(batch, 1, 3, side, side, generator=torch.Generator().manual_seed(0)),
        valid_BTHW=torch.ones(batch, 1, side, side, dtype=torch.bool),
        present_BTC=torch.ones(batch, 1, 3, dtype=torch.bool),
        day_BT=torch.full((batch, 1), 0.5),
    )
    return encoder, lambda: encoder({"optical": series})


def timm_call(name, *, batch):
    """A call of timm's model of random weights in float32, stock settings."""
    library = torch.library.Library("torchvision", "DEF")  # timm imports torchvision, whose operators may be missing
    box = "(Tensor a, Tensor b, float c) -> Tensor"
    for operator in (f"nms{box}", f"qnms{box}", "roi_align(Tensor a, Tensor b, float c, int d, int e, int f, bool g)"):
        with contextlib.suppress(RuntimeError):
            library.define(operator if "->" in operator else f"{operator} -> Tensor")
    import timm

    architecture, options = TIMM[name]
    model = timm.create_model(architecture, num_classes=0, **options).eval()
    side = SIDE[name.split()[1]]
    images = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
    return lambda: model.forward_features(images), library


def cpu_seconds(call):
    start = time.process_time()
    call()
    return time.process_time() - start


def serve(candidate, batch):
    """Runs one candidate each time a line comes in, and answers with its CPU seconds."""
    torch.set_num_threads(1)
    way, _, name = candidate.partition(": ")
    if way == "peer":
        call, _library = timm_call(name, batch=batch)
    elif way == "stock":
        _, call = encoder_call(name, dtype=torch.float32, batch=batch)
    else:
        call = tuned_call(name, batch, kernel=way == "tuned")
    with torch.no_grad():
        call()
        call()
        print("ready", flush=True)
        for _ in sys.stdin:
            print(cpu_seconds(call), flush=True)


def tuned_call(name, batch, *, kernel):
    from ringmoe_core.heap import keep_heap
    from ringmoe_core.window_kernel import use_window_kernel

    keep_heap()
    encoder, call = encoder_call(name, dtype=torch.bfloat16, batch=batch)
    reason = use_window_kernel(encoder) if kernel else None
    if reason is not None:
        print(f"no window kernel: {reason}", file=sys.stderr)
    return call


@contextlib.contextmanager
def worker(python, candidate, batch):
    command = [python, "-W", "ignore", __file__, "--serve", candidate, "--batch", str(batch)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if not any(line.strip() == "ready" for line in process.stdout):  # libraries may print before it
            raise RuntimeError(f"{candidate} did not start; see its error above")
        yield process
    finally:
        process.stdin.close()
        process.wait()


def ask(process):
    process.stdin.write("\n")
    process.stdin.flush()
    return float(next(process.stdout))


def processes_apart(candidates, rounds, batch):
    """CPU seconds of each candidate in each round."""
    seconds = {name: [] for name in candidates}
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(worker(python, name, batch)) for name, python in candidates.items()}
        for _ in range(rounds):
            for name, process in running.items():
                seconds[name].append(ask(process))
    return seconds


def measure_mixture(rounds, batch):
    """The mixture over its dense twin, both tuned, in this process."""
    from ringmoe_core.heap import keep_heap

    keep_heap()
    torch.set_num_threads(1)
    names = ("vit mixture", "vit")
    calls = {name: encoder_call(name, dtype=torch.bfloat16, batch=batch)[1] for name in names}
    seconds = {name: [] for name in names}
    with torch.no_grad():
        for turn in range(rounds + 1):
            for name, call in calls.items():
                spent = cpu_seconds(call)
                if turn:
                    seconds[name].append(spent)
    title = f"end to end, MoE ViT-size encoder / dense twin, bf16, batch {batch}"
    return [row_of(title, *seconds.values(), batch, floor=1.12, goal=1.05)]


def measure_tuned(family, rounds, batch):
    """Tuned bfloat16 against stock float32: timm's where there is one, else our own."""
    peer_python = os.environ.get(PEER_VARIABLE)
    limits = {"floor": 3.1, "goal": 4.5} if family == "swin" else {}
    rows = []
    for name in [name for name in CONFIGS if name.startswith(family) and "mixture" not in name]:
        tuned, plain, stock, peer = (f"{way}: {name}" for way in ("tuned", "plain", "stock", "peer"))
        peer = f"peer: timm {name}"
        candidates = dict.fromkeys((tuned, plain, stock), sys.executable)
        if peer_python:
            candidates[peer] = peer_python
        seconds = processes_apart(candidates, rounds, batch)
        versus, who = (peer, "timm") if peer_python else (stock, "our own")
        title = f"end to end, {name}-t size" if family == "swin" else f"end to end, {name}-s size"
        rows.append(
            row_of(f"{title}, bf16 tuned over {who} stock fp32", seconds[versus], seconds[tuned], batch, **limits)
        )
        if peer_python:
            rows.append(row_of(f"{title}, bf16 tuned over our own stock fp32", seconds[stock], seconds[tuned], batch))
        rows.append(row_of(f"{title}, bf16 window kernel over plain", seconds[plain], seconds[tuned], batch))
    return rows


def measure_processor(rounds):
    """How much faster a matrix product is in bfloat16 than in stock float32."""
    torch.set_num_threads(1)
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        operands = torch.ones(4096, 512, dtype=dtype), torch.ones(512, 2048, dtype=dtype)
        product = partial(torch.mm, *operands, out=torch.empty(4096, 2048, dtype=dtype))
        seconds[dtype] = [cpu_seconds(product) for _ in range(rounds + 3)][3:]
    return [row_of("this processor, bf16 matrix product over stock fp32", *seconds.values(), 1)]


def row_of(name, first, second, batch, *, floor=None, goal=None):
    """Ratio of the first to the second; a speed-up has a floor to stay above, a cost one to stay below."""
    ratio = statistics.median(a / b for a, b in zip(first, second, strict=True))
    is_cost = "MoE" in name
    ours, peer = (first, second) if is_cost else (second, first)
    kept = None if floor is None else bool(ratio <= floor if is_cost else ratio >= floor)
    per_image = 1e3 / batch
    return {
        "name": name,
        "ours": round(statistics.median(ours) * per_image, 3),
        "peer": round(statistics.median(peer) * per_image, 3),
        "unit": "CPU ms an image" if batch > 1 else "CPU ms",
        "ratio": round(ratio, 3),
        "floor": floor,
        "goal": goal,
        "ok": kept,
    }


def report(row, *, as_json):
    if as_json:
        print(json.dumps(row), flush=True)
        return
    limits = f"floor {row['floor']}, goal {row['goal']}" if row["floor"] else ""
    verdict = {None: "", True: "ok", False: "MISSES THE FLOOR"}[row["ok"]]
    figures = f"{row['ours']:9.2f} {row['peer']:9.2f} {row['unit']:<16} {row['ratio']:6.3f}"
    print(f"{row['name']:<62} {figures}  {limits} {verdict}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=("mixture", "swin", "vit"))
    parser.add_argument("--batch", type=int, help="images a call; 64 for the mixture and 8 for the others by default")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve, chosen.batch)
        return
    if not chosen.json:
        print(f"{'':<62} {'ours':>9} {'peer':>9} {'':<16} {'ratio':>6}")
    measures = {
        "swin": lambda: measure_processor(chosen.rounds) + measure_tuned("swin", chosen.rounds, chosen.batch or 8),
        "vit": lambda: measure_tuned("vit", chosen.rounds, chosen.batch or 8),
        "mixture": lambda: measure_mixture(chosen.rounds, chosen.batch or 64),
    }
    for name, measure in measures.items():
        if chosen.only in (None, name):
            for row in measure():
                report(row, as_json=chosen.json)


if __name__ == "__main__":
    main()
