"""A class for a pixel out of its decoded map and statistics of its own series: what a user's own labels teach.

Legend: N maps or rows, P map channels, S statistics, F features (P + S), I inputs of the first layer, K classes, H, W
pixels.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

DROPOUT: Final = 0.1
_ROWS: Final = 2


class PixelHead(nn.Module):
    """One linear layer on standardised features, or two with a hidden one between; missing features are marked."""

    reads: ClassVar[Literal["maps"]] = "maps"

    def __init__(self, num_maps: int, num_statistics: int, num_classes: int, *, hidden: int = 0) -> None:
        """Builds the head; its standardisation changes nothing until `set_standard`.

        Args:
            num_maps: channels of the decoded maps, 0 where they are not read.
            num_statistics: statistics of the pixel's series, 0 where they are not read.
            num_classes: logits a pixel.
            hidden: width of the hidden layer; 0 for none.

        Raises:
            ValueError: no feature, or a negative number.
        """
        super().__init__()
        if min(num_maps, num_statistics, hidden) < 0 or num_maps + num_statistics < 1 or num_classes < 1:
            raise ValueError(
                f"a pixel head reads maps or statistics, got {num_maps} and {num_statistics} for {num_classes} "
                "classes; give it one of them"
            )
        self.num_maps, self.num_statistics = num_maps, num_statistics
        features = num_maps + num_statistics
        self.centre_F: Tensor
        self.spread_F: Tensor
        self.register_buffer("centre_F", torch.zeros(features))
        self.register_buffer("spread_F", torch.ones(features))
        inputs = features + num_statistics
        self.hide = nn.Linear(inputs, hidden) if hidden else nn.Identity()
        self.classify = nn.Linear(hidden or inputs, num_classes)
        self.hidden = hidden

    def set_standard(self, centre_F: Tensor, spread_F: Tensor) -> None:
        """Sets what features are centred on and divided by."""
        self.centre_F.copy_(centre_F)
        self.spread_F.copy_(spread_F)

    def inputs(self, features_NF: Tensor) -> Tensor:
        """Standardised features, 0 where missing, then a flag for each missing statistic, (N, I)."""
        seen_NF = torch.isfinite(features_NF)
        scaled_NF = torch.where(seen_NF, (features_NF - self.centre_F) / self.spread_F, 0.0)
        missing_NS = (~seen_NF[:, self.num_maps :]).to(scaled_NF.dtype)
        return torch.cat([scaled_NF, missing_NS], dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, K) of rows of features (N, F), or (N, K, H, W) of planes (N, F, H, W); NaN is missing.

        Raises:
            ValueError: another number of features.
        """
        if features.shape[1] != self.centre_F.numel():
            raise ValueError(
                f"features must be {self.num_maps} of maps and {self.num_statistics} statistics, "
                f"got {features.shape[1]}; read the same ones as in training"
            )
        if features.dim() == _ROWS:
            return self._logits(features)
        N, F, H, W = features.shape
        logits_RK = self._logits(features.permute(0, 2, 3, 1).reshape(-1, F))
        return logits_RK.reshape(N, H, W, -1).permute(0, 3, 1, 2)

    def _logits(self, features_NF: Tensor) -> Tensor:
        inputs_NI = self.inputs(features_NF)
        if self.hidden:
            inputs_NI = functional.dropout(functional.gelu(self.hide(inputs_NI)), DROPOUT, self.training)
        logits_NK: Tensor = self.classify(inputs_NI)
        return logits_NK
