"""Names of files and folders, sorted, so that each copy of a set lists its samples alike."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipelines.training.benchmarks.info import BenchmarkInfo

NUM_SHOWN: Final = 3


def file_names(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    """Sorted names of the files that end so (lower or upper case); hidden files are none of the set's."""
    with os.scandir(folder) as found:
        return sorted(
            entry.name
            for entry in found
            if entry.name.lower().endswith(suffixes) and not entry.name.startswith(".") and entry.is_file()
        )


def folder_names(folder: Path) -> list[str]:
    """Sorted names of the folders inside, hidden ones and those of archive tools left out."""
    with os.scandir(folder) as found:
        return sorted(
            entry.name
            for entry in found
            if entry.is_dir() and not entry.name.startswith(".") and entry.name != "__MACOSX"
        )


def shuffled(names: Iterable[str], seed: int) -> list[str]:
    """The names in an order that depends on them and the seed alone: by SHA-256 of both.

    No random generator is asked, so the order is the same on every machine and with every version of NumPy.
    """
    return sorted(names, key=lambda name: (hashlib.sha256(f"{seed}/{name}".encode()).digest(), name))


def repeated_names(names: Iterable[str]) -> list[str]:
    """Sorted names that stand more than once."""
    return sorted(name for name, num in Counter(names).items() if num > 1)


def check_files(paths: Iterable[Path], info: BenchmarkInfo) -> None:
    """Checks that the files that a split's published list names are there.

    Raises:
        LayoutError: Some are not.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise LayoutError(
            f"{info.title}: {len(missing)} files of the published list are missing, the first {missing[:NUM_SHOWN]}; "
            f"get the whole set from {info.home} and unpack it so:\n{info.layout}"
        )
