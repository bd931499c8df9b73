"""First values of a model's parameters, all drawn from one generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

RESIDUAL_STD = 0.02
"""Layers whose output is added to a residual stream start small (Swin Transformer, arXiv 2103.14030)."""


def initialise(model: nn.Module, seed: int, *, style: str = "modern") -> None:
    """Fills every parameter of `model` in place; equal seeds give equal values.

    Norms are one and zero, biases, buffers and the encoding of the acquisition zero. In the paper's style the rest of
    the encoder is truncated normal with deviation 0.02 (its authors' code). In the modern one that holds for residual
    branches, routers, bias tables, embeddings and the last layer of a head; layers in a chain without residual or norm
    are scaled by their fan-in, since 0.02 would let the signal die out over them.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for buffer in model.buffers():
            buffer.zero_()
        for name, module in model.named_modules():
            for own, parameter in module.named_parameters(recurse=False):
                if isinstance(module, nn.LayerNorm):
                    parameter.fill_(1.0 if own == "weight" else 0.0)
                elif _starts_at_zero(name, own):
                    parameter.zero_()
                elif style == "paper" and name.startswith("encoder."):
                    _draw(parameter, RESIDUAL_STD, generator)
                else:
                    _draw(parameter, _deviation(name, parameter), generator)


def _starts_at_zero(name: str, own: str) -> bool:
    """Biases, the encoding of the acquisition, and the logarithm of the cosine's scale over its first value."""
    return name.startswith("encoder.acquisition") or own == "log_scale_A" or ("bias" in own and "table" not in own)


def _deviation(name: str, parameter: Tensor) -> float:
    chained = (
        name.endswith((".reduction", ".convolution", ".compare"))
        or ".position." in name
        or (name.startswith(("encoder.embeds", "encoder.skips", "fusion.", "decoder.")) and parameter.dim() > 1)
    )
    if chained and not name.endswith(".context"):
        return 1.0 / math.sqrt(parameter[0].numel())
    return RESIDUAL_STD


def _draw(parameter: Tensor, deviation: float, generator: torch.Generator) -> None:
    values = torch.empty(parameter.shape)
    nn.init.trunc_normal_(values, std=deviation, a=-2 * deviation, b=2 * deviation, generator=generator)
    parameter.copy_(values)
