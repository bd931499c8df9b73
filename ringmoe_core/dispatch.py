"""Which rows go to which expert, and back again, without dropping any.

Legend: T rows, D channels, X experts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchPlan:
    """A permutation that puts each expert's rows side by side, in their old order."""

    order_T: Tensor
    """Old row of each sorted row."""

    inverse_T: Tensor
    """Sorted row of each old row."""

    counts: tuple[int, ...]
    """Rows of each expert, 0 allowed."""


def plan_dispatch(expert_T: Tensor, num_experts: int) -> DispatchPlan:
    """The plan for rows that chose `expert_T`, each in [0, num_experts)."""
    order_T = torch.argsort(expert_T, stable=True)
    inverse_T = torch.empty_like(order_T)
    inverse_T[order_T] = torch.arange(order_T.shape[0], device=order_T.device)
    counts = torch.bincount(expert_T, minlength=num_experts).tolist()
    return DispatchPlan(order_T=order_T, inverse_T=inverse_T, counts=tuple(counts))


class _Permute(torch.autograd.Function):
    """Rows in another order; its gradient is the inverse gather, not a scatter."""

    @staticmethod
    def forward(ctx: FunctionCtx, rows_TD: Tensor, forth_T: Tensor, back_T: Tensor) -> Tensor:
        ctx.save_for_backward(back_T)
        return rows_TD.index_select(0, forth_T)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (back_T,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradients[0].index_select(0, back_T), None, None


def sort_rows(rows_TD: Tensor, plan: DispatchPlan) -> Tensor:
    """Rows in the experts' order."""
    sorted_TD: Tensor = _Permute.apply(rows_TD, plan.order_T, plan.inverse_T)  # type: ignore[no-untyped-call]
    return sorted_TD


def restore_rows(rows_TD: Tensor, plan: DispatchPlan) -> Tensor:
    """Rows back in their old order."""
    restored_TD: Tensor = _Permute.apply(rows_TD, plan.inverse_T, plan.order_T)  # type: ignore[no-untyped-call]
    return restored_TD
