"""What is known of labelled samples: one or several views of each, as features with weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.training.own_labels.errors import LabelError

if TYPE_CHECKING:
    Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Features of samples. A pixel under two overlapping windows has two views, whose answers a map blends."""

    features: Floats
    """(view, feature), NaN is missing."""

    sample: npt.NDArray[np.int64]
    """(view,) 0 to `num_samples`."""

    weight: npt.NDArray[np.float64]
    """(view,) positive; the views of a sample sum to 1."""

    num_samples: int

    def __post_init__(self) -> None:
        if not len(self.features) == self.sample.size == self.weight.size:
            raise LabelError(f"a view has features, sample and weight, got {len(self.features)}, {self.sample.size}")
        if np.unique(self.sample).size != self.num_samples:
            raise LabelError(f"each of {self.num_samples} samples has a view, got {np.unique(self.sample).size}")

    def of(self, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Returns which views belong to the samples kept."""
        return np.asarray(kept[self.sample])

    def first(self) -> npt.NDArray[np.int64]:
        """Returns the index of the heaviest view of each sample."""
        order = np.lexsort((-self.weight, self.sample))
        return np.asarray(order[np.unique(self.sample[order], return_index=True)[1]], dtype=np.int64)


def single_views(features: Floats) -> Views:
    """Returns one view a sample."""
    num = len(features)
    return Views(features=features, sample=np.arange(num), weight=np.ones(num), num_samples=num)
