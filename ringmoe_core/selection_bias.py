"""Balancing without a loss: biases on the selection that follow the experts' loads.

Legend: M modalities, S specialised experts, C collaborative experts, Y layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ringmoe_core.router import Router

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringmoe_core.balance import RoutingReport

RATE = 0.001
"""Step of a bias, in units of the probability that it is added to (Wang et al., arXiv 2408.15664, section 4.1)."""


def shift_selection(model: nn.Module, reports: Sequence[RoutingReport], *, rate: float = RATE) -> None:
    """Moves every router's selection biases by one step towards even loads; call it after the optimiser's step.

    b += rate * sign(mean load - load) (Wang et al., arXiv 2408.15664, algorithm 1): within each modality for the
    specialised banks, over all modalities for the collaborative bank. The biases move which experts are taken and never
    how much of them, are part of the state dict, and are moved by nothing else. Reports made in training hold the loads
    of all ranks, so that all ranks take the same step.

    Args:
        model: in training mode, of a configuration with balancing "bias".
        reports: of the forward passes of this step, one unless gradients are accumulated.
        rate: step, > 0.

    Raises:
        ValueError: the model is not in training mode or has no biases, or the reports have not its layers.
    """
    routers = [module for module in model.modules() if isinstance(module, Router)]
    biases = [bias for router in routers for bias in (router.specialised_bias_MS, router.collaborative_bias_C)]
    if all(bias is None for bias in biases):
        raise ValueError('a model without selection biases cannot shift them; build it with balancing "bias"')
    if not model.training:
        raise ValueError("selection biases are frozen outside training, got a model in eval mode; call train() first")
    if not reports or any(report.specialised_load_YMX.shape[0] != len(routers) for report in reports):
        layers = [report.specialised_load_YMX.shape[0] for report in reports]
        raise ValueError(f"reports must cover the model's {len(routers)} layers, got {layers}; pass this model's own")
    own_YMS = torch.stack([report.specialised_load_YMX for report in reports]).sum(0)
    common_YC = torch.stack([report.collaborative_load_YMX for report in reports]).sum((0, 2))
    for router, own_MS, common_C in zip(routers, own_YMS, common_YC, strict=True):
        _step(router.specialised_bias_MS, own_MS, rate)
        _step(router.collaborative_bias_C, common_C, rate)


def _step(bias: Tensor | None, load: Tensor, rate: float) -> None:
    if bias is not None:
        bias.add_(rate * (load.mean(-1, keepdim=True) - load).sign().to(bias.dtype))
