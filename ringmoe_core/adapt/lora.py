"""Low-rank adaptation of weight matrices.

Legend: O outputs, I inputs, R rank, X experts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ringmoe_core.attention import WindowAttention
from ringmoe_core.experts import ExpertBank
from ringmoe_core.moe import MixtureLayer

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS: Final = ("qkv", "projection", "shared", "experts")
"""Query, key and value; the attention's output; both layers of the shared expert; those of every other expert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraConfig:
    """Where low-rank matrices are added, and how large they are."""

    rank: int = 8
    """R, at least 1; cut to the smaller side of a matrix."""

    alpha: float = 16.0
    """The product is multiplied by alpha / rank (arXiv 2106.09685, section 4.1)."""

    targets: tuple[str, ...] = ("qkv", "projection", "shared")
    """Of `TARGETS`."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.targets) - set(TARGETS))
        if unknown or not self.targets:
            raise ValueError(f"LoRA's targets must be among {TARGETS}, got {self.targets}; name one or more of them")
        if self.rank < 1 or not math.isfinite(self.alpha):
            raise ValueError(
                f"rank must be at least 1 and alpha finite, got {self.rank} and {self.alpha}; correct them"
            )


class LowRank(nn.Module):
    """W + alpha / R * up down (LoRA, arXiv 2106.09685, equation 3); `up` starts at zero, so nothing changes at first.

    A bank of experts, whose matrices are stacked, gets a pair an expert.
    """

    def __init__(self, weight: Tensor, config: LoraConfig, generator: torch.Generator) -> None:
        super().__init__()
        *stack, outputs, inputs = weight.shape
        rank = min(config.rank, outputs, inputs)
        self.scale = config.alpha / config.rank
        down = torch.randn(*stack, rank, inputs, generator=generator) * inputs**-0.5
        self.down = nn.Parameter(down.to(weight))
        self.up = nn.Parameter(torch.zeros(*stack, outputs, rank).to(weight))

    def forward(self, weight: Tensor) -> Tensor:
        """The adapted weight, (O, I) or (X, O, I)."""
        return weight + self.scale * (self.up @ self.down)


def add_lora(model: nn.Module, config: LoraConfig | None = None, *, seed: int = 0) -> LoraConfig:
    """Freezes a model's parameters and adds low-rank matrices that learn; its outputs stay what they are, bit for bit.

    Args:
        model: a `RingMoE`, or anything made of its blocks; changed in place.
        config: where and how large; by default attention and shared experts, rank 8.
        seed: of the first values.

    Returns:
        The configuration that was used.

    Raises:
        ValueError: the model has none of the targets, or has low-rank matrices already.
    """
    config = config or LoraConfig()
    if any(isinstance(module, LowRank) for module in model.modules()):
        raise ValueError("a model takes low-rank matrices once, got one that has them; call merge_lora first")
    places = list(_places(model, config))
    if not places:
        raise ValueError(f"LoRA needs one of {config.targets} in the model, got none; choose other targets")
    model.requires_grad_(requires_grad=False)
    generator = torch.Generator().manual_seed(seed)
    for module, name in places:
        low = LowRank(getattr(module, name), config, generator)
        parametrize.register_parametrization(module, name, low)
    return config


def merge_lora(model: nn.Module) -> int:
    """Adds the low-rank products to the weights for good and returns how many; outputs stay what they are.

    The model then has the tensors that it had before `add_lora`, by the same names, and the gradient of none is on.
    """
    num = 0
    for module in list(model.modules()):
        if not parametrize.is_parametrized(module):
            continue
        parametrizations = module.parametrizations
        assert isinstance(parametrizations, nn.ModuleDict)
        for name, steps in list(parametrizations.items()):
            if any(isinstance(step, LowRank) for step in steps):  # type: ignore[attr-defined]
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
                getattr(module, name).requires_grad_(requires_grad=False)
                num += 1
    return num


def _places(model: nn.Module, config: LoraConfig) -> Iterator[tuple[nn.Module, str]]:
    """Modules and names of the matrices, in the model's order."""
    for module in list(model.modules()):
        if isinstance(module, WindowAttention):
            for target in ("qkv", "projection"):
                if target in config.targets:
                    yield getattr(module, target), "weight"
        if isinstance(module, MixtureLayer) and "shared" in config.targets:
            yield module.shared.expand, "weight"
            yield module.shared.reduce, "weight"
        if isinstance(module, ExpertBank) and "experts" in config.targets:
            yield module, "expand_weight_XFD"
            yield module, "reduce_weight_XDF"
