"""Intervals by the bootstrap, drawn while images stream by.

An image counts in a replicate as often as a draw from Poisson(1) says, the limit of drawing n of n with replacement
(Hanley and MacGibbon 2006, doi:10.1016/j.cmpb.2006.04.006; for streams Chamandy et al. 2012, Estimating uncertainty for
massive data streams). The draws follow from the seed and the unit's name alone, so that neither the order of images
nor their number in a batch matters, and no image is kept. Images of one unit (a scene, a video) count together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL: Final = 0.95
NUM_REPLICATES: Final = 400
"""The ends of a 95 % interval of so many replicates rest on the ten outermost of either side."""

FEWEST_UNITS: Final = 5
"""Images, scenes or videos below which no interval is given: of 4 made-up shares per image (beta(8, 2)) it covers the
true mean in 85 of 100 experiments, of 4 answers that are right or wrong (0.8 right) in 58."""

FEW_UNITS: Final = 20
"""Below which an interval is too narrow to be taken at its word: in the same experiments 86 and 66 of 100 cover at 5,
91 and 89 at 10, 94 and 92 at 20."""

MIN_SHARE: Final = 0.9
"""Share of replicates that must have a value: where a rare class drops out of more, no interval is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How replicates are drawn."""

    seed: int = 0
    num_replicates: int = NUM_REPLICATES

    def __post_init__(self) -> None:
        if self.num_replicates < 1:
            raise ValueError(f"there must be at least one replicate, got {self.num_replicates}")

    def weights(self, unit: str) -> NDArray[np.int64]:
        """How often a unit counts in each replicate, (replicate,)."""
        digest = hashlib.sha256(f"{self.seed}\n{unit}".encode()).digest()
        generator = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
        return generator.poisson(1.0, self.num_replicates)


def interval(replicates: NDArray[np.float64]) -> tuple[float, float] | None:
    """The central 95 % of the replicates' values; None where too few have one."""
    finite = replicates[np.isfinite(replicates)]
    if len(finite) < max(2, MIN_SHARE * len(replicates)):
        return None
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
