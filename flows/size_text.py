"""Bytes for a person."""

from __future__ import annotations


def size_text(num_bytes: int) -> str:
    """Returns bytes in powers of ten: `980 B`, `12.3 MB`."""
    size = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 powers of ten
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
