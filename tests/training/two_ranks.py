"""A run of `fit_ranks` in each process that torchrun starts: `two_ranks.py FILE` writes losses and weights there."""

from __future__ import annotations

import os
import sys
import warnings

import torch
from labelled_scene import scene

from pipelines.training import FitConfig, Phase
from pipelines.training.chips import ChipConfig
from pipelines.training.fit_ranks import fit_ranks
from ringmoe_core import RingMoE, RingMoEConfig
from ringmoe_core.parallel import ParallelConfig, full_state, make_mesh, parallelise
from ringmoe_core.precision import Precision

SHAPE = RingMoEConfig(
    dim=16, head_dim=8, depths=(1, 1), fusion_dim=8, fusion_heads=2, skip_dim=4, skip_fused_dim=4, map_dim=8,
    modalities=("sar_l2", "ms"), channels=(2, 10), balancing="bias",
)  # fmt: skip
CONFIG = FitConfig(
    steps=4,
    phases=(Phase(size=16, batch=4, share=0.5), Phase(size=32, batch=2, share=0.5)),
    chips=ChipConfig(num_epochs=4, one_modality=1.0),
    warmup_steps=1,
    clip_norm=0.3,
    average=0.5,
)
FLOAT32 = Precision(device=torch.device("cpu"), dtype=torch.float32)


def main() -> None:
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    model = parallelise(RingMoE(SHAPE, seed=2), make_mesh("cpu", expert_ranks=2), ParallelConfig())
    losses: list[tuple[float, ...]] = []
    fit_ranks(
        model, [scene(0)], CONFIG, precision=FLOAT32,
        on_step=lambda step: losses.append((step.losses.land_cover, step.losses.change, step.losses.accuracy)),
    )  # fmt: skip
    state = full_state(model)
    if torch.distributed.get_rank() == 0:
        torch.save({"losses": losses, "state": state}, sys.argv[1])
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # gloo's threads may outlive the group and abort a process that is ending by itself


if __name__ == "__main__":
    main()
