"""A parallelised model's weights, whole: out of it for saving, into it from a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, distributed
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, set_model_state_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core.model import RingMoE

_NAMED = 5
"""Tensors that an error names of each kind."""


def full_state(model: RingMoE) -> dict[str, Tensor]:
    """Returns the whole state on the CPU in the first process, nothing in the others; all call it together.

    Without a process group, the model's own state.

    Names, shapes and types are those of the model in one process, so
    `RingMoE(config, seed=None).load_state_dict(full_state(model), assign=True)` is that model.
    """
    if not distributed.is_initialized():
        return {name: value.detach().cpu() for name, value in model.state_dict().items()}
    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def load_full_state(model: RingMoE, state: Mapping[str, Tensor]) -> None:
    """Gives a parallelised model the values of a whole state; all call it together.

    One tensor after the other is sent to all processes, each of which keeps its shard.

    Args:
        model: with storage; one that was parallelised on the meta device gets it by `model.to_empty(device=...)`.
        state: all of the model's tensors in the first process; anything in the others.

    Raises:
        ValueError: names or shapes are not the model's; in all processes.
    """
    fault = [_misfit(model, state) if distributed.get_rank() == 0 else None]
    distributed.broadcast_object_list(fault)
    if fault[0] is not None:
        raise ValueError(fault[0])
    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
    set_model_state_dict(model, dict(state) if distributed.get_rank() == 0 else {}, options=options)


def _misfit(model: RingMoE, state: Mapping[str, Tensor]) -> str | None:
    """What is wrong with a state, as an error says it."""
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in state.items()}
    if wanted == given:
        return None
    faults = {
        "missing": sorted(set(wanted) - set(given)),
        "left over": sorted(set(given) - set(wanted)),
        "of another shape": [name for name in wanted if given.get(name, wanted[name]) != wanted[name]],
    }
    told = [f"{len(names)} {fault} ({', '.join(names[:_NAMED])})" for fault, names in faults.items() if names]
    return f"a state must hold the model's own tensors, got {'; '.join(told)}; load one of this configuration"
