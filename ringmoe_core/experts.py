"""A bank of feed-forward experts, stored as stacked tensors.

Legend: T tokens, K experts that each takes, P rows sorted by expert, D channels, F hidden channels, X experts.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ringmoe_core.dispatch import combine_rows, gather_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.autograd.function import FunctionCtx

    from ringmoe_core.dispatch import DispatchPlan

PADDING_COST = 6_000_000
"""Multiplications of padding that a product may be given: a few per cent of what the making of its kernel takes.

oneDNN keeps the last 1024 kernels, so a kernel is not made every time: measured, more padding gains nothing.
"""


class ExpertBank(nn.Module):
    """X networks (linear, GELU, linear) of equal size; each row passes the one chosen for it."""

    def __init__(self, num_experts: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.num_experts = num_experts
        self.expand_weight_XFD = nn.Parameter(torch.empty(num_experts, hidden, dim))
        self.expand_bias_XF = nn.Parameter(torch.empty(num_experts, hidden))
        self.reduce_weight_XDF = nn.Parameter(torch.empty(num_experts, dim, hidden))
        self.reduce_bias_XD = nn.Parameter(torch.empty(num_experts, dim))

    def forward(self, onto_TD: Tensor, tokens_TD: Tensor, gate_TK: Tensor, plan: DispatchPlan) -> Tensor:
        """`onto_TD` plus each token's experts' outputs times their gates."""
        rows_PD = apply_experts(
            gather_rows(tokens_TD, plan),
            plan.counts,
            self.expand_weight_XFD,
            self.expand_bias_XF,
            self.reduce_weight_XDF,
            self.reduce_bias_XD,
        )
        return combine_rows(onto_TD, rows_PD, gate_TK, plan)


def apply_experts(  # noqa: PLR0917 - the tensors of a bank have one order
    rows_TD: Tensor,
    counts: Sequence[int],
    expand_weight_XFD: Tensor,
    expand_bias_XF: Tensor,
    reduce_weight_XDF: Tensor,
    reduce_bias_XD: Tensor,
) -> Tensor:
    """Each row's output of its expert.

    Experts without rows, and no rows at all, are legal: every parameter gets a gradient, zero where no row was.

    Args:
        rows_TD: rows sorted by expert.
        counts: rows of each expert, in order; their sum is T.
        expand_weight_XFD: first layers; the others accordingly.
        expand_bias_XF: their biases.
        reduce_weight_XDF: second layers.
        reduce_bias_XD: their biases.

    Returns:
        (T, D), in autocast's dtype where that is on, otherwise in the rows'.
    """
    dtype = product_dtype(rows_TD)
    parameters = (expand_weight_XFD, expand_bias_XF, reduce_weight_XDF, reduce_bias_XD)
    with torch.autocast(rows_TD.device.type, enabled=False):
        if multiplies_grouped(rows_TD.to(dtype), expand_weight_XFD):
            return grouped_experts(rows_TD.to(dtype), counts, *(value.to(dtype) for value in parameters))
        if not torch.is_grad_enabled():
            return _multiply_slices(rows_TD.to(dtype), counts, parameters)
        result_TD: Tensor = _SlicedExperts.apply(rows_TD.to(dtype), tuple(counts), *parameters)  # type: ignore[no-untyped-call]
        return result_TD


def product_dtype(tokens: Tensor) -> torch.dtype:
    """The dtype in which a layer multiplies `tokens`: autocast's where it is on, otherwise theirs."""
    device = tokens.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tokens.dtype


