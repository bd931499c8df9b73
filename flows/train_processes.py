"""On what a run computes: one process on a CPU or a GPU, or the processes that torchrun starts; the same command."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flows.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from lightning_fabric import Fabric
    from torch import Tensor, nn

    from flows.train_config import TrainingConfig
    from ringmoe_core import RingMoE


@contextmanager
def joined(config: TrainingConfig) -> Iterator[Fabric]:
    """Yields Lightning Fabric on the run's device, in torchrun's process group where there is one.

    NCCL on GPUs, gloo on CPUs; `config.threads` threads, as many as before afterwards. At the end all processes meet
    before the group is destroyed: one that left early would take the others' connections with it.

    Raises:
        ConfigError: The device is not there, or the processes cannot divide the experts.
    """
    import torch
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
    from torch import distributed

    world = int(os.environ.get("WORLD_SIZE", "1"))
    device = _device(config)
    if world % config.expert_ranks:
        raise ConfigError(
            f"expert_ranks: must divide the {world} processes, got {config.expert_ranks}; use a divisor, and torchrun"
        )
    strategy: Any = "auto"
    if world > 1:
        backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
        strategy = ModelParallelStrategy(
            _own, data_parallel_size=world, tensor_parallel_size=1, process_group_backend=backend
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator=device, devices=local if world > 1 else 1, num_nodes=world // local if world > 1 else 1,
        strategy=strategy, precision="bf16-mixed" if _is_bfloat16(config, device) else "32-true",
    )  # fmt: skip
    fabric.launch()
    try:
        yield fabric
        if world > 1:
            distributed.barrier()
    finally:
        torch.set_num_threads(threads)
        if distributed.is_initialized():
            distributed.destroy_process_group()


def spread(module: nn.Module, backbone: RingMoE, config: TrainingConfig, fabric: Fabric) -> nn.Module:
    """Puts a module on the run's device, its parameters sharded where there are several processes; in place.

    Args:
        module: A backbone with what is trained beside it, the same values in all processes.
        backbone: In it.
        config: Of the run.
        fabric: Of `joined`.
    """
    module.to(fabric.device)
    if fabric.world_size == 1:
        return module
    import torch
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    from ringmoe_core.parallel import ParallelConfig, make_mesh, parallelise
    from ringmoe_core.parallel.mesh import flat_mesh

    mesh = make_mesh(fabric.device, expert_ranks=config.expert_ranks)
    narrow = torch.bfloat16 if _is_bfloat16(config, fabric.device.type) else None
    parallelise(backbone, mesh, ParallelConfig(param_dtype=narrow, checkpoints_activations=config.recompute))
    _lengthen_scalars(module)
    policy = MixedPrecisionPolicy(param_dtype=narrow, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for part in _parts(module):
        fully_shard(part, mesh=flat_mesh(mesh), mp_policy=policy)
    return module


def whole_state(module: nn.Module) -> dict[str, Tensor]:
    """Returns a module's state on the CPU, in the first process; nothing in the others. All call it together."""
    from ringmoe_core.parallel import full_state

    return {name: value.clone() for name, value in full_state(module).items()}  # type: ignore[arg-type] # any module


def _lengthen_scalars(module: nn.Module) -> None:
    """Parameters without an axis are kept with one of length 1, along which FSDP shards, and read without it."""
    from torch.nn.utils import parametrize

    for part in list(module.modules()):
        for name, value in list(part.named_parameters(recurse=False)):
            if not value.ndim:
                parametrize.register_parametrization(part, name, _scalar())


def _scalar() -> nn.Module:
    from torch import nn as layers

    class Scalar(layers.Module):
        """From one number in a row to the number."""

        def forward(self, row: Tensor) -> Tensor:
            return row.squeeze(0)

        def right_inverse(self, number: Tensor) -> Tensor:
            return number.unsqueeze(0)

    return Scalar()


def _parts(module: nn.Module) -> list[nn.Module]:
    """What is called as a whole: each head of a task model, otherwise the module itself."""
    heads = getattr(module, "heads", None)
    return list(heads.values()) if heads is not None else [module]


def _own(module: nn.Module, _mesh: object) -> nn.Module:
    """Fabric asks for a function that spreads a module; ours is `spread`, which takes the run's configuration."""
    return module


def _device(config: TrainingConfig) -> str:
    import torch

    available = torch.cuda.is_available()
    if config.device == "cuda" and not available:
        raise ConfigError("device: cuda was asked for and no CUDA device is there; use auto or cpu")
    return "cuda" if available and config.device != "cpu" else "cpu"


def _is_bfloat16(config: TrainingConfig, device: str | torch.device) -> bool:
    import torch

    from ringmoe_core.precision import choose_precision

    if config.precision == "auto":
        return choose_precision(device).dtype == torch.bfloat16
    return config.precision == "bf16"
