"""Hidden units of one network put in the order of another's.

Legend: T tokens, D channels, F hidden channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ringmoe_core.prune.assignment import assign

if TYPE_CHECKING:
    from torch import Tensor

    from ringmoe_core.prune.network import Network

Basis = Literal["weights", "activations"]
"""What hidden units are compared by: their weights, or what they do on calibration tokens."""

SILENT = 1e-12
"""Added to squared sizes before dividing by them, so that units that never vary compare as 0."""


def align(network: Network, reference: Network, *, on: Basis, tokens_TD: Tensor) -> Network:
    """The same function with its hidden units permuted to resemble the reference's one by one.

    Hidden units of networks trained apart come in any order, so that their mean means nothing until they are matched:
    weight and activation matching of Git Re-Basin (arXiv 2209.04836, sections 3.1 and 3.2) for one hidden layer, where
    the assignment is exact. The paper on RingMoE mentions no alignment. On weights, two units resemble each other by
    the inner product of their incoming weights with bias and of their outgoing weights, each kind relative to the size
    of the whole matrix; on activations, by their correlation over the tokens.

    Args:
        network: to permute.
        reference: as wide as the network.
        on: what units are compared by.
        tokens_TD: in the networks' dtype; read for activations alone.
    """
    similarity_FF = (
        _weight_similarity(reference, network)
        if on == "weights"
        else _correlation(reference.hidden(tokens_TD), network.hidden(tokens_TD))
    )
    return network.units(assign(similarity_FF))


def _weight_similarity(one: Network, other: Network) -> Tensor:
    into = one.expand_weight_FD @ other.expand_weight_FD.t() + one.expand_bias_F[:, None] * other.expand_bias_F
    out = one.reduce_weight_DF.t() @ other.reduce_weight_DF
    into_size = _incoming_size(one) * _incoming_size(other) + SILENT
    out_size = (one.reduce_weight_DF.square().sum() * other.reduce_weight_DF.square().sum()).sqrt() + SILENT
    return into / into_size + out / out_size


def _incoming_size(network: Network) -> Tensor:
    return (network.expand_weight_FD.square().sum() + network.expand_bias_F.square().sum()).sqrt()


def _correlation(one_TF: Tensor, other_TF: Tensor) -> Tensor:
    one_TF, other_TF = one_TF - one_TF.mean(0), other_TF - other_TF.mean(0)
    sizes_FF = (one_TF.square().sum(0)[:, None] * other_TF.square().sum(0) + SILENT).sqrt()
    correlation_FF: Tensor = one_TF.t() @ other_TF / sizes_FF
    return correlation_FF
