"""Where the inner tiles of a date's rasters lie on the grid, from their headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.cube.unit import RasterTiling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelines.cube.resampling import RasterHeader
    from pipelines.grid import TargetGrid


def tiling_of(headers: Iterable[RasterHeader], grid: TargetGrid) -> RasterTiling | None:
    """Returns the tiles of the raster with the largest ones among those of the grid's CRS, None where there is none.

    Rasters of another CRS have tiles that are no rectangles here. Finer tiles mostly divide the largest.

    Args:
        headers: Of all rasters of a date.
        grid: The target.
    """
    found = [tiling for header in headers if (tiling := _tiling(header, grid)) is not None]
    return max(found, key=lambda tiling: tiling.height * tiling.width, default=None)


def _tiling(header: RasterHeader, grid: TargetGrid) -> RasterTiling | None:
    a, b, c, d, e, f = header.transform
    if header.tile is None or header.epsg != grid.epsg or b or d or a <= 0 or e >= 0:
        return None
    height, width = header.tile
    return RasterTiling(
        height=height * -e / grid.resolution,
        width=width * a / grid.resolution,
        row=(grid.y_max - f) / grid.resolution,
        col=(c - grid.x_min) / grid.resolution,
    )
