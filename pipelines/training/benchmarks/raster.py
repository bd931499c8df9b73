"""Pixels of one image file, read whole, by the drivers that benchmarks use and no other."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.errors import SampleError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DRIVERS: Final = ("GTiff", "PNG", "JPEG", "BMP")
"""Plain raster files: none of them can name another file or an address, as GDAL's virtual rasters do."""

MAX_PIXELS: Final = 2**29
"""Pixels times bands that one image may claim; the largest image of the listed sets has 2**27."""


def read_raster(path: Path) -> NDArray[Any]:
    """All bands, (band, y, x), in the file's own type.

    Raises:
        SampleError: The file is missing, damaged, of another format or unreasonably large.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    if not path.is_file():
        raise SampleError(path, "the image must be there, it is not", "get the set's images again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # photographs stand on no map
            with rasterio.open(path, driver=list(DRIVERS)) as source:
                if source.count * source.height * source.width > MAX_PIXELS:
                    raise SampleError(
                        path,
                        f"must have at most {MAX_PIXELS} values, got {source.count} x {source.height} x {source.width}",
                        "check that the file is the set's",
                    )
                pixels: NDArray[Any] = source.read()
                return pixels
    except RasterioError as error:
        raise SampleError(path, f"must be a whole image of {DRIVERS} ({error})", "get the file again") from error


def check_shape(pixels: NDArray[Any], path: Path, *, bands: int, size: tuple[int, int] | None = None) -> NDArray[Any]:
    """The pixels, if they have the number of bands and the height and width that the set states.

    Raises:
        SampleError: They have not.
    """
    if pixels.shape[0] != bands:
        raise SampleError(path, f"must have {bands} bands, got {pixels.shape[0]}", "check that the file is the set's")
    if size is not None and pixels.shape[1:] != size:
        raise SampleError(path, f"must be {size} (height, width), got {pixels.shape[1:]}", "get the file again")
    return pixels


def peak_of(dtype: np.dtype[Any]) -> float | None:
    """Largest value of an integer type, None for floats."""
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else None
