"""Whether two splits of a benchmark share samples, told by their names."""

from __future__ import annotations

from typing import Final

LISTED: Final = "list-"
"""Splits of published lists; those without it are drawn from the same samples by another rule."""

JOINED: Final = "trainval"
PARTS: Final = frozenset({"train", "val"})


def share_samples(first: str, second: str) -> bool:
    """Whether a sample can stand in both, so that learning from one would show the answers of the other."""
    both = {first, second}
    if len(both) == 1 or (JOINED in both and both & PARTS):
        return True
    return first.startswith(LISTED) != second.startswith(LISTED)
