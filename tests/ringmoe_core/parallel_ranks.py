"""Two steps of training in one process, and the same in each of several: `parallel_ranks.py RANK WORLD FOLDER SECONDS`.

Every rank writes what it found to FOLDER/RANK.pt; the test compares it with one process.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import traceback
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch.nn import functional

from ringmoe_core import RingMoE, RingMoEConfig, Series
from ringmoe_core.parallel import (
    ParallelConfig,
    clip_gradients,
    full_state,
    load_full_state,
    make_mesh,
    parallelise,
    sum_over_ranks,
)
from ringmoe_core.precision import Precision

SIZE = 16
CLIP = 0.5
SMALL = RingMoEConfig(
    dim=16, head_dim=8, depths=(2, 1), window=2, fusion_dim=8, fusion_heads=2, skip_dim=4, skip_fused_dim=4, map_dim=8,
    modalities=("optical", "sar_l2", "ms"), channels=(3, 2, 10),
)  # fmt: skip
EVERYTHING = replace(
    SMALL,
    attention="cosine",
    embedding="spectral",
    encodes_acquisition=True,
    masks_attention=True,
    top_k=2,
    balancing="bias",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    config: RingMoEConfig = SMALL
    expert_ranks: int = 1
    parallel: ParallelConfig = field(default_factory=ParallelConfig)
    modalities: tuple[tuple[str, ...], ...] = (("sar_l2", "ms"),) * 2
    """Of each place, one a rank; a place may have images of others or none."""

    bfloat16: bool = False
    adam: bool = False
    """Whether the steps are AdamW's, which takes a while to learn each shape of shard; momentum's otherwise."""


TWICE = ParallelConfig(checkpoints_activations=True)
CASES = {
    "sharded": Case(),
    "sharded, computed twice, kept gathered": Case(
        config=replace(SMALL, top_k=2), parallel=replace(TWICE, reshards_after_forward=False)
    ),
    "experts divided": Case(expert_ranks=2, modalities=(SMALL.modalities,) * 2, adam=True),
    "experts divided, every option": Case(expert_ranks=2, config=EVERYTHING, parallel=TWICE),
    "experts divided, paper's style, backbone": Case(expert_ranks=2, config=replace(SMALL, style="paper", maps=False)),
    "dense": Case(config=replace(SMALL, num_specialised=0, num_collaborative=0)),
    "one modality a rank": Case(expert_ranks=2, modalities=(("sar_l2",), ("ms",))),
    "one modality a rank, sharded": Case(modalities=(("optical",), ("ms",))),
    "a rank of padding": Case(expert_ranks=2, modalities=(("sar_l2", "ms"), ()), parallel=TWICE),
    "a rank of padding, sharded": Case(modalities=((), ("ms",)), config=replace(SMALL, masks_attention=True)),
    "bfloat16": Case(expert_ranks=2, parallel=replace(TWICE, param_dtype=torch.bfloat16), bfloat16=True),
    "four: experts divided and sharded": Case(
        expert_ranks=2, modalities=(("sar_l2", "ms"), ("ms",), (), ("sar_l2", "ms"))
    ),
}


def make_model(config: RingMoEConfig) -> RingMoE:
    model = RingMoE(config, seed=1)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def make_batch(case: Case, places: slice) -> tuple[dict[str, Series], torch.Tensor, torch.Tensor]:
    """Series, membership and labels of some of the places; those of all do not depend on which."""
    generator = torch.Generator().manual_seed(3)
    num = len(case.modalities)
    channels = dict(zip(case.config.modalities, case.config.channels, strict=True))
    everywhere = {name for names in case.modalities for name in names}
    series = {}
    for name in sorted(everywhere, key=case.config.modalities.index):
        shape = (num, 2, channels[name], SIZE, SIZE)
        valid = torch.rand(num, 2, SIZE, SIZE, generator=generator) > 0.2
        for place, names in enumerate(case.modalities):
            valid[place] &= name in names
        pixels, day = torch.randn(shape, generator=generator), torch.rand(num, 2, generator=generator)
        series[name] = Series(
            pixels_BTCHW=pixels[places],
            valid_BTHW=valid[places],
            present_BTC=torch.ones(num, 2, channels[name], dtype=torch.bool)[places],
            day_BT=day[places],
        )
    here = {name for names in case.modalities[places] for name in names}
    membership = torch.ones(num, 3, 2 * len(series), dtype=torch.bool)
    membership[:, 1, 0::2] = False
    membership[:, 2, 1::2] = False
    labels = torch.randint(0, len(case.config.class_codes), (num, SIZE, SIZE), generator=generator)
    if here and here != everywhere:  # left out altogether; a rank of padding keeps its padding
        kept = [name in here for name in series for _ in range(2)]
        series = {name: one for name, one in series.items() if name in here}
        membership = membership[:, :, kept]
    return series, membership[places], labels[places]


def loss_of(model: RingMoE, case: Case, batch: tuple[dict[str, Series], torch.Tensor, torch.Tensor]) -> torch.Tensor:
    series, membership, labels = batch
    with Precision(device=torch.device("cpu"), dtype=torch.bfloat16 if case.bfloat16 else torch.float32).autocast():
        features = model.encode(series)
        if case.config.maps:
            maps = model.decode(model.fuse(features, membership))
            maps = maps.reshape(*membership.shape[:2], *maps.shape[1:])
            cover = functional.cross_entropy(model.segment(maps[:, 0]).float(), labels, reduction="sum")
            change = functional.cross_entropy(
                model.change(maps[:, 1], maps[:, 2]).float(), labels.clamp(max=3), reduction="sum"
            )
            total, count = cover + change, labels.numel()
        else:
            total, count = sum(level.square().sum() for level in features.levels), labels.numel()
    task = sum_over_ranks(total) / sum_over_ranks(torch.tensor(float(count)))
    if features.routing is None:
        return task
    return task + 0.1 * features.routing.balance_loss + 0.01 * features.routing.z_loss


def train(model: RingMoE, case: Case, places: slice, clip) -> dict[str, object]:
    """Losses, gradient norms and the first gradients of two steps."""
    model.train()
    batch = make_batch(case, places)
    if case.adam:  # gradients that are zero but for rounding must not become steps, hence the large eps
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2, eps=1e-3)
    else:
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses, norms, gradients = [], [], {}
    for step in range(2):
        optimiser.zero_grad()
        loss = loss_of(model, case, batch)
        loss.backward()
        if step == 0:
            gradients = {name: whole(value.grad) for name, value in model.named_parameters() if value.grad is not None}
        norms.append(float(clip(model.parameters(), CLIP)))
        optimiser.step()
        losses.append(float(loss.detach()))
    return {"losses": losses, "norms": norms, "gradients": gradients}


def whole(value: torch.Tensor) -> torch.Tensor:
    return value.full_tensor() if hasattr(value, "full_tensor") else value.clone()


def alone(case: Case) -> dict[str, object]:
    """What one process finds."""
    model = make_model(case.config)
    found = train(model, case, slice(0, len(case.modalities)), torch.nn.utils.clip_grad_norm_)
    return found | {"weights": {name: value.clone() for name, value in model.state_dict().items()}}


def together(case: Case, rank: int) -> dict[str, object]:
    """What this process finds."""
    model = parallelise(make_model(case.config), make_mesh("cpu", expert_ranks=case.expert_ranks), case.parallel)
    found = train(model, case, slice(rank, rank + 1), clip_gradients)
    shards = {name: tuple(value.to_local().shape) for name, value in model.named_parameters()}
    return found | {"weights": full_state(model), "shards": shards}


def reload(rank: int) -> dict[str, object]:
    """A model that starts without storage is given another's weights, and gives them back."""
    other = make_model(EVERYTHING)
    model = RingMoE(EVERYTHING, seed=None)
    parallelise(model, make_mesh("cpu", expert_ranks=2), ParallelConfig()).to_empty(device="cpu")
    load_full_state(model, other.state_dict() if rank == 0 else {})
    return {"before": other.state_dict(), "after": full_state(model)}


