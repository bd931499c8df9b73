"""Signatures of addresses, made when a file is read and kept in no record."""

from __future__ import annotations


def sign(href: str, *, renew: bool = False) -> str:
    """Returns the address that a file is read from now.

    Args:
        href: Path or address as a scene holds it.
        renew: True drops the signature in store, after the server refused it.
    """
    del renew
    return href
