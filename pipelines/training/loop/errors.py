"""What ends a run."""

from __future__ import annotations


class ResumeError(ValueError):
    """A resume folder is damaged, or belongs to another run."""


class DivergedError(FloatingPointError):
    """The loss is no longer finite."""
