"""Convolutional bypasses of attention.

Legend: N images, h, w token grid, D channels, R channels of the bypass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.attention import WindowAttention


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvpassConfig:
    """How large the bypasses are."""

    channels: int = 8
    """R, at least 1 (the paper's 8)."""

    scale: float = 1.0
    """What a bypass's output is multiplied by."""

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ValueError(f"a bypass needs one channel or more, got {self.channels}; the paper takes 8")


class Convpass(nn.Module):
    """Linear down, 3 x 3 convolution on the grid, linear up (Convpass, arXiv 2207.07039, section 3.2).

    It adds what attention lacks where labels are few: that neighbours go together. The last layer starts at zero, so
    nothing changes at first. Here it stands beside attention alone (the paper's Convpass-attn), since the mixture of
    experts sees tokens without their grid. Tokens without data are taken out before the convolution.
    """

    def __init__(self, dim: int, config: ConvpassConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.scale = config.scale
        self.down = nn.Linear(dim, config.channels)
        self.convolution = nn.Conv2d(config.channels, config.channels, 3, padding=1)
        self.up = nn.Linear(config.channels, dim)
        with torch.no_grad():
            for layer in (self.down, self.convolution):
                fan_in = layer.weight[0].numel()
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * fan_in**-0.5)
                assert layer.bias is not None
                layer.bias.zero_()
            self.up.weight.zero_()
            self.up.bias.zero_()

    def forward(self, tokens_NhwD: Tensor, live_Nhw: Tensor | None = None) -> Tensor:
        """What is added to the attention's output, (N, h, w, D)."""
        narrow_NhwR = functional.gelu(self.down(tokens_NhwD))
        if live_Nhw is not None:
            narrow_NhwR = narrow_NhwR * live_Nhw[..., None]
        mixed = functional.gelu(self.convolution(narrow_NhwR.permute(0, 3, 1, 2)))
        widened_NhwD: Tensor = self.up(mixed.permute(0, 2, 3, 1))
        return self.scale * widened_NhwD


def add_convpass(model: nn.Module, config: ConvpassConfig | None = None, *, seed: int = 0) -> ConvpassConfig:
    """Freezes a model's parameters and adds bypasses that learn; its outputs stay what they are.

    Args:
        model: a `RingMoE`, or anything with its attention; changed in place.
        config: how large.
        seed: of the first values.

    Returns:
        The configuration that was used.

    Raises:
        ValueError: the model has no attention, or has bypasses already.
    """
    config = config or ConvpassConfig()
    attentions = [module for module in model.modules() if isinstance(module, WindowAttention)]
    if not attentions or any(isinstance(module, Convpass) for module in model.modules()):
        raise ValueError("bypasses are added once, to a model with attention; build or load the model again")
    model.requires_grad_(requires_grad=False)
    generator = torch.Generator().manual_seed(seed)
    for attention in attentions:
        weight = attention.projection.weight
        attention.convpass = Convpass(weight.shape[0], config, generator).to(weight)
        attention.register_forward_hook(_add_bypass)
    return config


def _add_bypass(attention: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    bypass = attention.convpass
    assert isinstance(bypass, Convpass)
    added: Tensor = bypass(*inputs)
    return output + added
