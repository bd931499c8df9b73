"""Which ground is trained on and which is held out, by blocks that no chip crosses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipelines.training.places.place_file import PlaceEntry

Split = Literal["train", "validation", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOut:
    """How blocks are shared out. A block's split hangs on the seed and its own row and column alone."""

    seed: int = 0
    validation: float = 0.1
    """Share of blocks, 0 to 1."""

    test: float = 0.1
    """Share of blocks, 0 to 1."""

    buffer_px: int = 16
    """Pixels that a chip stays away from a neighbouring block of another split."""

    def __post_init__(self) -> None:
        if min(self.validation, self.test) < 0 or self.validation + self.test >= 1 or self.buffer_px < 0:
            raise ValueError(
                f"shares are at least 0 and below 1 together, the buffer at least 0, got {self}; correct them"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Rows and columns of a place, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    def holds(self, size: int) -> bool:
        """Whether a chip of `size` pixels a side fits."""
        return self.bottom - self.top >= size and self.right - self.left >= size


def split_of(block: tuple[int, int], hold_out: HoldOut) -> Split:
    """Returns the split of a block."""
    word = f"{hold_out.seed}:{block[0]}:{block[1]}".encode()
    draw = int.from_bytes(hashlib.blake2b(word, digest_size=8).digest(), "big") / 2**64
    if draw < hold_out.test:
        return "test"
    return "validation" if draw < hold_out.test + hold_out.validation else "train"


def usable_window(entry: PlaceEntry, blocks: Collection[tuple[int, int]], hold_out: HoldOut) -> Window:
    """Returns the part of a place that chips may lie in: all of it, less the buffer towards ground of other splits.

    Args:
        entry: A place inside its block; rows of blocks run down as rows of pixels do.
        blocks: All blocks that any place lies in.
        hold_out: How they are shared out.
    """
    own = split_of(entry.block, hold_out)
    row, col = entry.block

    def other(down: int, right: int) -> bool:
        block = (row + down, col + right)
        return block in blocks and split_of(block, hold_out) != own

    up, down, left, right = (
        hold_out.buffer_px * int(any(other(*step) for step in steps))
        for steps in (
            ((-1, -1), (-1, 0), (-1, 1)),  # a corner is kept away from by rows
            ((1, -1), (1, 0), (1, 1)),
            ((0, -1),),
            ((0, 1),),
        )
    )
    height, width = entry.shape
    return Window(top=up, bottom=max(up, height - down), left=left, right=max(left, width - right))
