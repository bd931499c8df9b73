"""Spreads a model over a mesh of processes, in place.

Legend: T tokens, D channels, F hidden channels, K experts taken, P slots (rows sorted by expert), X experts of a bank.
"""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from torch import nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard
from torch.utils.checkpoint import checkpoint

from ringmoe_core.dispatch import combine_rows, gather_rows
from ringmoe_core.experts import ExpertBank
from ringmoe_core.parallel.exchange import apply_remote_experts, divide_gradient
from ringmoe_core.parallel.mesh import DATA, EXPERT, check_mesh, flat_mesh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor
    from torch.distributed.device_mesh import DeviceMesh

    from ringmoe_core.block import Block
    from ringmoe_core.dispatch import DispatchPlan
    from ringmoe_core.model import RingMoE
    from ringmoe_core.parallel.config import ParallelConfig

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def parallelise(model: RingMoE, mesh: DeviceMesh, config: ParallelConfig) -> RingMoE:
    """Shards a model's parameters over a mesh, in place, and returns it.

    The experts of each bank are divided over the mesh's `expert` axis; rows travel to the process that holds their
    expert and back. What a process then holds of a bank is sharded over the `data` axis, everything else over all
    processes (FSDP2): a block's parameters are gathered when it runs and freed afterwards. Every process feeds images
    of its own; gradients arrive averaged over all of them. Every layer and bank runs in every process, with zero rows
    where it has none, so processes may hold different modalities or no image at all.

    The parameters become DTensors of the same names and shapes; any optimiser of torch takes them. What the model's
    methods return must not be written in place: gradients are followed from there.

    Args:
        model: with equal values in all processes, on the mesh's device; or on the meta device, to be given storage with
            `to_empty` and values with `load_full_state`.
        mesh: of `make_mesh`.
        config: what is traded for memory.

    Raises:
        ValueError: the mesh has other axes, or a bank's experts cannot be divided evenly.
    """
    check_mesh(mesh)
    everyone = flat_mesh(mesh)
    policy = MixedPrecisionPolicy(
        param_dtype=config.param_dtype, reduce_dtype=config.reduce_dtype, cast_forward_inputs=False
    )
    shard = functools.partial(
        fully_shard,
        mesh=everyone,
        mp_policy=policy,
        reshard_after_forward=config.reshards_after_forward,
        shard_placement_fn=functools.partial(_placement, num_shards=everyone.size()),
    )
    model.encoder.runs_every_modality = True
    for block in _blocks(model):
        if mesh[EXPERT].size() > 1:
            _divide_banks(block, mesh, policy, reshards=config.reshards_after_forward)
        if config.param_dtype is not None:  # routing stays exact
            shard(block.mixture.router, mp_policy=MixedPrecisionPolicy(reduce_dtype=config.reduce_dtype))
        if config.checkpoints_activations:
            _compute_twice(block)
        shard(block)
    for root in _roots(model):
        shard(root, reshard_after_forward=None)  # as torch has it: gathered once from forward to backward
    for name in ("encode", "fuse", "decode", "segment", "change"):
        setattr(model, name, _without_view_warning(getattr(model, name)))
    return model


def _blocks(model: RingMoE) -> Iterator[Block]:
    for stage in model.encoder.stages:
        yield from stage  # type: ignore[misc]


def _roots(model: RingMoE) -> Iterator[nn.Module]:
    """Modules that a model's methods call one by one, each sharded with what no module in it has sharded yet."""
    yield model.encoder
    if model.config.maps:
        yield from model.fusion.levels
        yield from (model.decoder, model.segmentation_head, model.change_head)


def _placement(parameter: nn.Parameter, *, num_shards: int) -> Shard:
    """The axis that is cut: the first, or the second where the first is too short and the second divides evenly."""
    shape = (parameter.to_local() if isinstance(parameter, DTensor) else parameter).shape
    if shape[0] < num_shards and len(shape) > 1 and shape[1] % num_shards == 0:
        return Shard(1)
    return Shard(0)


def _divide_banks(block: Block, mesh: DeviceMesh, policy: MixedPrecisionPolicy, *, reshards: bool) -> None:
    """Leaves each process its part of the experts, and has rows travel to them."""
    experts, data = mesh[EXPERT], mesh[DATA]
    for bank in block.mixture.children():
        if not isinstance(bank, ExpertBank):
            continue
        if bank.num_experts % experts.size():
            raise ValueError(
                f"the experts of a bank must divide evenly over the {experts.size()} processes of the mesh's "
                f"{EXPERT!r} axis, got {bank.num_experts}; use fewer expert_ranks"
            )
        for name, parameter in list(bank.named_parameters(recurse=False)):
            mine = parameter.detach().chunk(experts.size())[experts.get_local_rank()].clone()
            divided = DTensor.from_local(mine, experts, [Shard(0)], run_check=False)
            setattr(bank, name, nn.Parameter(divided, requires_grad=parameter.requires_grad))
        bank.forward = _remote(bank, experts)  # type: ignore[method-assign, assignment]
        fully_shard(
            bank,
            mesh=data,
            mp_policy=policy,
            reshard_after_forward=reshards,
            shard_placement_fn=functools.partial(_placement, num_shards=data.size()),
        )


def _remote(bank: ExpertBank, experts: DeviceMesh) -> Callable[[Tensor, Tensor, Tensor, DispatchPlan], Tensor]:
    """What takes the place of the bank's own forward."""
    group = experts.get_group()

    def forward(onto_TD: Tensor, tokens_TD: Tensor, gate_TK: Tensor, plan: DispatchPlan) -> Tensor:
        parameters = (bank.expand_weight_XFD, bank.expand_bias_XF, bank.reduce_weight_XDF, bank.reduce_bias_XD)
        # rows of all processes of the group are in a gradient, and FSDP takes the mean over the data axis alone
        mine = [divide_gradient(value.to_local(), group.size()) for value in parameters]  # type: ignore[attr-defined]
        rows_PD = apply_remote_experts(gather_rows(tokens_TD, plan), plan.counts, mine, group)
        return combine_rows(onto_TD, rows_PD, gate_TK, plan)

    return forward


def _compute_twice(block: Block) -> None:
    # without early stop, or a process whose last rows need no tensor might skip a collective that the others wait in
    block.forward = functools.partial(  # type: ignore[method-assign]
        checkpoint,
        _without_view_warning(block.forward),
        use_reentrant=False,
        preserve_rng_state=False,
        early_stop=False,
    )


def _without_view_warning(method: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """FSDP warns of outputs that are views, which must not be written in place; the model never does."""

    @functools.wraps(method)
    def quiet(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="FSDP2-wrapped module", category=UserWarning)
            return method(*args, **kwargs)

    return quiet
