"""What can be wrong with a benchmark's folder, its annotations or a request for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class BenchmarkError(ValueError):
    """A benchmark cannot be opened or read as asked; the message says rule, value and fix."""


class UnknownBenchmarkError(BenchmarkError):
    """No benchmark has this name."""


class FolderMissingError(BenchmarkError):
    """The benchmark's folder is not there; the message says where to get it, and under which licence."""


class LayoutError(BenchmarkError):
    """The folder is not laid out as the benchmark's authors publish it."""


class SplitError(BenchmarkError):
    """The split is not one of the benchmark's, or the folder does not hold it."""


class SampleError(BenchmarkError):
    """One file cannot be used as it stands. Evaluation counts such a sample as skipped, with the message."""

    def __init__(self, path: Path | str, rule: str, fix: str) -> None:
        """Names the file, the rule that it breaks (with the offending value) and what mends it."""
        super().__init__(f"{path}: {rule}; {fix}")
        self.path = str(path)
        self.rule = rule
        self.fix = fix
