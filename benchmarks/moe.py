"""Cost of the mixture-of-experts layer beside a dense network of the same active FLOPs, and of a training step.

    python benchmarks/moe.py [--json] [--rounds 9] [--only layer|step]

One thread, process CPU time, candidates interleaved in every round, medians of the rounds' ratios. Every round has new
tokens, so that the experts' loads differ from round to round as they do in use; kernels made for one load do not serve
the next. Layers have the widths of the 14.7 B configuration (4 specialised experts of the batch's modality, 4
collaborative, 1 shared; each token passes 3 of them); their dense peer is one network of three times the hidden width.
"""

import argparse
import itertools
import json
import statistics
import time
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from ringmoe_core import RingMoEConfig, Series
from ringmoe_core.encoder import Encoder
from ringmoe_core.feed_forward import FeedForward
from ringmoe_core.heap import keep_heap
from ringmoe_core.initialise import initialise
from ringmoe_core.moe import MixtureLayer
from ringmoe_core.presets import tiny

MODALITY = 3
"""Of the tokens of a layer's batch; the banks of the others exist and are not touched."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One layer, forward only."""

    dim: int
    images: int
    tokens: int
    floor: float
    goal: float
    float32: bool = False

    @property
    def rows(self):
        return self.images * self.tokens // 4

    @property
    def name(self):
        kind = "fp32 tuned / stock dense" if self.float32 else "bf16 / dense"
        return f"MoE layer {kind}, dim {self.dim}, {self.rows} rows an expert"


CASES = (
    Case(dim=448, images=1, tokens=2304, floor=1.10, goal=1.05),
    Case(dim=896, images=1, tokens=576, floor=1.10, goal=1.05),
    Case(dim=1792, images=4, tokens=144, floor=1.10, goal=1.05),
    Case(dim=1792, images=1, tokens=144, floor=1.45, goal=1.25),
    Case(dim=3584, images=1, tokens=36, floor=2.5, goal=1.9),
    Case(dim=448, images=1, tokens=2304, floor=0.58, goal=0.50, float32=True),
    Case(dim=896, images=1, tokens=576, floor=0.58, goal=0.50, float32=True),
)


def cpu_seconds(call):
    start = time.process_time()
    call()
    return time.process_time() - start


def interleave(candidates, inputs, rounds, warm=2):
    """CPU seconds of each candidate in each round, all on the round's own input."""
    seconds = {name: [] for name in candidates}
    for turn, made in zip(range(rounds + warm), itertools.cycle(inputs), strict=False):
        for name, call in candidates.items():
            spent = cpu_seconds(lambda call=call, made=made: call(made))
            if turn >= warm:
                seconds[name].append(spent)
    return seconds


def row_of(name, seconds, ours, peer, *, floor=None, goal=None):
    ratio = statistics.median(a / b for a, b in zip(seconds[ours], seconds[peer], strict=True))
    return {
        "name": name,
        "ours": round(statistics.median(seconds[ours]) * 1e3, 3),
        "peer": round(statistics.median(seconds[peer]) * 1e3, 3),
        "unit": "CPU ms",
        "ratio": round(ratio, 3),
        "floor": floor,
        "goal": goal,
        "ok": None if floor is None else bool(ratio <= floor),
    }


def filled(module, dtype):
    """The module with small random values in every tensor that the benchmark touches."""
    module = module.to_empty(device="cpu").to(dtype)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            touched = parameter[4 * MODALITY : 4 * MODALITY + 4] if name.startswith("specialised") else parameter
            touched.uniform_(-0.05, 0.05)
    return module.eval()


def networks(config, dim, dtype):
    """A layer and its dense peer. Where their tensors come to lie changes a product's time by 10 %: take several."""
    with torch.device("meta"):
        layer, dense = MixtureLayer(config, dim), FeedForward(dim, 3 * config.mlp_ratio * dim)
    return filled(layer, dtype), filled(dense, dtype)


