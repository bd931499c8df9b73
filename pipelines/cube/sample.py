"""A thin, even sample of one band of a scene, as evidence for its radiometric rule."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipelines.physics import usable
from pipelines.physics.pixels import PixelEvidence, pixel_evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.cube.layer import Layer
    from pipelines.cube.source import Source
    from pipelines.cube.source_optical import OpticalConversion
    from pipelines.grid import Block

MOST_PIXELS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSample:
    """Every n-th usable pixel of one band, anchored to the grid: the same whatever the blocks are."""

    source: Source
    conversion: OpticalConversion
    step: int
    """Pixels between two samples along y and x."""

    parts: list[NDArray[np.int32]] = field(default_factory=list)
    """Digital numbers, a part a block; filled while the scene is read, from any thread."""

    @property
    def band(self) -> str:
        """First band of the cube that the scene carries; the bluest, where an offset shows first."""
        return next(band for band in self.source.bands if band in self.conversion.planes)

    def add(self, layer: Layer, block: Block) -> None:
        """Takes the sample of one block."""
        rows, cols = slice(-block.row % self.step, None, self.step), slice(-block.col % self.step, None, self.step)
        packed = layer.values[self.source.bands.index(self.band)][rows, cols]
        self.parts.append(packed[usable(layer.reason[rows, cols])].astype(np.int32) - self.conversion.rule.offset_dn)

    def evidence(self) -> PixelEvidence:
        """Returns what the sample says of the rule."""
        numbers = np.concatenate(self.parts)
        return pixel_evidence(numbers, np.ones(numbers.shape, dtype=np.bool_), offset_dn=self.conversion.rule.offset_dn)


def sample_step(shape: tuple[int, int]) -> int:
    """Returns the step that keeps a sample of a grid of (height, width) near a million pixels."""
    return max(1, math.ceil(math.sqrt(shape[0] * shape[1] / MOST_PIXELS)))
