"""Two-dimensional arrays at the root of an HDF5 file, by GDAL. Attributes, where GEO-Bench pickles, are not read."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.raster import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
GET_GDAL: Final = "install a GDAL with HDF5, as the wheels of rasterio have it"


def layer_names(path: Path) -> Mapping[str, str]:
    """Name of each array, blanks as underscores -> GDAL's address of it.

    Raises:
        SampleError: The file is missing or no HDF5, or this GDAL does not read HDF5.
    """
    if not path.is_file():
        raise SampleError(path, "the sample must be there, it is not", "get the set again")
    with path.open("rb") as file:
        head = file.read(len(SIGNATURE))
    if head != SIGNATURE:
        raise SampleError(path, f"must be an HDF5 file, starts with {head!r}", "get the file again")
    addresses = _open(path, str(path), "HDF5", subdatasets=True)
    if not addresses:
        raise SampleError(path, "must be a whole HDF5 file of several arrays, has none to read", "get the file again")
    return {address.rpartition("//")[2]: address for address in addresses}


def read_layer(path: Path, address: str) -> NDArray[Any]:
    """One array, (y, x).

    Raises:
        SampleError: It cannot be read, is unreasonably large, or has another number of dims.
    """
    pixels = _open(path, address, "HDF5Image", subdatasets=False)
    if len(pixels) != 1:
        raise SampleError(
            path, f"{address.rpartition('//')[2]} must be (y, x), has {len(pixels)} layers", "get it again"
        )
    layer: NDArray[Any] = pixels[0]
    return layer


def _open(path: Path, address: str, driver: str, *, subdatasets: bool) -> Any:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # chips stand on no map
            with rasterio.open(address, driver=driver) as source:
                if subdatasets:
                    return source.subdatasets
                if source.count * source.height * source.width > MAX_PIXELS:  # a few bytes can claim any size
                    raise SampleError(
                        path,
                        f"an array must have at most {MAX_PIXELS} values, got {source.count} x {source.height} x "
                        f"{source.width}",
                        "check that the file is the set's",
                    )
                return source.read()
    except RasterioError as error:
        raise SampleError(path, f"must be a whole HDF5 file that GDAL reads ({error})", GET_GDAL) from error
