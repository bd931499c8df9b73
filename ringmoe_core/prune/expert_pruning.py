"""Fewer experts: the important ones stay as they are.

Legend: M modalities, S specialised experts of a modality, X = M S stacked experts, C collaborative experts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from ringmoe_core.prune.assemble import assemble, mixture_layers
from ringmoe_core.prune.configs import pruned_config
from ringmoe_core.prune.recalibration import recalibrate

if TYPE_CHECKING:
    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.model import RingMoE
    from ringmoe_core.prune.calibration import BankStatistics, Calibration, LayerStatistics
    from ringmoe_core.prune.configs import Gate

Importance = Literal["frequency", "output_norm"]
"""How experts are ranked: share of tokens that take them, or mean gate-weighted output length (REAP)."""


def prune_experts(
    model: RingMoE,
    calibration: Calibration,
    *,
    keep: float,
    by: Importance = "output_norm",
    gate: Gate = "original",
    keep_specialised: float = 1.0,
) -> RingMoE:
    """The model with the most important collaborative experts of each layer, and of each modality's own if asked.

    EP, expert pruning, of RingMoE (arXiv 2504.03166), which keeps the most often activated quarter of the collaborative
    experts of each layer for the modality at hand; `by="frequency"`. How the original treats the gates of those left is
    not published. `by="output_norm"` is the saliency of REAP (arXiv 2510.13999). Frequencies are pooled over the
    calibration's modalities, so extract the modality first where it is to be served alone. They carry information only
    if training balanced the bank over all modalities together.

    With the original gates a token whose experts all stay is transformed as before, bit for bit but for the order of
    sums; a token that lost its expert takes its next best, with the probability that it always had. With recalibrated
    gates the removed rows leave the softmax and `recalibrate` fits the size of each expert that stays.

    Args:
        model: with collaborative experts.
        calibration: of this model.
        keep: share of the collaborative experts that stay, (0, 1]; rounded up to whole experts.
        by: ranking; equals are taken in their order.
        gate: see above.
        keep_specialised: share of each modality's own experts that stay, (0, 1]; recalibrated gates only.

    Raises:
        ValueError: the calibration is of another model, or an argument is out of range.
    """
    if by not in get_args(Importance):
        raise ValueError(f"importance is one of {get_args(Importance)}, got {by!r}; choose one of them")
    calibration.check(model.config)
    config = pruned_config(model.config, keep=keep, gate=gate, keep_specialised=keep_specialised)
    tensors = dict(model.state_dict())
    for name, statistics in zip(mixture_layers(model), calibration.layers, strict=True):
        if statistics.collaborative is not None:
            _keep_collaborative(tensors, name, _best_collaborative(statistics, config, by), config)
        if statistics.specialised is not None:
            _keep_specialised(tensors, name, _best(statistics.specialised, by, config.num_specialised))
    pruned = assemble(config, tensors, training=model.training)
    return recalibrate(pruned, model, calibration) if gate == "recalibrated" else pruned


def _best_collaborative(statistics: LayerStatistics, config: RingMoEConfig, by: Importance) -> Tensor:
    assert statistics.collaborative is not None
    return _best(statistics.collaborative.pooled(), by, config.num_collaborative)[0]


def _best(bank: BankStatistics, by: Importance, number: int) -> Tensor:
    """Of each row of a bank, the indices of its most important experts, ascending."""
    importance_MX = bank.frequency if by == "frequency" else bank.output_norm
    return importance_MX.argsort(dim=1, descending=True, stable=True)[:, :number].sort(dim=1).values


def _keep_collaborative(tensors: dict[str, Tensor], layer: str, kept: Tensor, config: RingMoEConfig) -> None:
    """Cuts one layer's collaborative bank; router rows of removed experts follow those kept, where they stay."""
    for name in [name for name in tensors if name.startswith(f"{layer}.collaborative.")]:
        tensors[name] = tensors[name].index_select(0, kept.to(tensors[name].device))
    rows = tensors[f"{layer}.router.collaborative_CD"]
    everyone = torch.arange(rows.shape[0], device=rows.device)
    gone = everyone[~torch.isin(everyone, kept.to(rows.device))]
    order = torch.cat([kept.to(rows.device), gone])[: config.num_collaborative + config.num_pruned]
    tensors[f"{layer}.router.collaborative_CD"] = rows.index_select(0, order)
    bias = f"{layer}.router.collaborative_bias_C"
    if bias in tensors:
        tensors[bias] = tensors[bias].index_select(0, kept.to(tensors[bias].device))


def _keep_specialised(tensors: dict[str, Tensor], layer: str, kept_MS: Tensor) -> None:
    """Cuts one layer's specialised banks, each modality's by its own ranking."""
    num_modalities = kept_MS.shape[0]
    for name in [name for name in tensors if name.startswith(f"{layer}.specialised.")]:
        stacked = tensors[name].reshape(num_modalities, -1, *tensors[name].shape[1:])
        tensors[name] = torch.cat([stacked[m, kept_MS[m].to(stacked.device)] for m in range(num_modalities)])
    for name in [name for name in tensors if name.startswith(f"{layer}.router.specialised_")]:
        tensors[name] = torch.stack(
            [tensors[name][m, kept_MS[m].to(tensors[name].device)] for m in range(num_modalities)]
        )
