"""Which parameters learn, and how many they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterCount:
    """Parameters of a module, and those of them that learn."""

    trainable: int
    """With gradient."""

    total: int
    """All, shared ones once."""

    by_part: dict[str, int]
    """Those that learn, by the first name of their path."""

    @property
    def share(self) -> float:
        """Of those that learn, 0 to 1; 0 where there are none at all."""
        return self.trainable / self.total if self.total else 0.0

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {num:,}" for name, num in self.by_part.items())
        return f"{self.trainable:,} of {self.total:,} parameters learn ({self.share:.2%}): {parts or 'none'}"


def trainable_parameters(module: nn.Module) -> ParameterCount:
    """How many of a module's parameters learn."""
    by_part: dict[str, int] = {}
    trainable = total = 0
    for name, parameter in module.named_parameters():
        total += parameter.numel()
        if parameter.requires_grad:
            trainable += parameter.numel()
            part = name.partition(".")[0]
            by_part[part] = by_part.get(part, 0) + parameter.numel()
    return ParameterCount(trainable=trainable, total=total, by_part=by_part)


def freeze(module: nn.Module) -> None:
    """Takes the gradient from every parameter; what is added or released afterwards learns."""
    module.requires_grad_(requires_grad=False)
