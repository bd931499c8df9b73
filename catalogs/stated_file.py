"""What an item says about the file behind an asset: its size, checksum and grid. Stated, not yet believed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from catalogs.errors import ItemError
from catalogs.fields import Document, is_finite, number, text

if TYPE_CHECKING:
    from catalogs.scenes import Asset

TRANSFORM_SIZES = (6, 9)
"""Numbers of an affine transform, without and with its last row of 0, 0, 1."""


def with_stated_file(asset: Asset, document: Document, properties: Document) -> Asset:
    """Returns an asset with what its document says about the file.

    Shape and transform may be stated once for all assets, in the item's properties (projection extension 2.0).

    Args:
        asset: The record so far.
        document: The asset as parsed.
        properties: Those of its item.

    Raises:
        ItemError: A field has another form than its extension gives it.
    """
    size = number(document, "file:size")
    places = (document, properties)
    shape = next((found for found in (_numbers(place, "proj:shape", (2,)) for place in places) if found), None)
    transform = next(
        (found for found in (_numbers(place, "proj:transform", TRANSFORM_SIZES) for place in places) if found), None
    )
    return replace(
        asset,
        checksum=text(document, "file:checksum").lower() or None,
        size_bytes=None if size is None else int(size),
        shape=(int(shape[0]), int(shape[1])) if shape else None,
        transform=(transform[0], transform[1], transform[2], transform[3], transform[4], transform[5])
        if transform
        else None,
    )


def _numbers(document: Document, name: str, sizes: tuple[int, ...]) -> list[float] | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) not in sizes or not all(is_finite(entry) for entry in value):
        wanted = " or ".join(map(str, sizes))
        raise ItemError("unreadable", f"{name} must be a list of {wanted} numbers, got {value!r:.80}; correct the item")
    return [float(entry) for entry in value]
