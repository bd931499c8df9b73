"""RingMoE: encode images, fuse groups of them, decode maps, read classes and changes.

Legend: B places, G groups, T images a place, N = B G, P map channels, K classes, H, W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ringmoe_core.decoder import Decoder
from ringmoe_core.encoder import Encoder
from ringmoe_core.fusion import FusedPyramid, Fusion
from ringmoe_core.heads.change import ChangeHead
from ringmoe_core.heads.segmentation import SegmentationHead
from ringmoe_core.initialise import initialise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.features import Features
    from ringmoe_core.hidden_tokens import HiddenTokens
    from ringmoe_core.series import Series


class RingMoE(nn.Module):
    """A mixture-of-experts vision transformer over time series of any subset of its modalities."""

    def __init__(self, config: RingMoEConfig, *, seed: int | None = 0) -> None:
        """Builds the model.

        Args:
            config: sizes, modalities and classes.
            seed: of the first values; None leaves the parameters without storage, on the meta device.
        """
        super().__init__()
        self.config = config
        with torch.device("meta"):  # values are drawn once, from our own generator
            self.encoder = Encoder(config)
            if config.maps:
                self.fusion = Fusion(config)
                self.decoder = Decoder(config)
                self.segmentation_head = SegmentationHead(config.map_dim, len(config.class_codes))
                self.change_head = ChangeHead(config.map_dim, len(config.change_codes))
        if seed is not None:
            self.to_empty(device="cpu")
            initialise(self, seed, style=config.style)

    def encode(self, series: Mapping[str, Series], hidden: HiddenTokens | None = None) -> Features:
        """Features of every image, given by modality; each image's depend on that image alone.

        Args:
            series: images by modality.
            hidden: patches that masked pre-training has a learned token stand for.

        Raises:
            ValueError: the series do not fit each other or the configuration.
        """
        features: Features = self.encoder(series, hidden)
        return features

    def fuse(self, features: Features, membership_BGT: Tensor) -> FusedPyramid:
        """One pyramid for each group of images (batch B * G, group fastest).

        Args:
            features: of `encode`.
            membership_BGT: bool; T runs over the modalities of the batch in the configuration's order, dates inside.

        Raises:
            ValueError: the membership does not fit the features, or the model is a backbone alone.
        """
        if not self.config.maps:
            raise ValueError(
                "fusion, decoder and heads belong to models built with maps, got a configuration with maps=False; "
                "use the features of `encode`, or build with dataclasses.replace(config, maps=True)"
            )
        fused: FusedPyramid = self.fusion(features, membership_BGT)
        return fused

    def decode(self, fused: FusedPyramid) -> Tensor:
        """Maps (N, P, H, W) at full resolution."""
        maps_NPHW: Tensor = self.decoder(fused)
        return maps_NPHW

    def segment(self, maps_NPHW: Tensor) -> Tensor:
        """Land-cover logits (N, K, H, W), classes in the order of `config.class_codes`."""
        logits_NKHW: Tensor = self.segmentation_head(maps_NPHW)
        return logits_NKHW

    def change(self, before_NPHW: Tensor, after_NPHW: Tensor) -> Tensor:
        """Change logits (N, K, H, W), classes in the order of `config.change_codes`.

        Raises:
            ValueError: the two differ in shape.
        """
        logits_NKHW: Tensor = self.change_head(before_NPHW, after_NPHW)
        return logits_NKHW

    def forward(self, series: Mapping[str, Series], membership_BGT: Tensor) -> Tensor:
        """Land-cover logits (N, K, H, W) of each group."""
        return self.segment(self.decode(self.fuse(self.encode(series), membership_BGT)))
