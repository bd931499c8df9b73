"""The tables of a Sentinel-1 annotation: values at some pixels of some lines, bilinear in between.

A table value of 0 means that there is none (IPF 3.51 and 3.52 wrote such from 2022-03-23 to 2023-03-30, which shows as
bright strips in IW1 and IW2 where it is divided by, or not subtracted: ESA step forum, topic 39958). What lies between
a value and a missing one is missing too: it is not interpolated across.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Numbers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LineTable:
    """Vectors of values along range, each at one image line; vectors may hold different pixels."""

    lines: Numbers
    """Strictly ascending; may start before and end after the image."""

    pixels: tuple[Numbers, ...]
    """Of each vector, strictly ascending."""

    values: tuple[Floats, ...]
    """Of each vector, NaN where missing."""

    def __post_init__(self) -> None:
        if not len(self.lines) == len(self.pixels) == len(self.values) or not len(self.lines):
            counts = len(self.lines), len(self.pixels), len(self.values)
            raise ValueError(f"a table has a vector a line, at least one, got {counts}; the annotation is damaged")
        if (np.diff(self.lines) <= 0).any():
            raise ValueError(f"lines of a table ascend, got {self.lines[:8]}...; the annotation is damaged")
        for line, pixels, values in zip(self.lines, self.pixels, self.values, strict=True):
            if not pixels.size or pixels.shape != values.shape or (np.diff(pixels) <= 0).any():
                raise ValueError(
                    f"a vector has one value an ascending pixel, that of line {line} has {pixels.size} pixels and "
                    f"{values.size} values; the annotation is damaged"
                )

    def at(self, lines: Numbers, pixels: Numbers) -> Floats:
        """Returns the table at lines x pixels of the image, NaN where it holds nothing.

        Beyond the outermost vector or pixel the nearest value holds.

        Args:
            lines: Image lines, any order.
            pixels: Image pixels, any order.

        Returns:
            (line, pixel).
        """
        before, weight = _bracket(self.lines, lines)
        used = np.unique(np.concatenate([before, np.minimum(before + 1, len(self.lines) - 1)]))
        rows = np.stack([_along(self.pixels[index], self.values[index], pixels) for index in used])
        place = np.searchsorted(used, before)
        return _between(rows[place], rows[np.minimum(place + 1, len(used) - 1)], weight[:, None])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AzimuthNoise:
    """Noise along azimuth over one box of the image: it follows the bursts of a sub-swath."""

    first_line: int
    last_line: int
    first_pixel: int
    last_pixel: int
    """Box, both ends included."""

    lines: Numbers
    values: Floats
    """At the lines, factor 1 on average, NaN where missing."""

    def __post_init__(self) -> None:
        if not self.lines.size or self.lines.shape != self.values.shape or (np.diff(self.lines) <= 0).any():
            raise ValueError(
                f"azimuth noise has one value an ascending line, got {self.lines.size} lines and {self.values.size} "
                "values; the annotation is damaged"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoiseTable:
    """Thermal noise power of an image in digital numbers squared: range x azimuth."""

    range_: LineTable
    azimuth: tuple[AzimuthNoise, ...] = ()
    """Boxes; none in annotations before IPF 2.90, whose noise depends on range alone."""

    def at(self, lines: Numbers, pixels: Numbers) -> Floats:
        """Returns the noise at lines x pixels, NaN where the tables hold nothing."""
        noise = self.range_.at(lines, pixels)
        if not self.azimuth:
            return noise
        factor = np.full(noise.shape, np.nan)
        for box in self.azimuth:
            rows = np.flatnonzero((lines >= box.first_line) & (lines <= box.last_line))
            cols = np.flatnonzero((pixels >= box.first_pixel) & (pixels <= box.last_pixel))
            if rows.size and cols.size:
                factor[np.ix_(rows, cols)] = _along(box.lines, box.values, lines[rows])[:, None]
        noise *= factor
        return noise


def without_zeros(values: Floats) -> Floats:
    """Returns table values with NaN for 0, which says that there is none.

    Raises:
        ValueError: A value is negative or not finite: no such table exists.
    """
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(f"table values are finite and not negative, got {values[:8]}...; the annotation is damaged")
    return np.where(values == 0, np.nan, values)


def _bracket(nodes: Numbers, places: Numbers) -> tuple[NDArray[np.intp], Floats]:
    """Returns the node before each place and how far the place lies towards the next, 0 to 1."""
    if len(nodes) == 1:
        return np.zeros(places.shape, dtype=np.intp), np.zeros(places.shape)
    before = np.clip(np.searchsorted(nodes, places, side="right") - 1, 0, len(nodes) - 2)
    weight = (places - nodes[before]) / (nodes[before + 1] - nodes[before])
    return before, np.clip(weight, 0.0, 1.0)


def _along(nodes: Numbers, values: Floats, places: Numbers) -> Floats:
    before, weight = _bracket(nodes, places)
    return _between(values[before], values[np.minimum(before + 1, len(nodes) - 1)], weight)


def _between(first: Floats, second: Floats, weight: Floats) -> Floats:
    """A missing neighbour that carries no weight takes nothing away."""
    mixed = first + (second - first) * weight
    return np.where(weight == 0, first, np.where(weight == 1, second, mixed))
