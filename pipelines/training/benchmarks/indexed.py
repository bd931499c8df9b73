"""A benchmark as a list of short entries, each read when it is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pipelines.training.benchmarks.errors import LayoutError, SplitError
from pipelines.training.benchmarks.folder import check_root, check_split
from pipelines.training.benchmarks.listing import NUM_SHOWN, repeated_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.training.benchmarks.info import BenchmarkInfo
    from pipelines.training.benchmarks.sample import Sample


class IndexedBenchmark(ABC):
    """Keeps one short text a sample in memory, whatever the images weigh."""

    info: ClassVar[BenchmarkInfo]

    def __init__(self, root: Path, split: str) -> None:
        """Checks folder and split, and lists the samples.

        Raises:
            BenchmarkError: No such folder or split, another layout than the published one, or a split without a sample
                or with one twice.
        """
        self.root = check_root(Path(root), self.info)
        self.split = check_split(split, self.info)
        self.entries: Sequence[str] = self._list()
        if not self.entries:
            raise LayoutError(
                f"{self.info.title}: split {split!r} must hold at least one sample, got none under {self.root}; "
                f"get the set from {self.info.home} and unpack it so:\n{self.info.layout}"
            )
        twice = repeated_names(self.entries)
        if twice:
            raise SplitError(
                f"{self.info.title}: split {split!r} must list a sample once, {len(twice)} stand in it more than once, "
                f"the first {twice[:NUM_SHOWN]}; get its list again from {self.info.home}"
            )

    def __len__(self) -> int:
        """Number of samples of the split."""
        return len(self.entries)

    def __getitem__(self, index: int) -> Sample:
        """Reads one sample.

        Raises:
            IndexError: No such sample.
            SampleError: One of its files cannot be used.
        """
        return self._read(self.entries[index])

    @abstractmethod
    def _list(self) -> Sequence[str]:
        """One text a sample, in an order that is the same for each copy of the set."""

    @abstractmethod
    def _read(self, entry: str) -> Sample:
        """The sample behind an entry."""
