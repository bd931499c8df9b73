"""HeightPrediction: a distribution of height for each pixel.

Legend: N maps, Z bins, H, W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class HeightPrediction:
    """A mixture of Gaussians a pixel, whose centres and spreads are those of the image's bins; float32."""

    weights_NZHW: Tensor
    """Share of each bin, summing to 1."""

    centres_NZ: Tensor
    """Metres, rising."""

    spreads_NZ: Tensor
    """Standard deviation within a bin, metres, above 0."""

    @property
    def mean_m_NHW(self) -> Tensor:  # noqa: N802 - a tensor carries its shape
        """Expected height, metres."""
        return (self.weights_NZHW * self.centres_NZ[..., None, None]).sum(1)  # no product: autocast would round metres

    @property
    def sd_m_NHW(self) -> Tensor:  # noqa: N802 - a tensor carries its shape
        """Standard deviation, metres: of the bins around their mean, and within them."""
        away_NZHW = self.centres_NZ[..., None, None] - self.mean_m_NHW[:, None]
        variance_NZHW = away_NZHW.square() + self.spreads_NZ.square()[..., None, None]
        return (self.weights_NZHW * variance_NZHW).sum(1).sqrt()
