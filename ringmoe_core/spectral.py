"""Patch embedding for any bands: filters are made from each band's descriptor instead of stored by channel.

Legend: N images, C channels, K = C + 1 with the validity channel, Q entries of a descriptor, H height, W width,
h, w patch grid, p pixels along a patch, R hidden channels, V values made for a band, D token channels, E = C p p,
S full-resolution channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.band import DESCRIPTOR_SIZE

HIDDEN = 128
"""Channels of the network that makes the filters."""


class FilterMaker(nn.Module):
    """A small network from a band's descriptor to the values of its filter.

    Follows the idea of DOFA, dynamic one-for-all (arXiv 2403.15356): one network makes the filters of every sensor's
    bands from their wavelengths. Here the descriptor also knows radar (`describe_bands`), each band's filter depends on
    that band alone (theirs come from a transformer over the bands), and an absent band is left out of the sum.
    """

    def __init__(self, num_values: int) -> None:
        super().__init__()
        self.descriptor = nn.Linear(DESCRIPTOR_SIZE, HIDDEN)
        self.hidden = nn.Linear(HIDDEN, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN)  # unit variance of a value at any descriptor, with weights scaled by fan-in
        self.values = nn.Linear(HIDDEN, num_values)

    def forward(self, bands_CQ: Tensor) -> Tensor:
        """Values (C, V), each of about unit variance with fresh parameters."""
        hidden_CR = functional.gelu(self.hidden(functional.gelu(self.descriptor(bands_CQ))))
        values_CV: Tensor = self.values(self.norm(hidden_CR))
        return values_CV


class SpectralEmbed(nn.Module):
    """One patch a token, from any number of bands in any order.

    token = norm(1/n sum_c (W(b_c) * x_c / p + e(b_c)) + V * v + a), over the n present bands c with pixels x_c and
    descriptors b_c; W (filter) and e (presence) are made by a `FilterMaker`, V is the filter of the validity v and a
    the bias. As a mean over bands, it stays of one size from one band to hundreds, no order of bands changes it, and
    neither does naming every band twice.
    """

    def __init__(self, dim: int, patch: int) -> None:
        super().__init__()
        self.dim = dim
        self.patch = patch
        self.filters = FilterMaker(dim * patch * patch + dim)
        self.validity = nn.Linear(patch * patch, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, input_NKHW: Tensor, present_NC: Tensor, bands_CQ: Tensor) -> Tensor:
        """Tokens (N, h, w, D) of input that `masked_input` made.

        Args:
            input_NKHW: absent bands and invalid pixels at zero, validity last; H and W multiples of the patch.
            present_NC: bool, which bands an image has.
            bands_CQ: `describe_bands` of the C bands, the same for all images.

        Raises:
            ValueError: the descriptors do not fit the channels.
        """
        _check_bands(input_NKHW, bands_CQ)
        N, K, H, W = input_NKHW.shape
        D, p = self.dim, self.patch
        values_CV = self.filters(bands_CQ.to(input_NKHW.dtype))
        filters_DE = values_CV[:, : D * p * p].reshape(-1, D, p * p).transpose(0, 1).flatten(1) / p
        share_NC = _share(present_NC, input_NKHW.dtype)
        # stride = kernel: each patch is one row of a matrix product
        patches = _weigh_bands(input_NKHW, share_NC).reshape(N, K, H // p, p, W // p, p).permute(0, 2, 4, 1, 3, 5)
        weight = torch.cat([filters_DE, self.validity.weight], dim=1)
        tokens_NhwD = functional.linear(patches.flatten(3), weight, self.validity.bias)
        presence_ND = share_NC @ values_CV[:, D * p * p :]
        embedded: Tensor = self.norm(tokens_NhwD + presence_ND[:, None, None])
        return embedded


class SpectralSkip(nn.Module):
    """Features of each pixel's 3 x 3 neighbourhood, from any number of bands in any order.

    feature = gelu(1/n sum_c W(b_c) * x_c / 3 + V * v + a), with the symbols of `SpectralEmbed`.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.filters = FilterMaker(dim * 9)
        self.validity = nn.Conv2d(1, dim, 3, padding=1)

    def forward(self, input_NKHW: Tensor, present_NC: Tensor, bands_CQ: Tensor) -> Tensor:
        """Features (N, H, W, S); arguments and errors as of `SpectralEmbed.forward`."""
        _check_bands(input_NKHW, bands_CQ)
        filters_SC33 = self.filters(bands_CQ.to(input_NKHW.dtype)).reshape(-1, self.dim, 3, 3).transpose(0, 1) / 3
        weight = torch.cat([filters_SC33, self.validity.weight], dim=1)
        weighed = _weigh_bands(input_NKHW, _share(present_NC, input_NKHW.dtype))
        features_NSHW = functional.conv2d(
            weighed.contiguous(memory_format=torch.channels_last), weight, self.validity.bias, padding=1
        )
        return functional.gelu(features_NSHW).permute(0, 2, 3, 1)


def _share(present_NC: Tensor, dtype: torch.dtype) -> Tensor:
    """1/n at each of an image's n present bands, else 0."""
    return present_NC.to(dtype) / present_NC.sum(1, keepdim=True).clamp_min(1).to(dtype)


def _weigh_bands(input_NKHW: Tensor, share_NC: Tensor) -> Tensor:
    """Bands times their share, validity as it is; smaller than the tokens, so cheaper here than after the product."""
    return input_NKHW * functional.pad(share_NC, (0, 1), value=1.0)[:, :, None, None]


def _check_bands(input_NKHW: Tensor, bands_CQ: Tensor) -> None:
    wanted = (input_NKHW.shape[1] - 1, DESCRIPTOR_SIZE)
    if tuple(bands_CQ.shape) != wanted:
        raise ValueError(
            f"one descriptor of {DESCRIPTOR_SIZE} entries a channel is needed, shape {wanted}, got "
            f"{tuple(bands_CQ.shape)}; describe the bands of these channels"
        )