def naive_loop(layer, tokens_NLD, modality_N):
    """A mask an expert and an addition at its rows, on the layer's own weights."""
    tokens_TD = tokens_NLD.flatten(0, 1)
    mixed_TD = layer.shared(tokens_TD)
    for bank, expert_T, gate_T in choices(layer, tokens_NLD, modality_N):
        for expert in range(bank.num_experts):
            index = (expert_T == expert).nonzero()[:, 0]
            if index.numel():
                hidden = functional.linear(
                    tokens_TD[index], bank.expand_weight_XFD[expert], bank.expand_bias_XF[expert]
                )
                rows = functional.linear(
                    functional.gelu(hidden), bank.reduce_weight_XDF[expert], bank.reduce_bias_XD[expert]
                )
                mixed_TD.index_add_(0, index, rows * gate_T[index, None])
    return mixed_TD


def padded_bmm(layer, tokens_NLD, modality_N):
    """Experts' rows padded to the busiest one, two batched products a bank; drops nothing either."""
    tokens_TD = tokens_NLD.flatten(0, 1)
    mixed_TD = layer.shared(tokens_TD)
    for bank, expert_T, gate_T in choices(layer, tokens_NLD, modality_N):
        first = int(expert_T.min()) // 4 * 4
        local_T = expert_T - first
        taken_TX = functional.one_hot(local_T, 4)
        place_T = (taken_TX.cumsum(0) * taken_TX).sum(1) - 1
        slot_T = local_T * (capacity := int(taken_TX.sum(0).max())) + place_T
        padded = tokens_TD.new_zeros(4 * capacity, tokens_TD.shape[1])
        padded[slot_T] = tokens_TD
        experts = slice(first, first + 4)
        hidden = torch.baddbmm(
            bank.expand_bias_XF[experts, None],
            padded.unflatten(0, (4, capacity)),
            bank.expand_weight_XFD[experts].transpose(1, 2),
        )
        rows = torch.baddbmm(
            bank.reduce_bias_XD[experts, None],
            functional.gelu(hidden),
            bank.reduce_weight_XDF[experts].transpose(1, 2),
        )
        mixed_TD = mixed_TD + rows.flatten(0, 1)[slot_T] * gate_T[:, None]
    return mixed_TD


def choices(layer, tokens_NLD, modality_N):
    """Bank, expert and gate of every token, for both banks."""
    own, common = layer.router(tokens_NLD, modality_N)
    own_expert = own.choice_NLK[..., 0] + modality_N[:, None] * layer.num_specialised
    for bank, expert_NL, routing in (
        (layer.specialised, own_expert, own),
        (layer.collaborative, common.choice_NLK[..., 0], common),
    ):
        yield bank, expert_NL.flatten(), routing.gate_NLK.flatten().to(tokens_NLD.dtype)


def through_onednn(call):
    """`call` with float32 products by oneDNN, the setting restored after it."""

    def tuned(made):
        matmul = torch.backends.mkldnn.matmul
        before = matmul.fp32_precision
        matmul.fp32_precision = "bf16"
        try:
            return call(made)
        finally:
            matmul.fp32_precision = before

    return tuned


