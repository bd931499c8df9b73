"""KS and KA: networks merged unit by unit.

Legend: D channels, F hidden channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from ringmoe_core.prune.align import align
from ringmoe_core.prune.network import Network, beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ringmoe_core.prune.align import Basis
    from ringmoe_core.prune.members import Member

Merging = Literal["KS", "KA"]


def merge(members: Sequence[Member], method: Merging, *, num_units: int, on: Basis, tokens_TD: Tensor) -> Network:
    """One network of aligned and merged units.

    KS and KA are named in public summaries of RingMoE (arXiv 2504.03166), which do not say what they stand for. Read
    here, as inferred, as knowledge summation and averaging after Xue et al., One Student Knows All Experts Know (arXiv
    2201.10890), which sums or averages the experts' weights and leaves the rest to distillation. Corrected in two ways:

    Hidden units are aligned to those of the shared expert first (`align`). Without it a mean mixes unrelated units.

    Only one expert of a top-1 bank is active for a token, so a plain sum of N experts is about N times too large. KS
    weighs each expert by its expected gate (selection probability times mean gate over the calibration tokens): the
    outgoing weights are summed with these weights, as the branches' outputs are; the incoming weights, which set what
    a hidden unit answers to, are averaged with them. KA gives the experts of a bank equal weights, as an average does,
    and the branches the size of their mean gate.

    At twice the width of one expert the routed experts are merged apart from the shared one, at three times each branch
    apart, side by side.

    Args:
        members: of one layer.
        method: how members are weighed.
        num_units: hidden width, a multiple of one member's: at most as many times as there are branches.
        on: what units are compared by.
        tokens_TD: calibration tokens in float64, for activations.

    Raises:
        ValueError: another width.
    """
    width = members[0].network.num_units
    groups = _groups(members, num_units / width)
    if groups is None:
        branches = len({member.branch for member in members})
        raise ValueError(
            f"{method} gives {[width * times for times in range(1, branches + 1)]} hidden units here (one expert's "
            f"width for each branch kept apart), got {num_units}; choose one of these, or KC or select for any width"
        )
    parts = [_merge_group(group, method, on=on, tokens_TD=tokens_TD) for group in groups]
    return beside(parts)


def _groups(members: Sequence[Member], times: float) -> list[list[Member]] | None:
    """The members that become one network each; None where the width fits no grouping."""
    branches = [
        [member for member in members if member.branch == branch]
        for branch in ("shared", "specialised", "collaborative")
    ]
    branches = [branch for branch in branches if branch]
    if times not in range(1, len(branches) + 1):
        return None
    apart = round(times) - 1
    return [*branches[:apart], [member for branch in branches[apart:] for member in branch]]


def _merge_group(group: Sequence[Member], method: Merging, *, on: Basis, tokens_TD: Tensor) -> Network:
    """The weighted sum of a group, aligned to the shared expert or else to the member that counts most."""
    weights = [member.share if method == "KS" else member.even_share for member in group]
    total = sum(weights)
    reference = max(group, key=lambda member: member.share).network
    counted = [(weight, member.network) for weight, member in zip(weights, group, strict=True) if weight > 0]
    aligned = [
        (weight, one if one is reference else align(one, reference, on=on, tokens_TD=tokens_TD))
        for weight, one in counted
    ]
    return Network(
        expand_weight_FD=torch.stack([one.expand_weight_FD * (weight / total) for weight, one in aligned]).sum(0),
        expand_bias_F=torch.stack([one.expand_bias_F * (weight / total) for weight, one in aligned]).sum(0),
        reduce_weight_DF=torch.stack([one.reduce_weight_DF * weight for weight, one in aligned]).sum(0),
        reduce_bias_D=torch.stack([one.reduce_bias_D * weight for weight, one in aligned]).sum(0),
    )