def refusals(rank: int) -> dict[str, str]:
    """Messages of what cannot be."""
    messages = {}
    mesh = make_mesh("cpu", expert_ranks=2)

    def note(name, call):
        try:
            call()
        except ValueError as error:
            messages[name] = str(error)

    uneven = RingMoE(replace(SMALL, num_specialised=1, num_collaborative=3), seed=None)
    note("uneven", lambda: parallelise(uneven, mesh, ParallelConfig()))
    note("mesh", lambda: parallelise(RingMoE(SMALL, seed=None), mesh["data"], ParallelConfig()))
    note("ranks", lambda: make_mesh("cpu", expert_ranks=3))
    model = parallelise(RingMoE(SMALL, seed=0), mesh, ParallelConfig())
    state = RingMoE(replace(SMALL, depths=(1, 1), dim=32), seed=0).state_dict() if rank == 0 else {}
    note("state", lambda: load_full_state(model, state | {"surplus": torch.zeros(1)}))
    plain = torch.nn.Linear(2, 2)
    plain(torch.ones(2)).sum().backward()
    note("clip", lambda: clip_gradients(plain.parameters(), 1.0))
    return messages


def main() -> None:
    rank, world, folder, seconds = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
    faulthandler.dump_traceback_later(seconds, exit=True)
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    found: dict[str, object] = {}
    cases = {name: case for name, case in CASES.items() if len(case.modalities) == world}
    for name, case in list(cases.items())[rank::world]:  # before there is a group: sums over ranks stay off
        found[f"alone: {name}"] = alone(case)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
    jobs = {name: lambda case=case: together(case, rank) for name, case in cases.items()}
    if world == 2:
        jobs |= {"reload": lambda: reload(rank), "refusals": lambda: refusals(rank)}
    for name, job in jobs.items():
        (folder / f"{rank}.at").write_text(name)
        try:
            found[name] = job()
        except Exception:  # noqa: BLE001 the test shows it
            found[name] = traceback.format_exc()
            break  # the other rank may wait for this one: no more together
    torch.save(found, folder / f"{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # gloo's threads may outlive the group and abort a process that is ending by itself


if __name__ == "__main__":
    main()
