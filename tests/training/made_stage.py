"""A small model with a small stage, for the tests of the loop."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch

from pipelines.training.loop import ChipPhase, MultiTask, OptimiserConfig, Schedule, StageConfig, TaskSpec
from pipelines.training.places import DrawConfig, HoldOut, PlaceSampler, SamplerConfig
from ringmoe_core import RingMoE, RingMoEConfig
from ringmoe_core.task_model import TaskModel

CPU = torch.device("cpu")
SHAPE = RingMoEConfig(
    dim=16, head_dim=8, depths=(1, 1), fusion_dim=8, fusion_heads=2, skip_dim=4, skip_fused_dim=4, map_dim=8,
    balancing="bias",
)  # fmt: skip
OWN = (
    TaskSpec(name="land_cover", kind="series", target="land_cover"),
    TaskSpec(name="change", kind="series", target="change"),
)


@dataclass(frozen=True)
class PlainFabric:
    """One process on the CPU in float32."""

    device: torch.device = CPU
    global_rank: int = 0
    world_size: int = 1

    def autocast(self):
        return contextlib.nullcontext()

    def backward(self, tensor):
        tensor.backward()


def learner(store, tasks=OWN, heads=(), *, seed=2, batch=None):
    torch.manual_seed(0)
    model = TaskModel(RingMoE(SHAPE, seed=seed), dict(heads))

    def draw(size, count, draw_seed):
        config = SamplerConfig(purpose="tasks", size=size, batch=count, draw=DrawConfig(num_dates=4))
        return PlaceSampler(store, config, seed=draw_seed, hold_out=HoldOut(validation=0, test=0))

    return MultiTask(model, tasks, draw)


def stage(**changes):
    given = {
        "name": "small",
        "steps": 12,
        "phases": (ChipPhase(size=16, batch=4, share=0.5), ChipPhase(size=32, batch=2, share=0.5)),
        "schedule": Schedule(peak=2e-3, warmup_steps=2),
        "optimiser": OptimiserConfig(layer_decay=0.8),
        "average": 0.9,
    }
    return StageConfig(**given | changes)
