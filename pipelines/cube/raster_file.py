"""Opens one raster file: the one place that hands a file to GDAL.

Local paths and allowed addresses alike; an address that needs a signature is signed at the moment of reading, and the
signed form is kept nowhere. GDAL gets a plain path of a file that exists, or a made-up name behind which `RemoteFile`
reads, and its GeoTIFF driver alone: none of its virtual prefixes, connection strings, XML files or side files can be
reached by an href.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rasterio
import rasterio.errors
from rasterio._err import CPLE_BaseError

from pipelines.cube.read_fault import PASSING_FAULTS, RasterUnreadable, ReadFault, without_query
from pipelines.cube.remote_file import RemoteFile

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PASSING_FAULTS", "RasterUnreadable", "ReadFault", "gdal_environment", "open_raster"]

DRIVER: Final = "GTiff"


def gdal_environment() -> rasterio.Env:
    """Returns GDAL's settings for opening rasters: no search for side files, which the items do not list."""
    return rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO")


@contextlib.contextmanager
def open_raster(href: str) -> Iterator[rasterio.DatasetReader]:
    """Lends an open GeoTIFF. Pixels read in the block count once it has ended without an error.

    Args:
        href: Path or address, already checked against the provider's table.

    Raises:
        RasterUnreadable: With the fault, while opening or at the end of the block at the latest.
    """
    if "://" in href:
        remote = RemoteFile(href)
        try:
            with gdal_environment(), rasterio.open(remote.name, driver=DRIVER, sharing=False, opener=remote) as raster:
                yield raster
        except Exception as error:
            if remote.fault is not None:
                raise remote.fault from remote.fault.__cause__
            if isinstance(error, (rasterio.errors.RasterioError, CPLE_BaseError)):
                raise RasterUnreadable(href, _told(error, remote.name, href)) from error
            raise
        if remote.fault is not None:
            raise remote.fault
        return
    path = _local(href)
    try:
        with gdal_environment(), rasterio.open(path, driver=DRIVER, sharing=False) as raster:
            yield raster
    except (rasterio.errors.RasterioError, CPLE_BaseError) as error:
        raise RasterUnreadable(href, _told(error, path, href)) from error


def _local(href: str) -> str:
    path = Path(href).absolute()
    if str(path).startswith("/vsi") or "\0" in href:
        raise RasterUnreadable(href, "a local path is that of a file, it is none; not followed", "refused")
    try:
        if not path.is_file():
            raise RasterUnreadable(href, "there is no such file", "missing")
        with path.open("rb"):
            pass
    except PermissionError as error:
        raise RasterUnreadable(href, "the file may not be read", "refused") from error
    except OSError as error:
        raise RasterUnreadable(href, f"the file cannot be opened: {error.strerror}", "damaged") from error
    return str(path)


def _told(error: BaseException, name: str, href: str) -> str:
    """Returns the deepest cause in words, GDAL's name of the file replaced by the item's."""
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    text = str(deepest)
    shown = without_query(href).rsplit("/", 1)[-1]
    before, found, after = text.partition(name)
    if found and before.endswith("/"):  # the prefix under which rasterio keeps its openers
        before = before.rsplit("/vsiriopener", 1)[0]
    return f"{before}{shown}{after}" if found else text
