"""Pixels of one image file, read whole, by the drivers that benchmarks use and no other."""

from __future__ import annotations

import warnings
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.errors import SampleError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIGNATURES: Final = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\x00": "GTiff",
    b"MM\x00*": "GTiff",
    b"II+\x00": "GTiff",
    b"MM\x00+": "GTiff",
}
"""First bytes -> GDAL's driver. None of these formats can name another file or an address, as virtual rasters do."""

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

MAX_PIXELS: Final = 2**29
"""Pixels times bands that one image may claim; the largest image of the listed sets has 2**27."""


def read_raster(path: Path) -> NDArray[Any]:
    """All bands, (band, y, x), in the file's own type.

    Raises:
        SampleError: The file is missing, damaged, of another format or unreasonably large.
    """
    return _read(path, raw=False)


def read_raw_tiff(path: Path) -> NDArray[Any]:
    """All bands of a TIFF, (band, y, x), as they are stored, whatever colours its tag says they are.

    Raises:
        SampleError: The file is missing, damaged, no TIFF or unreasonably large.
    """
    return _read(path, raw=True)


def _read(path: Path, *, raw: bool) -> NDArray[Any]:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    if not path.is_file():
        raise SampleError(path, "the image must be there, it is not", "get the set's images again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # photographs stand on no map
            driver = driver_of(path)
            if raw and driver != "GTiff":
                raise SampleError(path, "must be a TIFF image", "get the file again")
            if driver == "PNG":
                check_png(path)
            with rasterio.open(f"GTIFF_RAW:{path.absolute()}" if raw else path, driver=driver) as source:
                if source.count * source.height * source.width > MAX_PIXELS:
                    raise SampleError(
                        path,
                        f"must have at most {MAX_PIXELS} values, got {source.count} x {source.height} x {source.width}",
                        "check that the file is the set's",
                    )
                pixels: NDArray[Any] = source.read()
                return pixels
    except (OSError, RasterioError) as error:
        raise SampleError(path, f"must be a whole image ({error})", "get the file again") from error


def check_png(path: Path) -> None:
    """Walks the chunks of a PNG to its end: the driver fills what is missing with anything, and says nothing.

    Raises:
        SampleError: A chunk is cut short or its check sum differs, or the end is not there.
    """
    content = path.read_bytes()
    start, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        size = int.from_bytes(content[start : start + 4], "big")
        body, stated = content[start + 4 : start + 8 + size], content[start + 8 + size : start + 12 + size]
        if len(stated) < 4 or zlib.crc32(body) != int.from_bytes(stated, "big"):  # noqa: PLR2004 of 4 bytes
            raise SampleError(path, f"must be a whole PNG, is damaged at byte {start}", "get the file again")
        start, kind = start + 12 + size, body[:4]


def driver_of(path: Path) -> str:
    """GDAL's driver for a file, by its first bytes; names and suffixes are not believed.

    Raises:
        SampleError: It is none of `SIGNATURES`.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(4)
    for signature, driver in SIGNATURES.items():
        if head.startswith(signature):
            return driver
    raise SampleError(path, f"must be a PNG, JPEG, BMP or TIFF image, starts with {head!r}", "get the file again")


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
