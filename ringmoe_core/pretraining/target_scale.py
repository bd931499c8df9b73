"""How physical values and a decoder's free numbers are brought to one scale.

Legend: N images, C channels, H, W pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ringmoe_core.modality import MODALITIES

if TYPE_CHECKING:
    from torch import Tensor

NEPERS_PER_DB: Final = math.log(10) / 10

_MS: Final = (
    (0.06, 0.05), (0.08, 0.05), (0.09, 0.07), (0.13, 0.07), (0.22, 0.10),
    (0.26, 0.11), (0.28, 0.12), (0.29, 0.12), (0.22, 0.10), (0.14, 0.09),
)  # fmt: skip
_OPTICAL: Final = ((0.09, 0.07), (0.08, 0.05), (0.06, 0.05))
_DETECTED: Final = ((-11.0, 5.0), (-18.0, 5.0))
_COMPLEX: Final = ((-11.0, 5.0), (-18.0, 5.0), (-18.0, 5.0), (-11.0, 5.0))

_KNOWN: Final = {"optical": _OPTICAL, "sar_l1": _COMPLEX, "sar_l2": _DETECTED, "ms": _MS}
"""Mean and deviation of each channel: the convention `physical-v1` of the model's input, reflectance for optical and
ms, dB for radar (HH and VV of complex radar like VV, HV and VH like VH)."""

_ANY: Final = {"optical": (0.08, 0.06), "sar_l1": (-14.5, 5.0), "sar_l2": (-14.5, 5.0), "ms": (0.18, 0.09)}
"""The same for a model whose channels are others than the convention's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetScale:
    """Mean and deviation of each channel, in reflectance or dB."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def standardised(self, values_NCHW: Tensor) -> Tensor:
        """(x - mean) / std."""
        mean, std = self._planes(values_NCHW)
        return (values_NCHW - mean) / std

    def natural(self, numbers_NCHW: Tensor) -> Tensor:
        """The inverse: mean + std z."""
        mean, std = self._planes(numbers_NCHW)
        return numbers_NCHW * std + mean

    def log_power(self, numbers_NCHW: Tensor) -> Tensor:
        """Natural logarithm of the power that numbers on the scale of decibels stand for."""
        return self.natural(numbers_NCHW) * NEPERS_PER_DB

    def _planes(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (like.new_tensor(values).reshape(1, -1, 1, 1) for values in (self.mean, self.std))
        return mean, std


def target_scale(modality: str, channels: int) -> TargetScale:
    """The scale of a modality's physical channels.

    Raises:
        ValueError: a modality of which nothing is known.
    """
    if modality not in _KNOWN:
        raise ValueError(f"pre-training knows the modalities {MODALITIES}, got {modality!r}; rename or leave it out")
    pairs = _KNOWN[modality] if len(_KNOWN[modality]) == channels else (_ANY[modality],) * channels
    return TargetScale(mean=tuple(pair[0] for pair in pairs), std=tuple(pair[1] for pair in pairs))