def row_step(device: torch.device, dtype: torch.dtype, weight_size: int) -> int:
    """The largest number of rows (a power of two) that is worth padding to save the making of a kernel.

    oneDNN makes a kernel for every new shape, which takes about a millisecond, and routing changes the numbers of rows
    with every batch; rounded up, the same few kernels serve. It multiplies on a CPU whatever is in half precision, and
    float32 where it is told to. Elsewhere 1: nothing to save.

    Args:
        device: where the rows are.
        dtype: of the products.
        weight_size: elements of one weight matrix.
    """
    switched = torch.backends.mkldnn.matmul.fp32_precision in {"bf16", "tf32"}  # type: ignore[attr-defined]
    if device.type != "cpu" or dtype == torch.float64 or (dtype == torch.float32 and not switched):
        return 1
    return 1 << max(0, (PADDING_COST // weight_size).bit_length() - 1)


def multiplies_grouped(rows_TD: Tensor, weight_XFD: Tensor) -> bool:
    """Whether one grouped product is the faster way: on a GPU, in bfloat16, with aligned rows.

    On a CPU it is a loop over the experts that makes its kernels as the sliced products do and adds its biases apart.
    """
    return (
        rows_TD.device.type == "cuda"
        and rows_TD.dtype == torch.bfloat16
        and hasattr(functional, "grouped_mm")
        and all(side % 8 == 0 for side in weight_XFD.shape[1:])
    )


def grouped_experts(  # noqa: PLR0917 - as apply_experts
    rows_TD: Tensor,
    counts: Sequence[int],
    expand_weight_XFD: Tensor,
    expand_bias_XF: Tensor,
    reduce_weight_XDF: Tensor,
    reduce_bias_XD: Tensor,
) -> Tensor:
    """As `apply_experts`, all of one dtype, by `torch.nn.functional.grouped_mm`: rows must be whole 16-byte units."""
    count_X = torch.tensor(counts, device=rows_TD.device)
    end_X = count_X.cumsum(0).to(torch.int32)
    expert_T = torch.repeat_interleave(count_X, output_size=rows_TD.shape[0])
    hidden_TF = functional.grouped_mm(rows_TD, expand_weight_XFD.transpose(1, 2), offs=end_X)
    hidden_TF = functional.gelu(hidden_TF + expand_bias_XF[expert_T])
    result_TD = functional.grouped_mm(hidden_TF, reduce_weight_XDF.transpose(1, 2), offs=end_X)
    return result_TD + reduce_bias_XD[expert_T]


def _multiply_slices(
    rows_TD: Tensor, counts: Sequence[int], parameters: Sequence[Tensor], kept: list[Tensor] | None = None
) -> Tensor:
    """Two products an expert on its slice of rows, on weights brought to their dtype.

    `kept` gets what the gradient needs, four tensors for each expert with rows: hidden rows before and after the GELU,
    and both weights.
    """
    expand_weight_XFD, expand_bias_XF, reduce_weight_XDF, reduce_bias_XD = parameters
    dtype = rows_TD.dtype
    result_TD = torch.empty_like(rows_TD)
    for expert, rows in _slices(counts):
        expand_FD, reduce_DF = expand_weight_XFD[expert].to(dtype), reduce_weight_XDF[expert].to(dtype)
        before_TF = torch.addmm(expand_bias_XF[expert].to(dtype), rows_TD[rows], expand_FD.t())
        after_TF = functional.gelu(before_TF)
        torch.addmm(reduce_bias_XD[expert].to(dtype), after_TF, reduce_DF.t(), out=result_TD[rows])
        if kept is not None:
            kept += (before_TF, after_TF, expand_FD, reduce_DF)
    return result_TD


class _SlicedExperts(torch.autograd.Function):
    """`_multiply_slices` with its gradient.

    Autograd would allocate a gradient of an expert each and stack them, convert them in half precision, and copy the
    pieces of the result together; here everything is written where it belongs.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, rows_TD: Tensor, counts: tuple[int, ...], *parameters: Tensor) -> Tensor:
        kept: list[Tensor] = []
        result_TD = _multiply_slices(rows_TD, counts, parameters, kept)
        ctx.save_for_backward(rows_TD, *kept)
        ctx.counts = counts  # type: ignore[attr-defined]
        ctx.parameters = tuple((value.shape, value.dtype) for value in parameters)  # type: ignore[attr-defined]
        return result_TD

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient_TD: Tensor) -> tuple[Tensor | None, ...]:
        rows_TD, *kept = ctx.saved_tensors  # type: ignore[attr-defined]
        counts: tuple[int, ...] = ctx.counts  # type: ignore[attr-defined]
        needs: tuple[bool, ...] = ctx.needs_input_grad  # type: ignore[attr-defined]
        rows_gradient_TD = torch.empty_like(rows_TD) if needs[0] else None
        gradients = [
            rows_TD.new_empty(shape, dtype=dtype) if need else None
            for need, (shape, dtype) in zip(needs[2:], ctx.parameters, strict=True)  # type: ignore[attr-defined]
        ]
        idle = [expert for expert, count in enumerate(counts) if not count]
        for gradient in [gradient for gradient in gradients if gradient is not None]:
            for expert in idle:
                gradient[expert].zero_()
        with torch.autocast(rows_TD.device.type, enabled=False):
            for (expert, rows), saved in zip(_slices(counts), _fours(kept), strict=True):
                _backward_of_one(
                    rows_TD[rows],
                    gradient_TD[rows],
                    *saved,
                    into=[None if gradient is None else gradient[expert] for gradient in gradients],
                    into_rows=None if rows_gradient_TD is None else rows_gradient_TD[rows],
                )
        return rows_gradient_TD, None, *gradients


def _backward_of_one(  # noqa: PLR0917 - in the order in which they were saved
    rows_TD: Tensor,
    gradient_TD: Tensor,
    before_TF: Tensor,
    after_TF: Tensor,
    expand_FD: Tensor,
    reduce_DF: Tensor,
    *,
    into: Sequence[Tensor | None],
    into_rows: Tensor | None,
) -> None:
    """Writes the gradients of one expert: of its four parameters and of its rows."""
    into_expand, into_expand_bias, into_reduce, into_reduce_bias = into
    _write(into_reduce, gradient_TD.t(), after_TF)
    if into_reduce_bias is not None:
        into_reduce_bias.copy_(gradient_TD.sum(0))
    if into_expand is None and into_expand_bias is None and into_rows is None:
        return
    hidden_TF = torch.ops.aten.gelu_backward(gradient_TD @ reduce_DF, before_TF)
    _write(into_expand, hidden_TF.t(), rows_TD)
    if into_expand_bias is not None:
        into_expand_bias.copy_(hidden_TF.sum(0))
    _write(into_rows, hidden_TF, expand_FD)


def _write(into: Tensor | None, left: Tensor, right: Tensor) -> None:
    """The product, written to `into`, in the dtype of its factors first."""
    if into is None:
        return
    if into.dtype == left.dtype:
        torch.mm(left, right, out=into)
    else:
        into.copy_(left @ right)


def _slices(counts: Sequence[int]) -> list[tuple[int, slice]]:
    """Index and rows of each expert that has any."""
    bounds = enumerate(zip(counts, accumulate(counts), strict=True))
    return [(expert, slice(end - count, end)) for expert, (count, end) in bounds if count]


def _fours(kept: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    return [kept[start : start + 4] for start in range(0, len(kept), 4)]
