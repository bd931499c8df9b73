"""The exception of the product package."""

from __future__ import annotations


class ProductError(ValueError):
    """A prediction or a layer from which the product asked for cannot be made."""
