"""The exception of the grid package."""

from __future__ import annotations


class GridError(ValueError):
    """An area, a resolution or a CRS from which no target grid can be made."""
