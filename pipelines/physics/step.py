"""An optional step of physics on a scene as it is read: what one must offer, and what it is given.

A step is a frozen dataclass of its own parameters, in the file of its topic. It works on physical values and reason
bits of a block that is larger than asked for by the halo, so that a filter of that reach gives the same pixel whatever
the blocks are. It never looks at anything else of the scene's pixels.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Brighten:
        factor: float
        name: ClassVar[str] = "brighten"
        groups: ClassVar[tuple[Group, ...]] = ("s2",)
        halo_px: ClassVar[int] = 0
        planes: ClassVar[tuple[str, ...]] = ()

        def obstacle(self, scene: Scene) -> str:
            return ""

        def apply(self, pixels: StepPixels, context: StepContext) -> StepPixels:
            return replace(pixels, values=pixels.values * np.float32(self.factor))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalogs.scenes import Scene
    from pipelines.schema import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPixels:
    """One scene's pixels on a block with its halo."""

    values: NDArray[np.float32]
    """(band, y, x): reflectance, linear power and so on, NaN where missing."""

    reason: NDArray[np.uint16]
    """(y, x) bits of `Reason`."""

    def __post_init__(self) -> None:
        if self.values.shape[1:] != self.reason.shape or self.values.dtype != np.float32:
            raise ValueError(
                f"a step keeps float32 values (band, y, x) and reasons (y, x), got {self.values.dtype} "
                f"{self.values.shape} and {self.reason.shape}; mend the step"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What a step may know besides the pixels."""

    scene: Scene
    group: Group
    bands: tuple[str, ...]
    """Along the band dim of the pixels."""

    epsg: int
    """CRS of the grid."""

    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    """Centres of the block's columns and rows, halo included."""

    planes: Mapping[str, NDArray[Any]]
    """The extra planes that the step asked for and the scene has, (y, x), in their stored numbers."""


@runtime_checkable
class Step(Protocol):
    """A frozen dataclass whose fields are the parameters."""

    @property
    def name(self) -> str:
        """Short name in records: `nbar`."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """Groups that it applies to."""

    @property
    def halo_px(self) -> int:
        """How far beyond a pixel it looks, in pixels of the grid."""

    @property
    def planes(self) -> tuple[str, ...]:
        """Bands of the sensor that it needs besides those of the cube, such as a cloud probability."""

    def obstacle(self, scene: Scene) -> str:
        """Returns why it cannot be applied to a scene, '' where it can: it is then left out and that is recorded."""

    def apply(self, pixels: StepPixels, context: StepContext) -> StepPixels:
        """Returns the pixels after the step, of the same shape; the input is not changed."""
