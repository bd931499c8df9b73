"""What a split holds, counted sample by sample: classes, pixels that count, and samples that cannot be used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.sample import IGNORE, ClassTarget, HeightTarget, LabelsTarget, MaskTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelines.training.benchmarks.registry import Benchmark
    from pipelines.training.benchmarks.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Counts of a split."""

    num_samples: int
    """Those that could be read."""

    labels: tuple[int, ...]
    """Of each class: samples for classification, pixels for masks."""

    nothing_counts: tuple[str, ...]
    """Ids of samples whose mask or height is missing everywhere: read, allowed, without effect on a metric."""

    nothing_valid: tuple[str, ...]
    """Ids of samples with an image that has no valid pixel."""

    skipped: tuple[str, ...]
    """Messages of the samples that could not be used."""


def take_census(benchmark: Benchmark) -> Census:
    """Counts of a split; holds one sample at a time."""
    labels: Counter[int] = Counter()
    num = 0
    skipped: list[str] = []
    empty: list[str] = []
    blind: list[str] = []
    for found in readable(benchmark, skipped):
        num += 1
        labels.update(_labels(found))
        if nothing_counts(found):
            empty.append(found.id)
        if not all(image.valid.any() for image in found.images):
            blind.append(found.id)
    return Census(
        num_samples=num,
        labels=tuple(labels[index] for index in range(len(benchmark.info.classes))),
        nothing_counts=tuple(empty),
        nothing_valid=tuple(blind),
        skipped=tuple(skipped),
    )


def readable(benchmark: Benchmark, skipped: list[str]) -> Iterator[Sample]:
    """The samples that can be used, one by one; messages of the others are added to `skipped`."""
    for index in range(len(benchmark)):
        try:
            found = benchmark[index]
        except SampleError as error:
            skipped.append(str(error))
        else:
            yield found


def nothing_counts(sample: Sample) -> bool:
    """True where the target says nothing of any pixel."""
    match sample.target:
        case MaskTarget(mask=mask):
            return bool((mask == IGNORE).all())
        case HeightTarget(height_m=height):
            return not np.isfinite(height).any()
        case _:
            return False


def _labels(sample: Sample) -> dict[int, int]:
    match sample.target:
        case ClassTarget(label=label):
            return {label: 1}
        case LabelsTarget(labels=labels):
            return dict.fromkeys(labels, 1)
        case MaskTarget(mask=mask):
            values, counts = np.unique(mask[mask != IGNORE], return_counts=True)
            return dict(zip(values.tolist(), counts.tolist(), strict=True))
        case _:
            return {}
