"""Which series of a sample, and which images of a long one, are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.training.benchmarks.errors import SplitError

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipelines.training.benchmarks.info import BenchmarkInfo


def check_series_choice(sensors: tuple[str, ...], dates: int, offered: Collection[str], info: BenchmarkInfo) -> None:
    """Checks which sensors and how many dates of each are asked for.

    Raises:
        SplitError: A sensor is not offered, is named twice or none is, or there are no dates.
    """
    if not sensors or len(set(sensors)) != len(sensors) or not set(sensors) <= set(offered):
        raise SplitError(f"{info.title}: sensors must be some of {list(offered)}, each once, got {sensors}")
    if dates < 1:
        raise SplitError(f"{info.title}: dates must be 1 or more, got {dates}")


def evenly_spaced(num: int, wanted: int) -> list[int]:
    """Indices of at most `wanted` of `num` images, from the first to the last and evenly between; of one the last."""
    if wanted == 1:
        return [num - 1]
    return sorted({index * (num - 1) // (wanted - 1) for index in range(wanted)})
