"""AdamW with layer-wise rates: the nearer to the input, the smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from ringmoe_core.adapt.layer_groups import layer_groups

if TYPE_CHECKING:
    from torch import nn

    from ringmoe_core import RingMoEConfig

SCALE: Final = "scale"
"""Key of a parameter group: its rate over the schedule's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserConfig:
    """Of AdamW."""

    weight_decay: float = 0.05
    """Of matrices, as `layer_groups` has it."""

    layer_decay: float = 1.0
    """Rate of a layer over that of the one above it, above 0, at most 1."""

    clip_norm: float = 1.0
    """Largest norm of the gradient."""

    betas: tuple[float, float] = (0.9, 0.98)

    def __post_init__(self) -> None:
        if not 0 < self.layer_decay <= 1 or self.weight_decay < 0 or not self.clip_norm > 0:
            raise ValueError(
                "layer_decay lies in (0, 1], weight_decay is at least 0 and clip_norm above 0, got "
                f"{self.layer_decay}, {self.weight_decay} and {self.clip_norm}; correct them"
            )


def make_optimiser(module: nn.Module, config: OptimiserConfig, *, backbone: RingMoEConfig) -> torch.optim.AdamW:
    """Returns the optimiser of all parameters that want a gradient.

    Args:
        module: What is trained, a backbone somewhere in it.
        config: Of AdamW.
        backbone: The backbone's configuration.
    """
    groups = layer_groups(
        module, backbone, learning_rate=1.0, decay=config.layer_decay, weight_decay=config.weight_decay
    )
    for group in groups:
        group[SCALE] = group["lr"]
    # fused: one pass over the values, on a CPU a fifth of the time
    return torch.optim.AdamW(groups, lr=0.0, betas=config.betas, fused=True)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of every group."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group[SCALE]
