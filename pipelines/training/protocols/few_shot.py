"""Which samples of a split are learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.sample import IGNORE, ClassTarget, HeightTarget, LabelsTarget, MaskTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.training.benchmarks.registry import Benchmark
    from pipelines.training.benchmarks.sample import Target
    from pipelines.training.protocols.settings import Settings


def training_order(
    benchmark: Benchmark, settings: Settings, left_out: Callable[[str], None] = lambda _: None
) -> list[int]:
    """Indices of the samples to learn from, in the order in which they are drawn.

    With shots, samples are looked at in a drawn order and taken while one of their classes has fewer than that many
    (of heights, the first so many); reading stops when all have. Samples that cannot be read are passed by.

    Args:
        benchmark: The split to learn from.
        settings: Share, shots and seed.
        left_out: Told why a sample was passed by.
    """
    order = np.random.default_rng((settings.seed, 1)).permutation(len(benchmark)).tolist()
    if settings.shots is None:
        return [int(index) for index in order[: max(1, round(settings.train_share * len(order)))]]
    missing = dict.fromkeys(range(max(1, len(benchmark.info.classes))), settings.shots)
    taken = []
    for index in order:
        if not any(missing.values()):
            break
        try:
            shown = classes_of(benchmark[index].target)
        except SampleError as error:
            left_out(str(error))
            continue
        if any(missing[label] for label in shown):
            taken.append(int(index))
            for label in shown:
                missing[label] = max(0, missing[label] - 1)
    return taken


def classes_of(target: Target) -> set[int]:
    """Classes that a sample shows; of heights the one that stands for any."""
    match target:
        case ClassTarget():
            return {target.label}
        case LabelsTarget():
            return set(target.labels)
        case MaskTarget():
            return {int(label) for label in np.unique(target.mask) if label != IGNORE}
        case HeightTarget():
            return {0} if np.isfinite(target.height_m).any() else set()
        case _:
            return {int(label) for label in np.unique(target.labels[~target.ignore])}
