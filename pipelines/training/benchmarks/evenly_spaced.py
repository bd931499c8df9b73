"""Which images of a long series are read."""

from __future__ import annotations


def evenly_spaced(num: int, wanted: int) -> list[int]:
    """Indices of at most `wanted` of `num` images, from the first to the last and evenly between; of one the last."""
    if wanted == 1:
        return [num - 1]
    return sorted({index * (num - 1) // (wanted - 1) for index in range(wanted)})
