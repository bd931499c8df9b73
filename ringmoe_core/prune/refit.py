"""Outgoing weights that make a network say what a layer said.

Legend: T tokens, D channels, F hidden channels, E = F + 1 with the bias.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from ringmoe_core.prune.network import Network

if TYPE_CHECKING:
    from torch import Tensor

RIDGE = 1e-3
"""Penalty on the change of outgoing weights, relative to the mean square of an activation."""


def refit(network: Network, tokens_TD: Tensor, target_TD: Tensor) -> Network:
    """The network with W2 and b2 refitted: min over both of |W2 h(x) + b2 - y|^2 + penalty * |change of W2|^2.

    Linear least squares on the hidden activations, as in the reconstruction step of channel pruning (He et al., arXiv
    1707.06168, section 3.1). The penalty holds weights that the tokens do not determine at what they were, so that few
    tokens, or units that are silent on all of them, do no harm.

    Args:
        network: in float64.
        tokens_TD: inputs of the layer, float64.
        target_TD: what the layer made of them, float64.
    """
    hidden_TE = functional.pad(network.hidden(tokens_TD), (0, 1), value=1.0)
    missing_TD = target_TD - network.output(tokens_TD)
    normal_EE = hidden_TE.t() @ hidden_TE
    penalty_E = normal_EE.diagonal()[:-1].mean().expand(network.num_units) * RIDGE
    normal_EE = normal_EE + torch.diag(functional.pad(penalty_E, (0, 1)) + torch.finfo(torch.float64).tiny)
    change_ED = torch.linalg.solve(normal_EE, hidden_TE.t() @ missing_TD)
    return Network(
        expand_weight_FD=network.expand_weight_FD,
        expand_bias_F=network.expand_bias_F,
        reduce_weight_DF=network.reduce_weight_DF + change_ED[:-1].t(),
        reduce_bias_D=network.reduce_bias_D + change_ED[-1],
    )
