"""Where a dataset lies: its grid, read back from its coordinates and its CRS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from rasterio.crs import CRS
from rasterio.errors import CRSError

from pipelines.grid import TargetGrid
from pipelines.publish.errors import PublishError

if TYPE_CHECKING:
    import xarray as xr


def grid_of(dataset: xr.Dataset) -> TargetGrid:
    """Returns the grid whose pixel centres are the dataset's x and y.

    Raises:
        PublishError: No CRS with an EPSG code, one pixel only, or coordinates that are not an even north-up grid.
    """
    if "spatial_ref" not in dataset.coords:
        raise PublishError(
            "a product carries the scalar coordinate spatial_ref, got none; make it by pipelines.product"
        )
    x, y = (dataset[axis].to_numpy().astype(np.float64) for axis in ("x", "y"))
    if x.size < 2 and y.size < 2:  # noqa: PLR2004 a step lies between two
        raise PublishError(f"a grid's step lies between two pixels, got {y.size} x {x.size}; publish a larger area")
    step = float((x[-1] - x[0]) / (x.size - 1)) if x.size > 1 else float((y[0] - y[-1]) / (y.size - 1))
    grid = TargetGrid(
        epsg=_epsg(dataset),
        resolution=round(step, 9),
        x_min=round(float(x[0]) - step / 2, 6),
        y_max=round(float(y[0]) + step / 2, 6),
        width=x.size,
        height=y.size,
    )
    if not (np.allclose(grid.x, x, rtol=0, atol=step * 1e-6) and np.allclose(grid.y, y, rtol=0, atol=step * 1e-6)):
        raise PublishError(
            f"x ascends and y descends by one even step, got x {x[:3]}..., y {y[:3]}...; use one TargetGrid"
        )
    return grid


def geometry_of(grid: TargetGrid) -> tuple[dict[str, object], list[float]]:
    """Returns the footprint as GeoJSON and as (west, south, east, north), degrees to 7 digits (1 cm).

    A footprint across the antimeridian is cut there into a MultiPolygon and its west is greater than its east
    (RFC 7946, sections 3.1.9 and 5.2).
    """
    ring = shapely.Polygon(grid.footprint_wgs84())
    bbox = [round(value, 7) for value in grid.bbox_wgs84()]
    if ring.bounds[2] > 180:  # noqa: PLR2004 the antimeridian
        west_part = ring.intersection(shapely.box(-180, -90, 180, 90))
        east_part = shapely.affinity.translate(ring.intersection(shapely.box(180, -90, 540, 90)), xoff=-360)
        ring = shapely.MultiPolygon([west_part, east_part])
    mapping: dict[str, object] = shapely.geometry.mapping(shapely.transform(ring, lambda xy: np.round(xy, 7)))
    return mapping, bbox


def _epsg(dataset: xr.Dataset) -> int:
    attrs = dataset["spatial_ref"].attrs
    wkt = attrs.get("crs_wkt") or attrs.get("spatial_ref")
    try:
        code = CRS.from_wkt(wkt).to_epsg() if isinstance(wkt, str) else None
    except CRSError as error:
        raise PublishError(f"spatial_ref must hold a CRS as crs_wkt, got {wkt!r}; make it by open_cube") from error
    if code is None:
        raise PublishError(f"the CRS of a product must have an EPSG code, got crs_wkt {wkt!r}; use a TargetGrid")
    return int(code)
