"""Typed reads of JSON documents that come from outside.

A field that is absent or null is None; a field of another type than the STAC specification gives it is an error,
never a guess.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import TypeGuard

from catalogs.errors import ItemError

Document = Mapping[str, object]
"""A JSON object as parsed: nothing is known about its values."""

SPECIAL_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
"""The strings that STAC 1.1 (common metadata, `nodata`) and raster 1.x allow in the place of a number."""


def text(document: Document, *names: str) -> str:
    """Returns the first of the named fields that is set, '' where none is."""
    for name in names:
        value = document.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise ItemError("unreadable", f"{name} must be a string, got {value!r}; correct the item")
        return value
    return ""


def number(document: Document, *names: str) -> float | None:
    """Returns the first of the named fields that is set, as a finite number."""
    for name in names:
        value = document.get(name)
        if value is None:
            continue
        if not is_finite(value):
            raise ItemError("unreadable", f"{name} must be a finite number, got {value!r:.80}; correct the item")
        return float(value)
    return None


def is_finite(value: object) -> TypeGuard[float]:
    """Returns whether a JSON value is a number within float64: JSON knows no limit, and Python reads NaN out of it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max


def fill_value(document: Document, name: str) -> float | None:
    """Returns a stored fill value: a number, or `nan`, `inf`, `-inf` as a string."""
    value = document.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.lower() in SPECIAL_NUMBERS:
        return SPECIAL_NUMBERS[value.lower()]
    if not is_finite(value):
        raise ItemError("unreadable", f"{name} must be a number or 'nan', got {value!r:.80}; correct the item")
    return float(value)


def boolean(document: Document, name: str) -> bool | None:
    """Returns a flag, None where the document does not say."""
    value = document.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise ItemError("unreadable", f"{name} must be true or false, got {value!r}; correct the item")


def mapping(document: Document, name: str) -> Document:
    """Returns a JSON object, empty where it is absent."""
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ItemError("unreadable", f"{name} must be an object, got {value!r:.80}; correct the item")
    return value


def objects(document: Document, name: str) -> tuple[Document, ...]:
    """Returns a list of JSON objects, empty where it is absent."""
    value = document.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ItemError("unreadable", f"{name} must be a list of objects, got {value!r:.80}; correct the item")
    return tuple(value)


def texts(document: Document, name: str) -> tuple[str, ...]:
    """Returns a list of strings, empty where it is absent."""
    value = document.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise ItemError("unreadable", f"{name} must be a list of strings, got {value!r:.80}; correct the item")
    return tuple(value)
