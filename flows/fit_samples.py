"""Labels laid over a cube's features: the samples that can be learnt, and what was left out on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.training.own_labels.chosen import frequent
from pipelines.training.own_labels.crossing import Samples
from pipelines.training.own_labels.errors import LabelError
from pipelines.training.own_labels.views import Views

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.fit_options import FitOptions
    from pipelines.grid import TargetGrid
    from pipelines.inference.own_features import PixelFeatures
    from pipelines.training.own_labels.label_pixels import LabelPixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """Labels laid over a cube: the samples, and what was left out on the way."""

    samples: Samples
    unit: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    num_maps: int
    class_names: tuple[str, ...]
    skipped: dict[str, int]
    left_out: dict[str, int]


def lay(
    pixels: LabelPixels, features: PixelFeatures, grid: TargetGrid, options: FitOptions, *, before: Mapping[str, int]
) -> Laid:
    """Returns the samples that can be learnt: observed, and of classes that have enough of them.

    Raises:
        LabelError: Fewer than two such classes.
    """
    skipped = {**before, **pixels.skipped}
    seen = np.zeros(len(pixels), dtype=np.bool_)
    seen[features.pixel] = True
    if not seen.all():
        skipped["never_observed"] = int((~seen).sum())
    if not seen.any():
        raise LabelError("labels need observed pixels, none of them has a valid date; widen time or area")
    enough, names, left_out = frequent(pixels.label[seen], pixels.class_names, fewest=options.min_samples)
    kept = np.flatnonzero(seen)[enough]
    place = np.full(len(pixels), -1, dtype=np.int64)
    place[kept] = np.arange(kept.size)
    chosen = place[features.pixel] >= 0
    sample = place[features.pixel[chosen]]
    weight = features.weight[chosen]
    views = Views(
        features=features.features[chosen],
        sample=sample,
        weight=weight / np.bincount(sample, weights=weight)[sample],
        num_samples=kept.size,
    )
    recoded = np.array([names.index(name) if name in names else -1 for name in pixels.class_names])
    samples = Samples(
        views=views,
        label=recoded[pixels.label[kept]],
        x=grid.x[pixels.col[kept]],
        y=grid.y[pixels.row[kept]],
        num_classes=len(names),
    )
    return Laid(
        samples=samples,
        unit=pixels.unit[kept],
        num_maps=features.num_maps,
        class_names=names,
        skipped=skipped,
        left_out=left_out,
    )
