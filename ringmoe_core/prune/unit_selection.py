"""Whole hidden units, the most important of all experts.

Legend: F hidden channels, U hidden channels of all members together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ringmoe_core.prune.network import beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringmoe_core.prune.members import Member
    from ringmoe_core.prune.network import Network


def select_units(members: Sequence[Member], *, num_units: int) -> Network:
    """The network of the most important hidden units of all members, each as trained.

    Structured pruning instead of a decomposition: a unit that stays computes exactly what it did. A unit's importance
    is the mean over calibration tokens of the square of gate times activation, times the squared length of its outgoing
    weights: the mean square of what it adds to the output, and of the error without it alone. Of units of equal
    importance the first stays. Reasoned here, not taken from a paper; RingMoE's densifications do not select.

    A unit of a routed expert spoke for some tokens, and speaks for all of them now: its outgoing weights are scaled by
    its expert's expected gate. A least-squares refit of all outgoing weights does better (`refit`).

    Args:
        members: of one layer.
        num_units: hidden width, at most that of all members together.

    Raises:
        ValueError: more units than the members have.
    """
    everyone = beside([member.network.scaled(member.share) for member in members])
    if num_units > everyone.num_units:
        raise ValueError(
            f"select keeps at most the {everyone.num_units} hidden units of all experts, got {num_units}; ask for fewer"
        )
    importance_U = torch.cat(
        [
            member.unit_F.to(everyone.expand_bias_F.device) * member.network.reduce_weight_DF.square().sum(0)
            for member in members
        ]
    )
    return everyone.units(importance_U.argsort(descending=True, stable=True)[:num_units].sort().values)
