"""What can be wrong with places on disk and with what is drawn from them."""

from __future__ import annotations


class PlaceError(ValueError):
    """A place breaks a rule: NaN where it says valid, targets that do not fit, a name that is no name."""


class PlaceStoreError(ValueError):
    """A folder of places is absent, damaged, of another format or another normalisation."""


class SamplerError(ValueError):
    """Nothing can be drawn: no place of a kind, chips larger than places, nothing but missing data."""
