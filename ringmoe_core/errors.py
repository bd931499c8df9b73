"""What this package raises beyond ValueError."""

from __future__ import annotations


class CheckpointError(Exception):
    """A file is no checkpoint of this format, is damaged, or does not fit its own configuration."""
