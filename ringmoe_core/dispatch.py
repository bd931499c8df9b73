"""Which rows go to which expert, and back again, without dropping any.

Legend: T rows, D channels, X experts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ringmoe_core.permute import inverse_permutation, permute_rows

if TYPE_CHECKING:
    from torch import Tensor


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
    counts = torch.bincount(expert_T, minlength=num_experts).tolist()
    return DispatchPlan(order_T=order_T, inverse_T=inverse_permutation(order_T), counts=tuple(counts))


def sort_rows(rows_TD: Tensor, plan: DispatchPlan) -> Tensor:
    """Rows in the experts' order."""
    return permute_rows(rows_TD, plan.order_T, plan.inverse_T)


def restore_rows(rows_TD: Tensor, plan: DispatchPlan) -> Tensor:
    """Rows back in their old order."""
    return permute_rows(rows_TD, plan.inverse_T, plan.order_T)
