"""KC: networks compressed by a singular value decomposition with one hidden basis.

Legend: T tokens, D channels, F hidden channels, R channels kept of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ringmoe_core.prune.network import Network, beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ringmoe_core.prune.align import Basis
    from ringmoe_core.prune.members import Member


def compress(members: Sequence[Member], *, num_units: int, on: Basis, tokens_TD: Tensor) -> Network:
    """The compressed members side by side, each scaled by its expected gate.

    KC, knowledge compression of RingMoE (arXiv 2504.03166) as a public note describes it: each of N experts is cut to
    rank F / N so that the pieces together have the size of one. How three branches become one network, and what happens
    to biases, is not published. Here the hidden units are shared out over all members by their expected gate (largest
    remainders), which is F / N each where all are equal, and the same gates scale the pieces' outputs: side by side all
    of them answer to every token, where only one of a bank did.

    Args:
        members: of one layer.
        num_units: hidden width, at most that of all members together.
        on: what the basis is taken from; see `project`.
        tokens_TD: calibration tokens in float64, for activations.

    Raises:
        ValueError: more units than the members have.
    """
    most = sum(member.network.num_units for member in members)
    if num_units > most:
        raise ValueError(f"KC keeps at most the {most} hidden units of all experts, got {num_units}; ask for fewer")
    ranks = share_out(num_units, [member.share for member in members], members[0].network.num_units)
    parts = [
        project(member.network, rank, on=on, tokens_TD=tokens_TD).scaled(member.share)
        for member, rank in zip(members, ranks, strict=True)
    ]
    return beside(parts)


def project(network: Network, rank: int, *, on: Basis, tokens_TD: Tensor) -> Network:
    """A network of `rank` hidden units: W1' = V^T W1, b1' = V^T b1, W2' = W2 V with one orthonormal basis V.

    Truncating W1 and W2 each by its own decomposition, as the name suggests, gives two unrelated hidden bases: on
    random weights the output is uncorrelated with the original's. One basis for both keeps them together, and the bias
    of the hidden layer goes with it. It is made of the leading right singular vectors of [W1 b1]^T on W2, each relative
    to its size (on weights), or of the hidden activations on the calibration tokens, which is their principal axes
    without centring (on activations).

    A singular vector's sign is arbitrary and GELU is not odd, so the sign decides the function: each vector is turned
    so that its entries add to a positive number. Activations of GELU are mostly positive, and a unit in their mean
    direction passes where its mirror image would be cut off. Since V rotates inside the GELU this remains an
    approximation even at full rank, unlike the selection of whole units.

    Args:
        network: in float64.
        rank: hidden units to keep, 0 to all.
        on: what the basis is taken from.
        tokens_TD: calibration tokens in float64, for activations.
    """
    second_FF = _weight_moments(network) if on == "weights" else _activation_moments(network, tokens_TD)
    vectors_FF = torch.linalg.eigh(second_FF).eigenvectors.flip(1)
    basis_FR = vectors_FF[:, :rank]
    basis_FR = basis_FR * torch.where(basis_FR.sum(0) < 0, -1.0, 1.0)
    return Network(
        expand_weight_FD=basis_FR.t() @ network.expand_weight_FD,
        expand_bias_F=basis_FR.t() @ network.expand_bias_F,
        reduce_weight_DF=network.reduce_weight_DF @ basis_FR,
        reduce_bias_D=network.reduce_bias_D,
    )


def share_out(total: int, weights: Sequence[float], most: int) -> list[int]:
    """Whole parts of a total in proportion to weights (largest remainders), none above `most`.

    What a full part cannot take goes to the others in turn; parts of weight 0 come last.
    """
    assert total <= most * len(weights), "the parts can take the total"
    parts = [0] * len(weights)
    open_parts = sorted(range(len(weights)), key=lambda index: -weights[index])
    while sum(parts) < total:
        left, room = total - sum(parts), [index for index in open_parts if parts[index] < most]
        weight = sum(weights[index] for index in room)
        wanted = {index: left * (weights[index] / weight if weight > 0 else 1 / len(room)) for index in room}
        given = {index: min(int(wanted[index]), most - parts[index]) for index in room}
        if not any(given.values()):
            by_remainder = sorted(room, key=lambda index: -wanted[index])
            given = dict.fromkeys(by_remainder[: min(left, len(room))], 1)
        for index, number in given.items():
            parts[index] += number
    return parts


def _weight_moments(network: Network) -> Tensor:
    """(F, F) products of the units' weights, incoming with bias and outgoing, each kind relative to its size."""
    into_FE = torch.cat([network.expand_weight_FD, network.expand_bias_F[:, None]], dim=1)
    out_FD = network.reduce_weight_DF.t()
    parts = [part @ part.t() / part.square().sum().clamp_min(1e-300) for part in (into_FE, out_FD)]
    return parts[0] + parts[1]


def _activation_moments(network: Network, tokens_TD: Tensor) -> Tensor:
    hidden_TF = network.hidden(tokens_TD)
    return hidden_TF.t() @ hidden_TF / hidden_TF.shape[0]
