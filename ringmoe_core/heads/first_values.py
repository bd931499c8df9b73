"""First values of a head's own parameters."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def draw_normal(values: Tensor, std: float) -> Tensor:
    """`values`, drawn anew from a normal distribution of mean 0; left alone where a tensor has no memory.

    A head is built without memory to learn its shapes alone; PyTorch would load its compiler to draw nothing there,
    which takes a second.
    """
    return values if values.is_meta else values.normal_(std=std)
