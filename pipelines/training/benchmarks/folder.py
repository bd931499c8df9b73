"""Checked access to a benchmark's folder: each answer is a path that exists, or an error that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.training.benchmarks.errors import FolderMissingError, LayoutError, SampleError, SplitError

if TYPE_CHECKING:
    from pipelines.training.benchmarks.info import BenchmarkInfo


def check_root(root: Path, info: BenchmarkInfo) -> Path:
    """The folder itself.

    Raises:
        FolderMissingError: It is not there; says where to get the set, its licence and the tree that is expected.
    """
    if not root.is_dir():
        raise FolderMissingError(
            f"{info.title}: must be a folder, got {root}; get the set from {info.home} "
            f"(licence: {info.licence}) and unpack it so:\n{info.layout}"
        )
    return root


def check_split(split: str, info: BenchmarkInfo) -> str:
    """The split's name.

    Raises:
        SplitError: The benchmark has no such split.
    """
    if split not in info.splits:
        raise SplitError(f"{info.title}: split must be one of {list(info.splits)}, got {split!r}")
    return split


def check_part(root: Path, parts: tuple[str, ...], info: BenchmarkInfo) -> Path:
    """A file or folder of the official layout: the first of `parts` (relative paths) that exists.

    Raises:
        LayoutError: None does.
    """
    for part in parts:
        if (root / part).exists():
            return root / part
    raise LayoutError(
        f"{info.title}: {root} must hold {' or '.join(parts)}, which is not there; "
        f"get the whole set from {info.home} and unpack it so:\n{info.layout}"
    )


def read_split_list(path: Path, info: BenchmarkInfo, split: str) -> tuple[str, ...]:
    """The entries of a split file, one a line, blank lines left out.

    Raises:
        SplitError: The file is missing, empty, names an entry twice or leads out of the folder.
    """
    if not path.is_file():
        raise SplitError(
            f"{info.title}: split {split!r} is listed in {path}, which is not there; get it from {info.home}"
        )
    entries = tuple(line.strip() for line in read_text(path).splitlines() if line.strip())
    if not entries:
        raise SplitError(f"{info.title}: split {split!r} must list at least one sample, {path} is empty; get it again")
    if len(set(entries)) != len(entries):
        twice = sorted({entry for entry in entries if entries.count(entry) > 1})[:3]
        raise SplitError(f"{info.title}: split {split!r} must list a sample once, {path} repeats {twice}; get it again")
    for entry in entries:
        check_inside(entry, path)
    return entries


def check_inside(entry: str, source: Path) -> str:
    """A name or relative path that stays inside the set's folder.

    Raises:
        SampleError: It is absolute or climbs out.
    """
    if "\0" in entry or entry.startswith("/") or "\\" in entry or ".." in Path(entry).parts:
        raise SampleError(
            source, f"a file's name must stay inside the set's folder, got {entry!r}", "correct the entry"
        )
    return entry


def read_text(path: Path) -> str:
    """The text of a small UTF-8 file.

    Raises:
        SampleError: It is missing or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SampleError(path, f"must be readable UTF-8 text ({error})", "get the file again") from error
