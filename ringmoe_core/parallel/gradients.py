"""What a training step needs of values that are spread over processes: their sum, their norm, their shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed
from torch.distributed.tensor import DTensor, Replicate
from torch.nn.utils import get_total_norm

if TYPE_CHECKING:
    from collections.abc import Iterable

NORM_FLOOR = 1e-6
"""Added to a norm before a division by it, as `torch.nn.utils.clip_grad_norm_` does."""


def local_tensor(tensor: Tensor) -> Tensor:
    """Returns this process's shard of a tensor, sharing its memory, without gradient; a whole tensor as it is."""
    tensor = tensor.detach()
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def sum_over_ranks(value: Tensor) -> Tensor:
    """Returns the sum over all processes, on every one; the value itself where there is one process.

    The gradient is that of a loss which all processes compute alike from such sums, if gradients are averaged over
    processes afterwards (as FSDP does): each passes on its own part, times their number. So the backward pass sends
    nothing.
    """
    if not _runs_with_others():
        return value
    total = value.detach().clone()
    distributed.all_reduce(total)
    return total + distributed.get_world_size() * (value - value.detach())


def clip_gradients(parameters: Iterable[Tensor], max_norm: float) -> Tensor:
    """Scales gradients in place to a total norm of at most `max_norm`, and returns the norm that they had.

    As `torch.nn.utils.clip_grad_norm_`, for parameters that are sharded over all processes, experts and others on
    different axes of the mesh, or for whole ones in a single process.

    Raises:
        ValueError: a gradient is whole while there are several processes: it would be counted by each.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if _runs_with_others():
        whole = sum(not isinstance(value, DTensor) or Replicate() in value.placements for value in gradients)
        if whole:
            raise ValueError(
                f"gradients must be sharded over all {distributed.get_world_size()} processes, got {whole} that are "
                "whole; parallelise the model first"
            )
    shards = [local_tensor(value) for value in gradients]
    if not shards:
        return torch.zeros(())
    own = get_total_norm([value if value.dtype == torch.float32 else value.float() for value in shards])
    norm = sum_over_ranks(own.square()).sqrt()
    torch._foreach_mul_(shards, (max_norm / (norm + NORM_FLOOR)).clamp(max=1.0))
    return norm


def _runs_with_others() -> bool:
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
