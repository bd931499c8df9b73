"""Large images cut into windows that overlap, and put together again; integers only.

Windows stand on one lattice from the upper left corner; the last of a row or column is moved back to end at the
border. Each pixel belongs to one window, the border between two running through the middle of their overlap, so that
answers are put together without blending, the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One window along one axis: what is read, and what of it is kept, in pixels of the image."""

    start: int
    stop: int
    kept_start: int
    kept_stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window: rows and columns."""

    rows: Span
    columns: Span

    @property
    def read(self) -> tuple[slice, slice]:
        """Of the image, (y, x)."""
        return slice(self.rows.start, self.rows.stop), slice(self.columns.start, self.columns.stop)

    @property
    def kept(self) -> tuple[slice, slice]:
        """What belongs to it, of the image."""
        return slice(self.rows.kept_start, self.rows.kept_stop), slice(self.columns.kept_start, self.columns.kept_stop)

    @property
    def kept_inside(self) -> tuple[slice, slice]:
        """The same, of the window."""
        return (
            slice(self.rows.kept_start - self.rows.start, self.rows.kept_stop - self.rows.start),
            slice(self.columns.kept_start - self.columns.start, self.columns.kept_stop - self.columns.start),
        )

    def owns(self, x: float, y: float) -> bool:
        """Whether a place of the image belongs to it."""
        inside_y = self.rows.kept_start <= y < self.rows.kept_stop
        return inside_y and self.columns.kept_start <= x < self.columns.kept_stop


def spans(length: int, side: int, overlap: int) -> tuple[Span, ...]:
    """Windows along an axis.

    Args:
        length: Pixels of the image.
        side: Pixels of a window.
        overlap: Pixels that neighbours share at least, below `side`.

    Raises:
        ValueError: The overlap is no smaller than the window, or a number is not positive.
    """
    if length < 1 or side < 1 or not 0 <= overlap < side:
        raise ValueError(f"windows need 0 <= overlap < side and a length, got {overlap}, {side}, {length}")
    if length <= side:
        return (Span(start=0, stop=length, kept_start=0, kept_stop=length),)
    starts = [*range(0, length - side, side - overlap), length - side]
    cuts = [0, *((first + side + second) // 2 for first, second in pairwise(starts)), length]
    return tuple(
        Span(start=start, stop=start + side, kept_start=low, kept_stop=high)
        for start, (low, high) in zip(starts, pairwise(cuts), strict=True)
    )


def windows(size: tuple[int, int], side: int, overlap: int) -> tuple[Window, ...]:
    """All windows of an image of height and width, rows before columns."""
    height, width = size
    return tuple(
        Window(rows=rows, columns=columns)
        for rows in spans(height, side, overlap)
        for columns in spans(width, side, overlap)
    )
