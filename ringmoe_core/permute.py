"""Rows in another order, with a gradient that is a gather too.

Legend: T rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor
    from torch.autograd.function import FunctionCtx


class _Permute(torch.autograd.Function):
    """A gather whose gradient is the inverse gather; autograd itself would scatter."""

    @staticmethod
    def forward(ctx: FunctionCtx, rows_T: Tensor, forth_T: Tensor, back_T: Tensor) -> Tensor:
        ctx.save_for_backward(back_T)
        return rows_T.index_select(0, forth_T)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (back_T,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradients[0].index_select(0, back_T), None, None


def permute_rows(rows_T: Tensor, forth_T: Tensor, back_T: Tensor) -> Tensor:
    """`rows_T[forth_T]`, where `forth_T` is a permutation of the first axis and `back_T` its inverse."""
    permuted_T: Tensor = _Permute.apply(rows_T, forth_T, back_T)  # type: ignore[no-untyped-call]
    return permuted_T


def inverse_permutation(order_T: Tensor) -> Tensor:
    """Position of each old row in the new order."""
    inverse_T = torch.empty_like(order_T)
    inverse_T[order_T] = torch.arange(order_T.shape[0], device=order_T.device)
    return inverse_T
