"""Licence and providers of a collection, in words."""

from __future__ import annotations

from catalogs.fields import Document, objects, text


def terms_of(collection: Document) -> str:
    """Returns what a collection says of its licence and of who provides it, '' where it says neither.

    Raises:
        ItemError: A field has another form than STAC's.
    """
    providers = [text(entry, "name") for entry in objects(collection, "providers")]
    licence = text(collection, "license")
    return "; ".join(filter(None, (f"licence {licence}" if licence else "", ", ".join(filter(None, providers)))))