def layer_rows(case, rounds):
    dtype = torch.float32 if case.float32 else torch.bfloat16
    config = RingMoEConfig(dim=case.dim, mlp_ratio=4, num_specialised=4, num_collaborative=4)
    copies = [networks(config, case.dim, dtype) for _ in range(3 if case.dim < 1000 else 1)]
    generator = torch.Generator().manual_seed(0)
    shape = (case.images, case.tokens, case.dim)
    inputs = [torch.randn(shape, generator=generator).to(dtype) for _ in range(rounds + 2)]
    modality_N = torch.full((case.images,), MODALITY)
    turns = {name: itertools.cycle(copies) for name in ("dense", "ours", "naive loop", "padded bmm")}
    candidates = {
        "dense": lambda made: next(turns["dense"])[1](made.flatten(0, 1)),
        "ours": lambda made: next(turns["ours"])[0](made, modality_N),
        "naive loop": lambda made: naive_loop(next(turns["naive loop"])[0], made, modality_N),
        "padded bmm": lambda made: padded_bmm(next(turns["padded bmm"])[0], made, modality_N),
    }
    with torch.inference_mode():
        want = candidates["naive loop"](inputs[0]).float()
        for name in ("ours", "padded bmm"):  # a candidate that computes something else is no candidate
            got = candidates[name](inputs[0])
            got = (got[0] if name == "ours" else got).flatten(0, -2).float()
            assert (got - want).norm() < 0.02 * want.norm(), name
        if case.float32:  # on a CPU whose float32 library is at its peak already, the switch gains nothing
            candidates["dense, tuned too"] = candidates["dense"]
            candidates = {name: call if name == "dense" else through_onednn(call) for name, call in candidates.items()}
        seconds = interleave(candidates, inputs, rounds)
    yield row_of(case.name, seconds, "ours", "dense", floor=case.floor, goal=case.goal)
    for name in [name for name in candidates if name not in {"ours", "dense"}]:
        yield row_of(f"  {name}", seconds, name, "dense")


def chips(seed, places, dates=6, size=64):
    """A training batch as the chip sampler makes it: both sensors, chips that differ in brightness."""
    generator = torch.Generator().manual_seed(seed)
    series = {}
    for name, channels in (("sar_l2", 2), ("ms", 10)):
        fine, level = torch.Size((places, dates, channels, size, size)), (places, dates, channels, 1, 1)
        series[name] = Series(
            pixels_BTCHW=torch.randn(fine, generator=generator) + torch.randn(level, generator=generator),
            valid_BTHW=torch.rand((places, dates, size, size), generator=generator) > 0.1,
            present_BTC=torch.ones((places, dates, channels), dtype=torch.bool),
            day_BT=torch.rand((places, dates), generator=generator),
        )
    return series


class Trainer:
    """Forward, backward and AdamW step of one encoder."""

    def __init__(self, config, bfloat16):
        self.encoder = Encoder(config)
        initialise(self.encoder, 0)
        self.optimiser = torch.optim.AdamW(self.encoder.parameters(), lr=1e-3, fused=True)
        self.bfloat16 = bfloat16

    def __call__(self, series):
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            features = self.encoder(series)
        loss = sum(level.float().square().mean() for level in features.levels)
        (loss + 0.01 * features.routing.balance_loss + 0.001 * features.routing.z_loss).backward()
        self.optimiser.step()


def step_rows(rounds, places=8):
    config = tiny()
    twin = replace(config, num_specialised=0, num_collaborative=0, mlp_ratio=3 * config.mlp_ratio)
    inputs = [chips(seed, places) for seed in range(6)]
    for bfloat16 in (False, True):
        candidates = {"ours": Trainer(config, bfloat16), "dense": Trainer(twin, bfloat16)}
        seconds = interleave(candidates, inputs, rounds, warm=8)  # a run has thousands of steps
        kind = "bf16 autocast" if bfloat16 else "fp32"
        yield row_of(
            f"tiny training step / dense twin, {kind}, {12 * places} chips",
            seconds,
            "ours",
            "dense",
            floor=2.5,
            goal=1.5,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=("layer", "step"))
    chosen = parser.parse_args()
    keep_heap()
    torch.set_num_threads(1)
    parts = []
    if chosen.only != "step":
        parts += [layer_rows(case, chosen.rounds) for case in CASES]
    if chosen.only != "layer":
        parts.append(step_rows(chosen.rounds))
    for row in itertools.chain.from_iterable(parts):
        if chosen.json:
            print(json.dumps(row), flush=True)
        else:
            verdict = (
                "" if row["ok"] is None else f"floor {row['floor']} goal {row['goal']} {'ok' if row['ok'] else 'OVER'}"
            )
            print(
                f"{row['name']:62s} {row['ours']:9.1f} / {row['peer']:9.1f} ms  {row['ratio']:6.3f}  {verdict}",
                flush=True,
            )


if __name__ == "__main__":
    main()
