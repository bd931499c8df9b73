"""A bank of feed-forward experts, stored as stacked tensors.

Legend: T rows, D channels, F hidden channels, X experts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.dispatch import DispatchPlan, restore_rows, sort_rows


class ExpertBank(nn.Module):
    """X networks (linear, GELU, linear) of equal size; each row passes the one chosen for it.

    One product an expert on its slice of the sorted rows: on a CPU that costs what a dense network of the same rows
    costs, and no more than `torch.nn.functional.grouped_mm`, which is a loop there too and needs its bias added apart.
    """

    def __init__(self, num_experts: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.num_experts = num_experts
        self.expand_weight_XFD = nn.Parameter(torch.empty(num_experts, hidden, dim))
        self.expand_bias_XF = nn.Parameter(torch.empty(num_experts, hidden))
        self.reduce_weight_XDF = nn.Parameter(torch.empty(num_experts, dim, hidden))
        self.reduce_bias_XD = nn.Parameter(torch.empty(num_experts, dim))

    def forward(self, tokens_TD: Tensor, plan: DispatchPlan) -> Tensor:
        """Each row's output, in the rows' own order."""
        pieces = torch.split(sort_rows(tokens_TD, plan), list(plan.counts))
        # unbind once: a select for each expert would allocate a gradient of the whole bank each time
        banks = zip(
            pieces,
            self.expand_weight_XFD.unbind(),
            self.expand_bias_XF.unbind(),
            self.reduce_weight_XDF.unbind(),
            self.reduce_bias_XD.unbind(),
            strict=True,
        )
        outputs = [
            functional.linear(functional.gelu(functional.linear(rows, expand, expand_bias)), reduce, reduce_bias)
            for rows, expand, expand_bias, reduce, reduce_bias in banks
            if rows.shape[0]
        ]
        return restore_rows(torch.cat(outputs), plan)
