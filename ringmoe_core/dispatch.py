"""Which rows go to which expert, and back again, without dropping any.

Legend: T tokens, D channels, K experts that each takes, P slots: rows sorted by expert, padding included, X experts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx

SMALL_STEP = 16
"""Rows by which the padded sizes of small experts grow, where the products are small too."""

STEPS = 32
"""Padded sizes up to a power of two, where that leaves steps above SMALL_STEP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchPlan:
    """Where every (token, choice) goes: slots of one expert lie side by side, in the tokens' order."""

    token_P: Tensor
    """Token of each slot; padding slots repeat token 0."""

    slot_TK: Tensor
    """Slot of each token's choices; all differ, padding slots are nobody's."""

    counts: tuple[int, ...]
    """Slots of each expert, padding included, 0 allowed."""


def plan_dispatch(expert_TK: Tensor, num_experts: int, *, largest_step: int = 1) -> DispatchPlan:
    """The plan for tokens that chose `expert_TK`, each in [0, num_experts).

    Args:
        expert_TK: experts of every token, (T, K).
        num_experts: X.
        largest_step: bound of the steps in which each expert's slots grow (see `padded_count`); 1 pads nothing.
    """
    K = expert_TK.shape[1]
    expert_A = expert_TK.flatten()
    rows = torch.bincount(expert_A, minlength=num_experts).tolist()
    counts = tuple(padded_count(count, largest_step) for count in rows)
    order_A = _stable_order(expert_A, num_experts)
    position_A = torch.arange(expert_A.shape[0], device=expert_A.device)
    if counts != tuple(rows):
        shift = np.cumsum([0, *(padded - count for padded, count in zip(counts, rows, strict=True))])[:-1]
        position_A = position_A + torch.from_numpy(np.repeat(shift, rows)).to(expert_A.device)
    slot_A = torch.empty_like(position_A)
    slot_A[order_A] = position_A
    token_P = position_A.new_zeros(sum(counts))
    token_P[position_A] = order_A if K == 1 else order_A.div(K, rounding_mode="floor")
    return DispatchPlan(token_P=token_P, slot_TK=slot_A.view(-1, K), counts=counts)


def padded_count(count: int, largest_step: int) -> int:
    """Rows rounded up to a multiple of a step: 16, or with more than 512 rows 1/32 to 1/16 of them, or `largest_step`.

    So few sizes occur, and padding is 2 % on average for large experts.
    """
    step = min(largest_step, max(SMALL_STEP, (1 << max(count - 1, 0).bit_length()) // STEPS))
    return -(-count // step) * step


def _stable_order(expert_A: Tensor, num_experts: int) -> Tensor:
    if expert_A.device.type == "cpu" and num_experts <= np.iinfo(np.int16).max:
        # numpy sorts 16-bit integers by radix, ten times quicker than torch sorts any
        return torch.from_numpy(expert_A.to(torch.int16).numpy().argsort(kind="stable"))
    return torch.argsort(expert_A, stable=True)


def gather_rows(tokens_TD: Tensor, plan: DispatchPlan) -> Tensor:
    """The token of every slot, (P, D). Padding slots hold token 0, and whatever their gradient is, it is dropped."""
    rows_PD: Tensor = _Gather.apply(tokens_TD, plan.token_P, plan.slot_TK)  # type: ignore[no-untyped-call]
    return rows_PD


def combine_rows(onto_TD: Tensor, rows_PD: Tensor, gate_TK: Tensor, plan: DispatchPlan) -> Tensor:
    """`onto_TD` plus each token's K rows times their gates; padding slots are left out and get gradient zero.

    Args:
        onto_TD: what the rows are added to, of their dtype.
        rows_PD: one row a slot.
        gate_TK: weights; brought to the rows' dtype.
        plan: where the rows are.
    """
    mixed_TD: Tensor = _Combine.apply(onto_TD, rows_PD, gate_TK.to(rows_PD.dtype), plan.token_P, plan.slot_TK)  # type: ignore[no-untyped-call]
    return mixed_TD


class _Gather(torch.autograd.Function):
    """A gather whose gradient is a gather too; autograd itself would scatter."""

    @staticmethod
    def forward(ctx: FunctionCtx, tokens_TD: Tensor, token_P: Tensor, slot_TK: Tensor) -> Tensor:
        ctx.save_for_backward(slot_TK)
        return tokens_TD.index_select(0, token_P)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient_PD: Tensor) -> tuple[Tensor, None, None]:
        (slot_TK,) = ctx.saved_tensors  # type: ignore[attr-defined]
        gradient_TD = gradient_PD.index_select(0, slot_TK[:, 0])
        for slot_T in slot_TK.unbind(1)[1:]:
            gradient_TD += gradient_PD.index_select(0, slot_T)
        return gradient_TD, None, None


class _Combine(torch.autograd.Function):
    """A weighted sum over the choices; the gradient of a row is a gather."""

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd passes arguments by position
        ctx: FunctionCtx, onto_TD: Tensor, rows_PD: Tensor, gate_TK: Tensor, token_P: Tensor, slot_TK: Tensor
    ) -> Tensor:
        ctx.save_for_backward(rows_PD, gate_TK, token_P, slot_TK)
        mixed_TD = onto_TD
        for slot_T, gate_T in zip(slot_TK.unbind(1), gate_TK.unbind(1), strict=True):
            mixed_TD = torch.addcmul(mixed_TD, rows_PD.index_select(0, slot_T), gate_T[:, None])
        return mixed_TD

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient_TD: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        rows_PD, gate_TK, token_P, slot_TK = ctx.saved_tensors  # type: ignore[attr-defined]
        gradient_PD = gradient_TD.index_select(0, token_P)
        gate_P = gate_TK.new_zeros(token_P.shape).index_copy_(0, slot_TK.flatten(), gate_TK.flatten())
        gate_gradient_TK = (gradient_PD * rows_PD).sum(1)[slot_TK]
        return gradient_TD, gradient_PD.mul_(gate_P[:, None]), gate_gradient_TK, None, None
