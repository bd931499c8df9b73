"""Cloud-optimised GeoTIFFs of simulated planes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import rasterio
from rasterio.transform import Affine

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

BLOCK_PX = 256
OVERVIEWS_FROM_PX = 513
"""Planes of at least this many rows or columns get overviews."""

PREDICTORS = {"u": 2, "i": 2, "f": 3}
"""Deflate predictors by kind of number: horizontal differencing, or that of floats."""

COLOURED = "uint8"

MULTIHASH_SHA256 = "1220"
"""Code and length of a SHA-256 in multihash form, as the STAC file extension asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterFile:
    """What an item says about a file."""

    checksum: str
    """Multihash of the bytes."""

    size: int
    """Bytes."""

    shape: tuple[int, int]
    """Rows and columns."""

    transform: tuple[float, float, float, float, float, float]
    """a, b, c, d, e, f of x = a column + b row + c, y = d column + e row + f."""

    data_type: str


def write_cog(
    path: Path,
    plane: NDArray[np.generic],
    *,
    epsg: int,
    corner: tuple[float, float],
    resolution: float,
    nodata: float | None,
    colours: dict[int, tuple[int, int, int]] | None = None,
) -> RasterFile:
    """Writes a plane (y, x) as a cloud-optimised GeoTIFF; equal arguments give equal bytes.

    Args:
        path: Where; its folder is made.
        plane: Values of any type that GeoTIFF knows.
        epsg: Code of the CRS.
        corner: x and y of the upper left corner in metres.
        resolution: Pixel side in metres.
        nodata: Fill value, NaN allowed; None for none.
        colours: Red, green and blue by value, for uint8 planes.
    """
    transform = Affine(resolution, 0.0, corner[0], 0.0, -resolution, corner[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="COG",
        height=plane.shape[0],
        width=plane.shape[1],
        count=1,
        dtype=plane.dtype,
        crs=f"EPSG:{epsg}",
        transform=transform,
        nodata=nodata,
        compress="DEFLATE",
        predictor=PREDICTORS[plane.dtype.kind] if plane.dtype != COLOURED else "NO",
        blocksize=BLOCK_PX,
        overviews="AUTO" if max(plane.shape) >= OVERVIEWS_FROM_PX else "NONE",
        overview_resampling="NEAREST" if plane.dtype == COLOURED else "AVERAGE",
    ) as file:
        file.write(plane, 1)
        if colours:
            file.write_colormap(1, colours)
    content = path.read_bytes()
    return RasterFile(
        checksum=MULTIHASH_SHA256 + hashlib.sha256(content).hexdigest(),
        size=len(content),
        shape=(plane.shape[0], plane.shape[1]),
        transform=(transform.a, transform.b, transform.c, transform.d, transform.e, transform.f),
        data_type=str(plane.dtype),
    )
