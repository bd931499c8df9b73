"""Targets of images that are no complex radar: reflectance, and detected power.

Legend: N images, C channels, H, W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ringmoe_core.losses.gamma import floor_log_mean, gamma_nll
from ringmoe_core.losses.reconstruction import reconstruction_huber, reconstruction_l1
from ringmoe_core.losses.spectrum import spectral_angle

if TYPE_CHECKING:
    from torch import Tensor

    from ringmoe_core.pretraining.target import Truth
    from ringmoe_core.pretraining.target_scale import TargetScale


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectanceTarget:
    """Reflectance by its absolute or Huber's error in deviations of the band, and by the angle of the spectrum."""

    scale: TargetScale
    kind: Literal["l1", "huber"] = "l1"
    has_angle: bool = False

    @property
    def num_numbers(self) -> int:
        """C."""
        return len(self.scale.mean)

    def losses(self, numbers_NCHW: Tensor, truth: Truth) -> dict[str, Tensor]:
        """The error, and "angle" where it is asked for: of pixels whose bands are all known."""
        loss = reconstruction_l1 if self.kind == "l1" else reconstruction_huber
        terms = {"": loss(numbers_NCHW, self.scale.standardised(truth.values_NCHW), truth.weight)}
        if self.has_angle:
            present = truth.present_NC[..., None, None]
            predicted, true = (
                torch.where(present, spectra, 0.0) for spectra in (self.physical(numbers_NCHW), truth.values_NCHW)
            )
            terms["angle"] = spectral_angle(predicted, true, (truth.whole & truth.judged_NHW).float())
        return terms

    def physical(self, numbers_NCHW: Tensor) -> Tensor:
        """Reflectance (N, C, H, W)."""
        return self.scale.natural(numbers_NCHW)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerTarget:
    """Mean power by the Gamma likelihood of its speckle."""

    scale: TargetScale
    looks: float
    noise_power: float

    @property
    def num_numbers(self) -> int:
        """C."""
        return len(self.scale.mean)

    def losses(self, numbers_NCHW: Tensor, truth: Truth) -> dict[str, Tensor]:
        """The likelihood."""
        return {"": gamma_nll(self._log_mean(numbers_NCHW), truth.values_NCHW, truth.weight, self.looks)}

    def physical(self, numbers_NCHW: Tensor) -> Tensor:
        """Mean linear power (N, C, H, W)."""
        return self._log_mean(numbers_NCHW).exp()

    def _log_mean(self, numbers_NCHW: Tensor) -> Tensor:
        return floor_log_mean(self.scale.log_power(numbers_NCHW), self.noise_power)
