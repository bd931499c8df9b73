"""Series: the images of one modality at a batch of places.

Legend: B places, T dates, C channels, H height, W width (pixels).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ringmoe_core.band import Band

_IMAGE_AXES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Normalised pixels with what is known about them; shorter series of a batch are padded with invalid images."""

    pixels_BTCHW: Tensor
    """Normalised values, floating point; anything (NaN too) where invalid or where the band is absent."""

    valid_BTHW: Tensor
    """Bool, True means usable. An image that is False throughout is padding and costs nothing."""

    present_BTC: Tensor
    """Bool, True where the image has the band at all."""

    day_BT: Tensor
    """Acquisition as a fraction of the year, [0, 1); anything finite for padding."""

    age_BT: Tensor | None = None
    """Years before the date that the maps are for, at least 0; None means 0 for every image."""

    gsd_m_BT: Tensor | None = None
    """Ground sampling distance in metres, above 0, NaN where it is not known; None where it is known of no image."""

    bands: tuple[Band, ...] | None = None
    """What each channel measures, in order; None for the modality's own bands (`modality_bands`). Read by a model with
    spectral embedding only."""

    check_values: bool = True
    """Whether values are looked at, besides shapes; a training loop that checked its store may switch it off."""

    def __post_init__(self) -> None:
        self._check_types()
        self._check_shapes()
        if self.check_values:
            self._check_finite()
            self._check_times()
            self._check_gsd()

    @property
    def num_places(self) -> int:
        """Places of the batch."""
        return self.pixels_BTCHW.shape[0]

    @property
    def num_dates(self) -> int:
        """Images a place, padding included."""
        return self.pixels_BTCHW.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels_BTCHW.shape[3], self.pixels_BTCHW.shape[4]

    def _check_types(self) -> None:
        if not self.pixels_BTCHW.is_floating_point():
            raise ValueError(f"pixels must be floating point, got {self.pixels_BTCHW.dtype}; normalise them first")
        for name in ("valid_BTHW", "present_BTC"):
            if getattr(self, name).dtype != torch.bool:
                raise ValueError(f"{name} must be bool, got {getattr(self, name).dtype}; compare it first")
        for name, unit in (
            ("day_BT", "years as a fraction"),
            ("age_BT", "years as a fraction"),
            ("gsd_m_BT", "metres"),
        ):
            value = getattr(self, name)
            if value is not None and not value.is_floating_point():
                raise ValueError(f"{name} must be floating point, got {value.dtype}; give {unit}")
        bands: object = self.bands  # callers are not all type checked
        if bands is not None and not (isinstance(bands, tuple) and all(isinstance(band, Band) for band in bands)):
            raise ValueError(f"bands must be a tuple of Band, got {bands!r}; describe each channel by a Band")

    def _check_shapes(self) -> None:
        shape = tuple(self.pixels_BTCHW.shape)
        if len(shape) != _IMAGE_AXES or min(shape) < 1:
            raise ValueError(f"pixels must have the axes (B, T, C, H, W), none empty, got {shape}; reshape them")
        B, T, C, H, W = shape
        expected = {"valid_BTHW": (B, T, H, W), "present_BTC": (B, T, C), "day_BT": (B, T)}
        expected |= {"age_BT": (B, T), "gsd_m_BT": (B, T)}
        for name, wanted in expected.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != wanted:
                raise ValueError(
                    f"{name} must have shape {wanted} to fit pixels {shape}, got {tuple(value.shape)}; match them"
                )
        if self.bands is not None and len(self.bands) != C:
            raise ValueError(
                f"bands must name each of the {C} channels, got {len(self.bands)} of them; give one Band a channel"
            )

    def _check_finite(self) -> None:
        if torch.isfinite(self.pixels_BTCHW.sum()):  # one pass; the full test only where something is amiss
            return
        usable_BTCHW = self.valid_BTHW[:, :, None] & self.present_BTC[..., None, None]
        bad_BTCHW = ~torch.isfinite(self.pixels_BTCHW) & usable_BTCHW
        if bad_BTCHW.any():
            where = tuple(int(axis) for axis in bad_BTCHW.nonzero()[0])
            raise ValueError(
                f"a valid pixel of a present band must be finite, got {float(self.pixels_BTCHW[where])} at "
                f"(place, date, channel, row, column) {where} ({int(bad_BTCHW.sum())} in all); mark such pixels invalid"
            )

    def _check_times(self) -> None:
        live_BT = self.valid_BTHW.flatten(2).any(-1)
        days = self.day_BT[live_BT]
        if days.numel() and not bool(((days >= 0) & (days < 1)).all()):
            raise ValueError(
                f"day must lie in [0, 1), got {days.min()} to {days.max()}; divide by the days of the year"
            )
        if not bool(torch.isfinite(self.day_BT).all()):
            raise ValueError("day must be finite for padding too, got NaN or infinity; use 0 there")
        if self.age_BT is not None and not bool((self.age_BT >= 0).all() & torch.isfinite(self.age_BT).all()):
            raise ValueError(
                f"age must be finite and at least 0 years, got minimum {self.age_BT.min()}; count back in time"
            )

    def _check_gsd(self) -> None:
        if self.gsd_m_BT is None:
            return
        bad_BT = ~((self.gsd_m_BT > 0) & torch.isfinite(self.gsd_m_BT) | torch.isnan(self.gsd_m_BT))
        if bool(bad_BT.any()):
            place, date = (int(axis) for axis in bad_BT.nonzero()[0])
            raise ValueError(
                f"a ground sampling distance must be above 0 and finite, got {float(self.gsd_m_BT[place, date])} m at "
                f"(place, date) {(place, date)}; use NaN where it is not known, for padding too"
            )
