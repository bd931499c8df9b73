"""The feed-forward networks that a dense one has to stand for, and how much each of them counts.

Legend: M modalities, X experts that a modality's tokens choose from, F hidden channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ringmoe_core.prune.network import Network, shared_network, stacked_network
from ringmoe_core.prune.routes import BANKS, bank_of

if TYPE_CHECKING:
    from torch import Tensor

    from ringmoe_core.moe import MixtureLayer
    from ringmoe_core.prune.calibration import LayerStatistics
    from ringmoe_core.prune.routes import Bank

Branch = Literal["shared", "specialised", "collaborative"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One network of a layer, in float64."""

    network: Network
    """As trained."""

    branch: Branch
    """The sum's term that it belongs to."""

    share: float
    """Expected gate for a random calibration token: selection probability times mean gate; 1 for the shared expert."""

    even_share: float
    """The same if a modality's tokens took every expert of a bank equally often, with the bank's mean gate."""

    unit_F: Tensor
    """Mean over the calibration tokens of the square of gate times activation, float64."""


def layer_members(layer: MixtureLayer, statistics: LayerStatistics) -> list[Member]:
    """The shared expert, then every expert of the banks that calibration tokens may take.

    Specialised experts of all modalities are members side by side: each modality's share of the traffic is in theirs.
    """
    num_tokens = statistics.shared.tokens_M.sum()
    members = [
        Member(
            network=shared_network(layer.shared).double(),
            branch="shared",
            share=1.0,
            even_share=1.0,
            unit_F=statistics.shared.unit_MXF.sum((0, 1)) / num_tokens,
        )
    ]
    for bank in BANKS:
        members += _bank_members(layer, bank, statistics)
    return members


def _bank_members(layer: MixtureLayer, bank: Bank, statistics: LayerStatistics) -> list[Member]:
    """The experts of one bank, in the order in which they are stacked."""
    found = statistics.bank(bank)
    if found is None:
        return []
    own = found if bank == "specialised" else found.pooled()
    even_MX = own.share.mean(1, keepdim=True).expand_as(own.share)
    shares, evens = own.share.flatten().tolist(), even_MX.flatten().tolist()
    units = (own.unit_MXF / own.tokens_M.sum()).flatten(0, 1)
    stack = bank_of(layer, bank)
    return [
        Member(
            network=stacked_network(stack, index).double(),
            branch=bank,
            share=share,
            even_share=even,
            unit_F=unit_F,
        )
        for index, (share, even, unit_F) in enumerate(zip(shares, evens, units, strict=True))
    ]
