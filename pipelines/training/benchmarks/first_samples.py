"""The first samples of a split, for a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pipelines.training.benchmarks.info import BenchmarkInfo
    from pipelines.training.benchmarks.registry import Benchmark
    from pipelines.training.benchmarks.sample import Sample


class FirstSamples:
    """A benchmark that ends early; it reads as the whole one does."""

    info: ClassVar[BenchmarkInfo]

    def __init__(self, whole: Benchmark, num: int) -> None:
        """Takes the first `num` samples, or all where there are fewer.

        Raises:
            ValueError: `num` is not positive.
        """
        if num < 1:
            raise ValueError(f"a trial takes at least one sample, got {num}")
        self._whole = whole
        self._num = num
        self.info = whole.info  # type: ignore[misc] # of this object's benchmark

    def __len__(self) -> int:
        """Number of samples."""
        return min(self._num, len(self._whole))

    def __getitem__(self, index: int) -> Sample:
        """Reads a sample."""
        if not 0 <= index < len(self):
            raise IndexError(f"index must be 0 to {len(self) - 1}, got {index}")
        return self._whole[index]
