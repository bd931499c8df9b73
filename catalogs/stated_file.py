"""What an item says about the file behind an asset: its size, checksum and grid. Stated, not yet believed."""

from __future__ import annotations

import math
from typing import Any, Final

from catalogs.errors import ItemError
from catalogs.fields import Document, number, text

TRANSFORM_SIZES = (6, 9)
"""Numbers of an affine transform, without and with its last row of 0, 0, 1."""

NUMBERS: Final = frozenset({int, float})


def stated_file(document: Document, properties: Document) -> dict[str, Any]:
    """Returns the fields of an `Asset` that its document gives about the file.

    Shape and transform may be stated once for all assets, in the item's properties (projection extension 2.0).

    Args:
        document: The asset as parsed.
        properties: Those of its item.

    Raises:
        ItemError: A field has another form than its extension gives it.
    """
    size = number(document, "file:size")
    shape = _numbers(document, "proj:shape", (2,)) or _numbers(properties, "proj:shape", (2,))
    transform = _numbers(document, "proj:transform", TRANSFORM_SIZES)
    transform = transform or _numbers(properties, "proj:transform", TRANSFORM_SIZES)
    return {
        "checksum": text(document, "file:checksum").lower() or None,
        "size_bytes": None if size is None else int(size),
        "shape": tuple(map(int, shape)) if shape else None,
        "transform": tuple(map(float, transform[:6])) if transform else None,
    }


def _numbers(document: Document, name: str, sizes: tuple[int, ...]) -> list[float] | None:
    value = document.get(name)
    if value is None:
        return None
    if isinstance(value, list) and len(value) in sizes and {*map(type, value)} <= NUMBERS and _all_finite(value):
        return value
    wanted = " or ".join(map(str, sizes))
    raise ItemError("unreadable", f"{name} must be a list of {wanted} numbers, got {value!r:.80}; correct the item")


def _all_finite(numbers: list[float]) -> bool:
    try:
        return all(map(math.isfinite, numbers))
    except OverflowError:  # JSON knows no limit to whole numbers
        return False
