"""Layer normalisation of maps.

Legend: N maps, D channels, h, w cells.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class ChannelNorm(nn.Module):
    """Normalises the channels of each cell by itself, so that no cell depends on the extent of the map."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, maps_NDhw: Tensor) -> Tensor:
        """Maps of the same shape."""
        normed_NhwD: Tensor = self.norm(maps_NDhw.permute(0, 2, 3, 1))
        return normed_NhwD.permute(0, 3, 1, 2)


class ConvNorm(nn.Module):
    """Convolution, layer norm over channels, GELU."""

    def __init__(self, dim_in: int, dim_out: int, side: int = 3) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(dim_in, dim_out, side, padding=side // 2, bias=False)
        self.norm = ChannelNorm(dim_out)

    def forward(self, maps_NDhw: Tensor) -> Tensor:
        """Maps of `dim_out` channels."""
        return functional.gelu(self.norm(self.convolution(maps_NDhw)))
