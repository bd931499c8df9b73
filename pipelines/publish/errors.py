"""The exception of the publish package."""

from __future__ import annotations


class PublishError(RuntimeError):
    """A product could not be written, or what was written cannot be checked; nothing half done is left in sight."""
