"""How a raster comes to the grid: copied, repeated, averaged or warped, decided from its header."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pipelines.grid import TargetGrid

Method = Literal["nearest", "bilinear", "average"]
Meaning = Literal["quantity", "class", "nonlinear"]
"""quantity: may be averaged (reflectance, power); class: names (SCL); nonlinear: dB or amplitude, whose mean is not
that of power."""

_TOLERANCE_PX = 1e-6
"""Of a pixel: far above float64 noise of coordinates, far below anything that matters."""

_ONE_TO_ONE = 0.75
"""Pixels of the next UTM zone measure 0.99 or 1.01 of ours; a wider kernel would only blur them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterHeader:
    """What a raster file says of itself."""

    epsg: int | None
    """Code of its CRS, None where the CRS has none."""

    crs: str
    """The CRS as text, '' where the file has none."""

    transform: tuple[float, float, float, float, float, float]
    """Affine coefficients (a, b, c, d, e, f)."""

    shape: tuple[int, int]
    """(height, width)."""

    dtype: str
    nodata: float | None
    tile: tuple[int, int] | None = None
    """(height, width) of an inner tile in its own pixels, which is decoded as a whole; None where not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """A method and what a reader of the cube should know of it."""

    method: Method
    note: str
    """'' where the stored values stand on the grid as they are: the same pixels, or larger ones repeated."""

    kernel_scale: float = 1.0
    """Side of a raster pixel over that of a grid pixel where the raster is finer, so that the kernel spans the grid
    pixel; 1 where it is not."""


def choose_resampling(header: RasterHeader, grid: TargetGrid, meaning: Meaning) -> Resampling:
    """Returns how a raster is brought to the grid.

    1. Same CRS and every raster pixel covers whole grid pixels (the same lattice, or 20 m and 60 m bands over a 10 m
       grid): nearest, which keeps the stored values.
    2. Same CRS and every grid pixel covers whole raster pixels: their average.
    3. Anything else is warped: bilinear for quantities.
    4. Classes are always nearest. So are decibels and amplitudes where 2 or 3 would mix them: the mean of decibels is
       not the decibel of the mean.

    Args:
        header: Of the raster.
        grid: The target.
        meaning: What the numbers are.
    """
    same_crs = header.epsg == grid.epsg
    if covers_whole_pixels(header, grid):
        return Resampling(method="nearest", note="")
    finer = same_crs and _is_whole_multiple(header, grid)
    if finer and meaning == "quantity":
        note = f"averaged from pixels of {header.transform[0]:g} m"
        return Resampling(method="average", note=note, kernel_scale=header.transform[0] / grid.resolution)
    method: Method = "bilinear" if meaning == "quantity" else "nearest"
    source = f"EPSG:{header.epsg}" if header.epsg is not None else (header.crs[:60] or "an unnamed CRS")
    what = f"resampled from another pixel grid of {source}" if same_crs else f"warped from {source}"
    return Resampling(method=method, note=f"{what}, {method}", kernel_scale=_kernel_scale(header, grid))


def misses_grid(header: RasterHeader, grid: TargetGrid) -> bool:
    """Returns whether the raster and the grid share no area; False where the CRS has no code to compare by.

    A raster none of whose corners has a place in the grid's CRS, such as metres that are said to be degrees, misses it.
    """
    if header.epsg is None:
        return False
    from pyproj import Transformer

    a, b, c, d, e, f = header.transform
    height, width = header.shape
    xs = [c + a * col + b * row for col in (0, width) for row in (0, height)]
    ys = [f + d * col + e * row for col in (0, width) for row in (0, height)]
    bounds = (min(xs), min(ys), max(xs), max(ys))
    if header.epsg != grid.epsg:
        transformer = Transformer.from_crs(header.epsg, grid.epsg, always_xy=True)
        bounds = transformer.transform_bounds(*bounds, densify_pts=21)
        if not all(map(math.isfinite, bounds)):
            found = transformer.transform([*xs, sum(xs) / len(xs)], [*ys, sum(ys) / len(ys)])
            return not any(math.isfinite(x) and math.isfinite(y) for x, y in zip(*found, strict=True))
    x_min, y_min, x_max, y_max = grid.bounds
    return bounds[2] <= x_min or bounds[0] >= x_max or bounds[3] <= y_min or bounds[1] >= y_max


def _kernel_scale(header: RasterHeader, grid: TargetGrid) -> float:
    """Returns the ratio of pixel sides at the raster's centre; 1 from three quarters up."""
    a, b, c, d, e, f = header.transform
    height, width = header.shape
    cols, rows = (width / 2, width / 2 + 1, width / 2), (height / 2, height / 2, height / 2 + 1)
    xs = [c + a * col + b * row for col, row in zip(cols, rows, strict=True)]
    ys = [f + d * col + e * row for col, row in zip(cols, rows, strict=True)]
    if header.epsg != grid.epsg:
        from pyproj import Transformer

        xs, ys = Transformer.from_crs(header.crs, grid.epsg, always_xy=True).transform(xs, ys)
    sides = [math.hypot(xs[i] - xs[0], ys[i] - ys[0]) for i in (1, 2)]
    ratio = math.sqrt(sides[0] * sides[1]) / grid.resolution
    return ratio if ratio < _ONE_TO_ONE else 1.0


def covers_whole_pixels(header: RasterHeader, grid: TargetGrid) -> bool:
    """Returns whether the raster has the grid's CRS and each of its pixels covers whole pixels of the grid."""
    a, b, c, d, e, f = header.transform
    if header.epsg != grid.epsg or b != 0 or d != 0 or a <= 0 or e >= 0:
        return False
    sizes = (a / grid.resolution, -e / grid.resolution)
    corners = ((c - grid.x_min) / grid.resolution, (f - grid.y_max) / grid.resolution)
    return all(_is_whole(value) for value in (*sizes, *corners)) and min(sizes) > 1 - _TOLERANCE_PX


def _is_whole_multiple(header: RasterHeader, grid: TargetGrid) -> bool:
    a, b, c, d, e, f = header.transform
    if b != 0 or d != 0 or a <= 0 or e >= 0:
        return False
    ratios = (grid.resolution / a, grid.resolution / -e, (grid.x_min - c) / a, (f - grid.y_max) / -e)
    return all(_is_whole(value) for value in ratios)


def _is_whole(value: float) -> bool:
    return abs(value - round(value)) <= _TOLERANCE_PX * max(1.0, abs(value))
