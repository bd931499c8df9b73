"""From the pixels of one modality to tokens, and to full-resolution features.

Legend: N images, C channels of the modality, K = C + 1 with the validity channel, H height, W width, h, w patch grid,
D token channels, S full-resolution channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def masked_input(pixels_NCHW: Tensor, valid_NHW: Tensor, present_NC: Tensor, multiple: int) -> Tensor:
    """Pixels with invalid values and absent bands at zero, and validity as last channel, padded to a multiple.

    Values are selected, not multiplied, so that NaN in an invalid pixel stays without effect.
    """
    usable_NCHW = valid_NHW[:, None] & present_NC[:, :, None, None]
    kept_NCHW = torch.where(usable_NCHW, pixels_NCHW, 0.0)
    input_NKHW = torch.cat([kept_NCHW, valid_NHW[:, None].to(kept_NCHW.dtype)], dim=1)
    pad_rows, pad_columns = (-size % multiple for size in valid_NHW.shape[1:])
    return functional.pad(input_NKHW, (0, pad_columns, 0, pad_rows)) if pad_rows or pad_columns else input_NKHW


class PatchEmbed(nn.Module):
    """One patch a token: a strided convolution, what bands there are, and a norm."""

    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.projection = nn.Conv2d(channels + 1, dim, patch, stride=patch)
        self.presence_CD = nn.Parameter(torch.empty(channels, dim))
        self.norm = nn.LayerNorm(dim)

    def forward(self, input_NKHW: Tensor, present_NC: Tensor) -> Tensor:
        """Tokens (N, h, w, D) of input that `masked_input` made."""
        N, K, H, W = input_NKHW.shape
        p = self.patch
        # stride = kernel: each patch is one row of a matrix product
        patches_NhwP = input_NKHW.reshape(N, K, H // p, p, W // p, p).permute(0, 2, 4, 1, 3, 5).flatten(3)
        tokens_NhwD = functional.linear(patches_NhwP, self.projection.weight.flatten(1), self.projection.bias)
        presence_ND = present_NC.to(tokens_NhwD.dtype) @ self.presence_CD
        embedded: Tensor = self.norm(tokens_NhwD + presence_ND[:, None, None])
        return embedded


class FullResolutionSkip(nn.Module):
    """Features of each pixel's 3 x 3 neighbourhood, which keep the edges that patches lose."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels + 1, dim, 3, padding=1)

    def forward(self, input_NKHW: Tensor) -> Tensor:
        """Features (N, H, W, S)."""
        features_NSHW = functional.gelu(self.convolution(input_NKHW.contiguous(memory_format=torch.channels_last)))
        return features_NSHW.permute(0, 2, 3, 1)
