"""PointSeries: what one sensor saw at points, without their neighbourhood.

Legend: B points, T dates, C bands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ringmoe_core.series import Series

_AXES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSeries:
    """Normalised values of one modality at a batch of points; shorter series are padded with invalid dates."""

    values_BTC: Tensor
    """Floating point; anything (NaN too) where invalid or absent."""

    valid_BT: Tensor
    """Bool, True means usable."""

    present_BTC: Tensor
    """Bool, True where the date has the band."""

    day_BT: Tensor
    """Acquisition as a fraction of the year, [0, 1); anything finite for padding."""

    def __post_init__(self) -> None:
        if self.values_BTC.dim() != _AXES or not self.values_BTC.is_floating_point():
            raise ValueError(
                f"values must be floating point (B, T, C), got {self.values_BTC.dtype} "
                f"{tuple(self.values_BTC.shape)}; shape them"
            )
        shape = tuple(self.values_BTC.shape)
        for name, wanted in (("valid_BT", shape[:2]), ("present_BTC", shape), ("day_BT", shape[:2])):
            value = getattr(self, name)
            if tuple(value.shape) != wanted:
                raise ValueError(f"{name} must have shape {wanted}, got {tuple(value.shape)}; match them")
            if name != "day_BT" and value.dtype != torch.bool:
                raise ValueError(f"{name} must be bool, got {value.dtype}; compare it first")
        usable_BTC = self.valid_BT[..., None] & self.present_BTC
        if not bool(torch.isfinite(self.values_BTC[usable_BTC]).all()):
            raise ValueError(
                "a valid value of a present band must be finite, got NaN or infinity; mark such bands absent"
            )

    @property
    def num_points(self) -> int:
        """B."""
        return self.values_BTC.shape[0]


def points_of(series: Series) -> PointSeries:
    """Every pixel of a series as a point of its own, places first, then rows, then columns."""
    B, T, C, H, W = series.pixels_BTCHW.shape
    pixels = B * H * W
    return PointSeries(
        values_BTC=series.pixels_BTCHW.permute(0, 3, 4, 1, 2).reshape(pixels, T, C),
        valid_BT=series.valid_BTHW.permute(0, 2, 3, 1).reshape(pixels, T),
        present_BTC=series.present_BTC[:, None].expand(B, H * W, T, C).reshape(pixels, T, C),
        day_BT=series.day_BT[:, None].expand(B, H * W, T).reshape(pixels, T),
    )
