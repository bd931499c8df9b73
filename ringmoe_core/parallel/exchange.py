"""Rows that travel to the process that holds their expert, and back.

Legend: T rows, D channels, R processes that divide a bank, X experts of the bank, E = X / R experts of one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed

from ringmoe_core.experts import apply_experts
from ringmoe_core.permute import inverse_permutation, permute_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.autograd.function import FunctionCtx


def apply_remote_experts(
    rows_TD: Tensor, counts: Sequence[int], parameters: Sequence[Tensor], group: distributed.ProcessGroup
) -> Tensor:
    """Each row's output of its expert, wherever that is; as `ringmoe_core.experts.apply_experts` on the whole bank.

    All processes of the group call it together, with any number of rows, none included. Its gradient at a parameter is
    the sum over the rows of all of them.

    Args:
        rows_TD: rows sorted by expert.
        counts: rows of each of the bank's X experts, in order.
        parameters: the four stacks of the E experts that this process holds.
        group: processes that divide the bank, in the order of its experts.
    """
    count_RE = torch.tensor(counts, device=rows_TD.device).view(group.size(), -1)
    arriving_RE = torch.empty_like(count_RE)
    distributed.all_to_all_single(arriving_RE, count_RE, group=group)
    sent, received = count_RE.sum(1).tolist(), arriving_RE.sum(1).tolist()
    arrived_TD = exchange_rows(rows_TD, sent, received, group)
    # they come sorted by process, then expert; experts want theirs side by side
    R, E = arriving_RE.shape
    expert_A = torch.arange(E, device=rows_TD.device).repeat(R)
    order_T = torch.argsort(torch.repeat_interleave(expert_A, arriving_RE.flatten()), stable=True)
    back_T = inverse_permutation(order_T)
    sorted_TD = permute_rows(arrived_TD, order_T, back_T)
    result_TD = permute_rows(apply_experts(sorted_TD, arriving_RE.sum(0).tolist(), *parameters), back_T, order_T)
    return exchange_rows(result_TD, received, sent, group)


def exchange_rows(
    rows_TD: Tensor, sent: Sequence[int], received: Sequence[int], group: distributed.ProcessGroup
) -> Tensor:
    """Rows from all processes of a group, in its order.

    Args:
        rows_TD: rows for each process, side by side in the group's order.
        sent: how many go to each.
        received: how many come from each.
        group: all of them call it together.
    """
    exchanged_TD: Tensor = _Exchange.apply(rows_TD, list(sent), list(received), group)  # type: ignore[no-untyped-call]
    return exchanged_TD


def divide_gradient(value: Tensor, divisor: int) -> Tensor:
    """`value`, whose gradient arrives divided."""
    divided: Tensor = _DivideGradient.apply(value, divisor)  # type: ignore[no-untyped-call]
    return divided


class _DivideGradient(torch.autograd.Function):
    """The identity forwards."""

    @staticmethod
    def forward(ctx: FunctionCtx, value: Tensor, divisor: int) -> Tensor:
        ctx.divisor = divisor  # type: ignore[attr-defined]
        return value.view_as(value)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] / ctx.divisor, None  # type: ignore[attr-defined]


class _Exchange(torch.autograd.Function):
    """An all-to-all whose gradient is the all-to-all back."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, rows_TD: Tensor, sent: list[int], received: list[int], group: distributed.ProcessGroup
    ) -> Tensor:
        ctx.route = sent, received, group  # type: ignore[attr-defined]
        return _all_to_all(rows_TD, sent, received, group)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        sent, received, group = ctx.route  # type: ignore[attr-defined]
        return _all_to_all(gradients[0], received, sent, group), None, None, None


def _all_to_all(rows_TD: Tensor, sent: list[int], received: list[int], group: distributed.ProcessGroup) -> Tensor:
    arrived_TD = rows_TD.new_empty((sum(received), *rows_TD.shape[1:]))
    distributed.all_to_all_single(arrived_TD, rows_TD.contiguous(), received, sent, group=group)
    return arrived_TD
