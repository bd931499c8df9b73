"""Points that tie an image to the ground: values in between, and the way back from the ground to the image.

A Sentinel-1 geolocation grid gives the place of every tenth of a swath. Between its points the ground is bilinear in
line and pixel once it is told in metres of a map projection: ground range pixels are evenly spaced on the ellipsoid,
and over the 12 to 20 km of a cell neither a line nor the track bends by a metre in UTM (in degrees they bend by up to
ten metres). Heights are those of the grid's own points: ground that lies h metres above them appears h / tan(incidence)
nearer to the satellite, which only terrain correction mends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

NUM_STEPS: Final = 8
"""Newton steps; a fixed number, so that a point's answer never hangs on those beside it. Four reach 1e-9 pixels."""

TOLERANCE_PX: Final = 1e-3
"""Last step of a point that has an answer."""

MIN_POINTS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TiePoints:
    """A full grid of tie points."""

    lines: Floats
    pixels: Floats
    """Image coordinates of the grid's rows and columns, strictly ascending, at least two each."""

    def __post_init__(self) -> None:
        for name, axis in (("lines", self.lines), ("pixels", self.pixels)):
            if axis.size < MIN_POINTS or not (np.diff(axis) > 0).all():
                raise ValueError(f"{name} of tie points ascend and are at least two, got {axis[:8]}; mend the grid")

    @property
    def shape(self) -> tuple[int, int]:
        """(lines, pixels) of the grid."""
        return self.lines.size, self.pixels.size

    def at(self, values: Floats, lines: Floats, pixels: Floats) -> Floats:
        """Returns values of the grid at image places, bilinear, beyond its edge along the outermost cell.

        Args:
            values: (lines, pixels) of the grid.
            lines: Of the places, any shape.
            pixels: Likewise.
        """
        return self._cells(values, lines, pixels)[0]

    def find(self, x: Floats, y: Floats, x_wanted: Floats, y_wanted: Floats) -> tuple[Floats, Floats]:
        """Returns lines and pixels where the grid's x and y take the values wanted; NaN where there is none.

        Args:
            x: (lines, pixels) of the grid, metres.
            y: Likewise.
            x_wanted: Any shape, metres.
            y_wanted: Likewise.
        """
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # nowhere, or a folded grid: NaN
            lines, pixels = self._guess(x, y, x_wanted, y_wanted)
            step = np.full(lines.shape, np.inf)
            for _ in range(NUM_STEPS):
                x_here, x_line, x_pixel = self._cells(x, lines, pixels)
                y_here, y_line, y_pixel = self._cells(y, lines, pixels)
                dx, dy = x_wanted - x_here, y_wanted - y_here
                determinant = x_line * y_pixel - x_pixel * y_line
                line_step = (dx * y_pixel - dy * x_pixel) / determinant
                pixel_step = (dy * x_line - dx * y_line) / determinant
                lines, pixels = lines + line_step, pixels + pixel_step
                step = np.maximum(np.abs(line_step), np.abs(pixel_step))
        found = step < TOLERANCE_PX
        return np.where(found, lines, np.nan), np.where(found, pixels, np.nan)

    def _guess(self, x: Floats, y: Floats, x_wanted: Floats, y_wanted: Floats) -> tuple[Floats, Floats]:
        """The plane nearest to the grid."""
        columns = np.column_stack([x.ravel() - x.mean(), y.ravel() - y.mean(), np.ones(x.size)])
        image = np.stack(np.meshgrid(self.lines, self.pixels, indexing="ij"), axis=-1).reshape(-1, 2)
        plane = np.linalg.lstsq(columns, image, rcond=None)[0]
        dx, dy = x_wanted - x.mean(), y_wanted - y.mean()
        # term by term: a product of matrices may round a point by those beside it
        return (
            dx * plane[0, 0] + dy * plane[1, 0] + plane[2, 0],
            dx * plane[0, 1] + dy * plane[1, 1] + plane[2, 1],
        )

    def _cells(self, values: Floats, lines: Floats, pixels: Floats) -> tuple[Floats, Floats, Floats]:
        """Returns value, slope along the lines and slope along the pixels."""
        i = np.clip(np.searchsorted(self.lines, np.nan_to_num(lines), side="right") - 1, 0, self.lines.size - 2)
        j = np.clip(np.searchsorted(self.pixels, np.nan_to_num(pixels), side="right") - 1, 0, self.pixels.size - 2)
        height, width = self.lines[i + 1] - self.lines[i], self.pixels[j + 1] - self.pixels[j]
        u, v = (lines - self.lines[i]) / height, (pixels - self.pixels[j]) / width
        a, b, c, d = values[i, j], values[i, j + 1], values[i + 1, j], values[i + 1, j + 1]
        value = a * (1 - u) * (1 - v) + b * (1 - u) * v + c * u * (1 - v) + d * u * v
        along_lines = ((c - a) * (1 - v) + (d - b) * v) / height
        along_pixels = ((b - a) * (1 - u) + (d - c) * u) / width
        return value, along_lines, along_pixels
