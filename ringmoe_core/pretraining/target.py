"""Target: what a decoder predicts of one modality, and how that is judged.

Legend: N images, R numbers that the decoder gives a pixel, C physical channels, H, W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Physical values of images of one modality, and which of them are judged."""

    values_NCHW: Tensor
    """NaN or anything where missing."""

    known_NCHW: Tensor
    """Bool, which values exist, hidden or not."""

    present_NC: Tensor
    """Bool, which channels an image has."""

    judged_NHW: Tensor
    """Bool, hidden pixels."""

    @property
    def weight(self) -> Tensor:
        """1 where a hidden value exists, (N, C, H, W)."""
        return (self.known_NCHW & self.judged_NHW[:, None]).float()

    @property
    def whole(self) -> Tensor:
        """Bool (N, H, W), pixels at which every channel that the image has is known, and there is one."""
        complete = (self.known_NCHW | ~self.present_NC[..., None, None]).all(1)
        return complete & self.present_NC.any(1)[:, None, None]


class Target(Protocol):
    """One way to predict one modality."""

    @property
    def num_numbers(self) -> int:
        """R."""
        ...

    def losses(self, numbers_NRHW: Tensor, truth: Truth) -> Mapping[str, Tensor]:
        """Terms with gradient; the one named "" is the modality's own, others are beside it."""
        ...

    def physical(self, numbers_NRHW: Tensor) -> Tensor:
        """What the numbers say in physical units: (N, C, H, W), or a covariance (N, P, P, H, W)."""
        ...
