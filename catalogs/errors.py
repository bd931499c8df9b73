"""What can go wrong between a query and its scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalogs.scenes import SkipReason


class CatalogError(RuntimeError):
    """A catalogue or a snapshot cannot be read as a whole: nothing can be said about its items."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        """Args: message states rule, offending value and fix; transient is True where a later try may succeed."""
        super().__init__(message)
        self.transient = transient


class ItemError(ValueError):
    """One item cannot become a scene; the search goes on and records it as skipped."""

    def __init__(self, reason: SkipReason, message: str) -> None:
        """Args: reason is the recorded outcome, message its one-sentence detail."""
        super().__init__(message)
        self.reason: SkipReason = reason
