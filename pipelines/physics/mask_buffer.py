"""Margins around clouds and shadows: their edges are thin, and masks tend to miss them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from scipy import ndimage

from pipelines.schema import Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalogs.scenes import Scene
    from pipelines.physics.step import StepContext, StepPixels
    from pipelines.schema import Group

_CLOUD: Final = np.uint16(int(Reason.CLOUD | Reason.CIRRUS))
_SHADOW: Final = np.uint16(int(Reason.CLOUD_SHADOW))
_BUFFER: Final = np.uint16(int(Reason.CLOUD_BUFFER))


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskBuffer:
    """A step that widens clouds and shadows; widths in pixels of the grid."""

    name: ClassVar[str] = "mask_buffer"
    groups: ClassVar[tuple[Group, ...]] = ("l8", "s2")
    planes: ClassVar[tuple[str, ...]] = ()

    cloud_px: float = 0.0
    """Around cloud and cirrus."""

    shadow_px: float = 0.0
    """Around cloud shadow."""

    def __post_init__(self) -> None:
        for name, width in (("cloud_px", self.cloud_px), ("shadow_px", self.shadow_px)):
            if not (math.isfinite(width) and width >= 0):
                raise ValueError(f"{name} is a width of 0 or more pixels, got {width}; leave it out for no margin")

    @property
    def halo_px(self) -> int:
        """Pixels around a block that its flags depend on."""
        return math.ceil(max(self.cloud_px, self.shadow_px))

    def obstacle(self, scene: Scene) -> str:
        """Returns '': a scene without a mask has nothing to widen, and says `not_masked` already."""
        del scene
        return ""

    def apply(self, pixels: StepPixels, context: StepContext) -> StepPixels:
        """Returns the pixels with the margins flagged."""
        del context
        return replace(pixels, reason=buffer_reasons(pixels.reason, self))


def buffer_reasons(reason: NDArray[np.uint16], buffer: MaskBuffer) -> NDArray[np.uint16]:
    """Returns the reasons with `cloud_buffer` set within a distance of clouds and shadows.

    The distance is Euclidean, between pixel centres. Pixels that the mask itself names keep their bits and get none, so
    that the mask without its margin can be had back: clear the one bit.

    Args:
        reason: (y, x) bits of `Reason`; not changed.
        buffer: The widths.
    """
    cloudy, shady = (reason & _CLOUD) != 0, (reason & _SHADOW) != 0
    near = _within(cloudy, buffer.cloud_px) | _within(shady, buffer.shadow_px)
    return np.where(near & ~cloudy & ~shady, reason | _BUFFER, reason).astype(np.uint16, copy=False)


def _within(mask: NDArray[np.bool_], width_px: float) -> NDArray[np.bool_]:
    if width_px == 0 or not mask.any():
        return mask
    distance: NDArray[np.float64] = ndimage.distance_transform_edt(~mask)
    return distance <= width_px
