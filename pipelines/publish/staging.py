"""Files and folders that appear whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.publish.errors import PublishError

if TYPE_CHECKING:
    from collections.abc import Iterator


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file in one step: a reader sees the old content or the new.

    Raises:
        PublishError: The disk is full or the folder cannot be written; the old file is untouched.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        raise _failed(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Gives an empty folder to fill; on leaving without an error it takes the place of `target`.

    What an earlier, killed attempt left is removed first, and a target it had already moved aside is put back. Two
    renames replace an existing target, since a folder that is not empty cannot be replaced in one.

    Raises:
        PublishError: The disk is full or the folder cannot be written; the old target is back in its place.
    """
    draft, retired = _beside(target)
    try:
        recover(target)
        draft.mkdir(parents=True)
        yield draft
        if target.exists():
            target.rename(retired)
        draft.rename(target)
        shutil.rmtree(retired, ignore_errors=True)
    except OSError as error:
        raise _failed(target, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if retired.exists() and not target.exists():
            retired.rename(target)


def recover(target: Path) -> None:
    """Clears what a killed attempt left beside `target`, and puts back a target it had moved aside.

    Raises:
        PublishError: The folder cannot be written.
    """
    draft, retired = _beside(target)
    try:
        if draft.exists():
            shutil.rmtree(draft)
        if retired.exists() and target.exists():
            shutil.rmtree(retired)
        elif retired.exists():
            retired.rename(target)
    except OSError as error:
        raise _failed(target, error) from error


def _beside(target: Path) -> tuple[Path, Path]:
    return target.with_name(f".{target.name}.draft"), target.with_name(f".{target.name}.retired")


def _failed(path: Path, error: OSError) -> PublishError:
    cause = os.strerror(error.errno) if error.errno else str(error)
    return PublishError(
        f"a product must be written whole, got {cause!r} at {path}; free space or rights, then run again"
    )
