"""The mean over what counts, which nothing else can spoil.

Legend: ... any axes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of `values`, scalar: sum(w v) / sum(w), and 0 with gradient 0 where no weight is above 0.

    Values of weight 0 are selected away before anything is multiplied, so that NaN or infinity there reaches neither
    the mean nor the gradient with respect to `values`. What made the NaN may still have a slope of NaN: put it through
    `counted` first.

    Args:
        values: any shape, floating point; half precision is widened to float32.
        weight: the same shape, at least 0 (or bool).

    Raises:
        ValueError: the shapes differ.
    """
    check_alike(values=values, weight=weight)
    weight = weight.to(wide(values))
    total = (counted(values.to(wide(values)), weight) * weight).sum()
    mass = weight.sum()
    return total / torch.where(mass > 0, mass, 1.0)


def counted(values: Tensor, weight: Tensor, fill: float = 0.0) -> Tensor:
    """`values` where `weight` is above 0, else `fill`: with no value and no gradient from the rest."""
    return torch.where(weight > 0, values, fill)


def wide(values: Tensor) -> torch.dtype:
    """The type that a loss of `values` is computed in: float32, or the values' own where that is wider."""
    return torch.promote_types(values.dtype, torch.float32)


def check_alike(**tensors: Tensor) -> None:
    """Checks that tensors have one shape, since broadcasting would turn a slip into another loss.

    Raises:
        ValueError: they do not.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"tensors of a loss must have one shape, got {shapes}; expand or cut them alike")
