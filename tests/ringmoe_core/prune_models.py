"""Models and batches that the tests of pruning share."""

from __future__ import annotations

from dataclasses import replace

import torch

from ringmoe_core import RingMoE, RingMoEConfig, Series
from ringmoe_core.prune.assemble import mixture_layers

SMALL = RingMoEConfig(
    dim=16,
    head_dim=8,
    depths=(1, 2),
    num_specialised=3,
    num_collaborative=4,
    fusion_dim=16,
    skip_dim=8,
    skip_fused_dim=8,
    map_dim=8,
)
PAPER = replace(SMALL, style="paper", channels=(3, 8, 3, 4))


def lively(config: RingMoEConfig, seed: int = 1) -> RingMoE:
    """A model whose every part matters: larger random weights, and routers sure enough to use all experts."""
    model = RingMoE(config, seed=seed)
    generator = torch.Generator().manual_seed(seed + 100)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                scale = 0.5 if ".router." in name else 0.1
                parameter.add_(scale * torch.randn(parameter.shape, generator=generator))
        for name, buffer in model.named_buffers():
            if ".router." in name:
                buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))
    return model.eval()


def images(config: RingMoEConfig, modality: str, *, seed: int = 0, places: int = 2, dates: int = 2) -> Series:
    generator = torch.Generator().manual_seed(seed)
    channels = config.channels[config.modalities.index(modality)]
    return Series(
        pixels_BTCHW=torch.randn(places, dates, channels, 32, 24, generator=generator),
        valid_BTHW=torch.rand(places, dates, 32, 24, generator=generator) > 0.1,
        present_BTC=torch.ones(places, dates, channels, dtype=torch.bool),
        day_BT=torch.rand(places, dates, generator=generator),
    )


def batch(config: RingMoEConfig, *names: str, seed: int = 0) -> dict[str, Series]:
    return {name: images(config, name, seed=seed + index) for index, name in enumerate(names or config.modalities)}


def everyone(series: dict[str, Series]) -> torch.Tensor:
    """One group of all images."""
    first = next(iter(series.values()))
    return torch.ones(first.num_places, 1, sum(one.num_dates for one in series.values()), dtype=torch.bool)


def layers(model: RingMoE) -> list:
    return list(mixture_layers(model).values())


def agreement(one_TD, other_TD) -> float:
    one, other = (value - value.mean(0) for value in (one_TD, other_TD))
    return float((one * other).sum() / (one.norm() * other.norm()))
