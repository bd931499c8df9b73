"""Network: the tensors of one feed-forward network, wherever a layer keeps them.

Legend: T tokens, D channels, F hidden channels, X stacked experts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ringmoe_core.experts import ExpertBank
    from ringmoe_core.feed_forward import FeedForward


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """E(x) = W2 gelu(W1 x + b1) + b2; a hidden unit is a row of W1, its bias and the matching column of W2."""

    expand_weight_FD: Tensor
    """W1."""

    expand_bias_F: Tensor
    """b1."""

    reduce_weight_DF: Tensor
    """W2."""

    reduce_bias_D: Tensor
    """b2."""

    @property
    def num_units(self) -> int:
        """Hidden units."""
        return self.expand_weight_FD.shape[0]

    def hidden(self, tokens_TD: Tensor) -> Tensor:
        """Activations (T, F)."""
        return functional.gelu(functional.linear(tokens_TD, self.expand_weight_FD, self.expand_bias_F))

    def output(self, tokens_TD: Tensor) -> Tensor:
        """E(x), (T, D)."""
        return self.reduced(self.hidden(tokens_TD))

    def reduced(self, hidden_TF: Tensor) -> Tensor:
        """The output (T, D) of given activations."""
        return functional.linear(hidden_TF, self.reduce_weight_DF, self.reduce_bias_D)

    def units(self, index_F: Tensor) -> Network:
        """The network of some hidden units, in the order of `index_F`; b2 stays."""
        return Network(
            expand_weight_FD=self.expand_weight_FD[index_F],
            expand_bias_F=self.expand_bias_F[index_F],
            reduce_weight_DF=self.reduce_weight_DF[:, index_F],
            reduce_bias_D=self.reduce_bias_D,
        )

    def scaled(self, factor: float) -> Network:
        """The network whose output is `factor` times as large."""
        return Network(
            expand_weight_FD=self.expand_weight_FD,
            expand_bias_F=self.expand_bias_F,
            reduce_weight_DF=self.reduce_weight_DF * factor,
            reduce_bias_D=self.reduce_bias_D * factor,
        )

    def double(self) -> Network:
        """The network in float64, without gradient."""
        return Network(
            expand_weight_FD=self.expand_weight_FD.detach().double(),
            expand_bias_F=self.expand_bias_F.detach().double(),
            reduce_weight_DF=self.reduce_weight_DF.detach().double(),
            reduce_bias_D=self.reduce_bias_D.detach().double(),
        )

    def to(self, device: torch.device) -> Network:
        """The network on a device."""
        return Network(
            expand_weight_FD=self.expand_weight_FD.to(device),
            expand_bias_F=self.expand_bias_F.to(device),
            reduce_weight_DF=self.reduce_weight_DF.to(device),
            reduce_bias_D=self.reduce_bias_D.to(device),
        )

    def tensors(self) -> dict[str, Tensor]:
        """The parameters of a `FeedForward` with this network, by name."""
        return {
            "expand.weight": self.expand_weight_FD,
            "expand.bias": self.expand_bias_F,
            "reduce.weight": self.reduce_weight_DF,
            "reduce.bias": self.reduce_bias_D,
        }


def stacked_network(bank: ExpertBank, index: int) -> Network:
    """One expert of a bank."""
    return Network(
        expand_weight_FD=bank.expand_weight_XFD[index],
        expand_bias_F=bank.expand_bias_XF[index],
        reduce_weight_DF=bank.reduce_weight_XDF[index],
        reduce_bias_D=bank.reduce_bias_XD[index],
    )


def shared_network(shared: FeedForward) -> Network:
    """The shared expert."""
    return Network(
        expand_weight_FD=shared.expand.weight,
        expand_bias_F=shared.expand.bias,
        reduce_weight_DF=shared.reduce.weight,
        reduce_bias_D=shared.reduce.bias,
    )


def beside(parts: Sequence[Network]) -> Network:
    """The network whose output is the sum of the parts': their hidden units side by side."""
    return Network(
        expand_weight_FD=torch.cat([part.expand_weight_FD for part in parts]),
        expand_bias_F=torch.cat([part.expand_bias_F for part in parts]),
        reduce_weight_DF=torch.cat([part.reduce_weight_DF for part in parts], dim=1),
        reduce_bias_D=torch.stack([part.reduce_bias_D for part in parts]).sum(0),
    )
