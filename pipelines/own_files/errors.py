"""What can go wrong with a file that is to stand in a catalogue."""

from __future__ import annotations


class FileRefused(ValueError):  # noqa: N818 an outcome: the file is listed, the others go on
    """A file cannot be told; the message says rule, value and fix."""
