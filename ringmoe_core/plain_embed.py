"""The paper's patch embed: one strided convolution and a norm.

Legend: N images, K = C + 1 channels with validity, H, W pixels, h, w patch grid, D token channels.
"""

from __future__ import annotations

from torch import Tensor, nn

PAPER_EPS = 1e-6
"""Of the norms after the patch embed and after the last stage in the paper's style (its authors' configuration)."""


class PlainEmbed(nn.Module):
    """One patch a token; what is invalid or absent enters as zero and is not told apart from a measured zero."""

    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(channels, dim, patch, stride=patch)
        self.norm = nn.LayerNorm(dim, eps=PAPER_EPS)

    def forward(self, input_NKHW: Tensor, _present_NC: Tensor) -> Tensor:
        """Tokens (N, h, w, D) of input that `masked_input` made, whose validity channel is left out."""
        embedded: Tensor = self.norm(self.projection(input_NKHW[:, :-1]).permute(0, 2, 3, 1))
        return embedded
