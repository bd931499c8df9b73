"""PretrainBatch: images as the model sees them, and the physical values that they are judged by.

Legend: B places, T dates, C physical channels, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ringmoe_core.images import pick_images
from ringmoe_core.pretraining.target import Truth

if TYPE_CHECKING:
    from ringmoe_core.series import Series

NUM_POLARISATIONS = 4
"""HH, HV, VH, VV."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainBatch:
    """Images of the modalities of B places; those of one row are co-registered and of one place."""

    series: Mapping[str, Series]
    """Normalised images by modality."""

    physical: Mapping[str, Tensor]
    """For each modality (B, T, C, H, W), NaN where missing: reflectance (unit 1) for optical and ms, linear power for
    sar_l2, complex backscatter (|S|^2 is linear power) of HH, HV, VH, VV for sar_l1."""

    seed: int
    """Of the masks; equal seeds hide equal places."""

    place_B: Tensor | None = None
    """Integers; rows with equal ones show the same ground (at other dates, or overlapping) and are no negatives of each
    other. None means that all differ."""

    def __post_init__(self) -> None:
        if not self.series or set(self.physical) != set(self.series):
            raise ValueError(
                f"every modality needs its physical values, got series of {sorted(self.series)} and values of "
                f"{sorted(self.physical)}; give one for each"
            )
        for name, one in self.series.items():
            self._check_values(name, one)
        seed: object = self.seed  # callers are not all type checked
        if not isinstance(seed, int) or seed < 0:
            raise ValueError(f"the seed of the masks must be an integer of at least 0, got {seed!r}; count steps")
        places = next(iter(self.series.values())).num_places
        if self.place_B is not None and (tuple(self.place_B.shape) != (places,) or self.place_B.is_floating_point()):
            raise ValueError(
                f"place_B must hold one integer for each of {places} rows, got {self.place_B.dtype} "
                f"{tuple(self.place_B.shape)}; number the places"
            )

    def _check_values(self, name: str, one: Series) -> None:
        B, T, C, H, W = one.pixels_BTCHW.shape
        values = self.physical[name]
        wanted = (B, T, NUM_POLARISATIONS if name == "sar_l1" else C, H, W)
        if tuple(values.shape) != wanted:
            raise ValueError(f"physical values of {name} must be {wanted}, got {tuple(values.shape)}; match the series")
        fits = values.is_complex() if name == "sar_l1" else values.is_floating_point()
        if not fits:
            kind = "complex" if name == "sar_l1" else "floating point"
            raise ValueError(f"physical values of {name} must be {kind}, got {values.dtype}; convert them")

    def present(self, name: str) -> Tensor:
        """Whether an image has each physical channel, bool (B, T, C); a polarisation needs both I and Q."""
        present_BTC = self.series[name].present_BTC
        return present_BTC.unflatten(2, (NUM_POLARISATIONS, -1)).all(-1) if name == "sar_l1" else present_BTC  # type: ignore[no-untyped-call]

    def known(self, name: str) -> Tensor:
        """Which physical values exist, bool (B, T, C, H, W): valid, of a channel that is there, and finite."""
        values = self.physical[name]
        finite = torch.isfinite(values.real) & torch.isfinite(values.imag) if name == "sar_l1" else values.isfinite()
        return finite & self.series[name].valid_BTHW[:, :, None] & self.present(name)[..., None, None]

    def truth(self, name: str, judged_BTHW: Tensor, images_N: Tensor) -> Truth:
        """What images of a modality are judged by.

        Args:
            name: of the modality.
            judged_BTHW: bool, pixels that count.
            images_N: the images, as place x T + date.
        """
        values, known, present, judged = (
            pick_images(part.flatten(0, 1), images_N)
            for part in (self.physical[name], self.known(name), self.present(name), judged_BTHW)
        )
        return Truth(values_NCHW=values, known_NCHW=known, present_NC=present, judged_NHW=judged)
