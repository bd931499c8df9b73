"""Sizes in bytes, as people write them."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
}


def parse_bytes(text: str) -> int:
    """Returns the bytes that a text such as `2GB`, `512MiB` or `800000000` names.

    Raises:
        ValueError: It names none.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    factor = _UNITS.get(found[2].upper()) if found else None
    if found is None or factor is None or float(found[1]) * factor < 1:
        raise ValueError(f"a size is a number with B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, got {text!r}; write 2GB")
    return int(float(found[1]) * factor)


def readable(number: int) -> str:
    """Returns a number of bytes for a reader, in decimal gigabytes."""
    return f"{number / 10**9:.2f} GB"
