"""AdamW with layer-wise rates: the nearer to the input, the smaller."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

if TYPE_CHECKING:
    from torch import nn

SCALE: Final = "scale"
"""Key of a parameter group: its rate over the schedule's."""

_BLOCK: Final = re.compile(r"encoder\.(?:stages|mergings)\.(\d+)(?:\.(\d+))?\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserConfig:
    """Of AdamW."""

    weight_decay: float = 0.05
    """Of matrices; biases, norms and tables of one dimension do not decay."""

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


def make_optimiser(module: nn.Module, config: OptimiserConfig, *, depths: tuple[int, ...]) -> torch.optim.AdamW:
    """Returns the optimiser of all parameters that want a gradient.

    Args:
        module: What is trained, a backbone somewhere in it.
        config: Of AdamW.
        depths: Blocks of each stage of the backbone.
    """
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            scale = config.layer_decay ** (sum(depths) + 1 - layer_of(name, depths))
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((scale, decay), []).append(parameter)
    listed: list[dict[str, Any]] = [
        {"params": parameters, "weight_decay": decay, SCALE: scale} for (scale, decay), parameters in groups.items()
    ]
    return torch.optim.AdamW(listed, lr=0.0, betas=config.betas)


def layer_of(name: str, depths: tuple[int, ...]) -> int:
    """Returns how far from the input a parameter lies: 0 for patch embeds, 1 and on for blocks, then all that follows.

    Args:
        name: Of the parameter, whatever module the backbone is in.
        depths: Blocks of each stage.
    """
    total = sum(depths)
    if "encoder." not in name:
        return total + 1
    found = _BLOCK.search(name)
    if found is None:
        return total + 1 if "encoder.norms." in name else 0
    stage = int(found[1])
    before = sum(depths[:stage])
    if "encoder.mergings." in name:  # between this stage and the next
        return before + depths[stage]
    return before + int(found[2] or 0) + 1


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of every group."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group[SCALE]
