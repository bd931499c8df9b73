"""Opens one raster file: the one place that hands a file to GDAL.

Local paths and allowed addresses alike; an address that needs a signature is signed at the moment of reading, and the
signed form is kept nowhere. GDAL gets a plain path of a file that exists, or a made-up name behind which `RemoteFile`
reads, and its GeoTIFF driver alone, or that of JPEG 2000 by the file's ending: none of its virtual prefixes, connection
strings, XML files or side files can be reached by an href.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rasterio
import rasterio.errors
from rasterio._err import CPLE_BaseError

from pipelines.cube.opener_context import share_openers
from pipelines.cube.read_fault import PASSING_FAULTS, RasterUnreadable, ReadFault, without_query
from pipelines.cube.remote_file import RemoteFile

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PASSING_FAULTS", "HeldRaster", "RasterUnreadable", "ReadFault", "gdal_environment", "open_raster"]

DRIVER: Final = "GTiff"
JPEG2000: Final = "JP2OpenJPEG"
"""For files named `.jp2`, in which the Copernicus Data Space Ecosystem holds Sentinel-2."""

GDAL_CACHE_BYTES: Final = 32 << 20
"""Of a process: some tiles for each of its threads."""


def gdal_environment() -> rasterio.Env:
    """Returns GDAL's settings for reading rasters.

    No search for side files, which the items do not list, and a small cache of decoded tiles: readers of ours ask for
    whole tiles and keep themselves what they need again, while GDAL would take a twentieth of the machine's memory.
    """
    return rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO", GDAL_CACHEMAX=GDAL_CACHE_BYTES)


_OPEN: Final[dict[int, rasterio.DatasetReader]] = {}
"""Every open raster by a number of its own: held here, none is closed by the garbage collector."""

_DROPPED: Final[deque[int]] = deque()
"""Numbers of those that nobody else holds any more."""

_NUMBERS: Final = itertools.count()


def close_dropped() -> None:
    """Closes the rasters that were dropped open.

    The garbage collector must not. It may come while GDAL reads, called back by a remote file; closing enters an
    environment of rasterio, which takes the place of the handler that collects the errors of that read, and a read
    that fails then ends without one and gives what its buffer held. Nor does the collector come in a thread that finds
    the opener of a remote file.
    """
    while _DROPPED:
        try:
            number = _DROPPED.popleft()
        except IndexError:  # another thread was quicker
            return
        _close(number)


@functools.cache
def _close_all_at_exit() -> None:
    """Has every raster closed while Python still can be called back by GDAL."""
    atexit.register(_close_all)


def _close_all() -> None:
    for number in list(_OPEN):
        _close(number)


def _close(number: int) -> None:
    raster = _OPEN.pop(number, None)
    if raster is not None:
        with gdal_environment():
            share_openers()
            raster.close()


class HeldRaster:
    """An open GeoTIFF that is read from time and again, by one thread at a time. After a fault it is to be closed."""

    def __init__(self, href: str, *, overview: int | None = None) -> None:
        """Opens a raster.

        Args:
            href: Path or address, already checked against the provider's table.
            overview: Index of the overview to open in its stead, from 0.

        Raises:
            RasterUnreadable: With the fault.
        """
        self._number = next(_NUMBERS)
        _close_all_at_exit()
        close_dropped()
        self._href = href
        self._remote = RemoteFile(href) if "://" in href else None
        self._name = self._remote.name if self._remote is not None else _local(href)
        options: dict[str, object] = {} if overview is None else {"overview_level": overview}
        if self._remote is not None:
            options["opener"] = self._remote
        with self._told():
            self._raster = rasterio.open(self._name, driver=_driver(href), sharing=False, **options)
            _OPEN[self._number] = self._raster

    @contextlib.contextmanager
    def reading(self) -> Iterator[rasterio.DatasetReader]:
        """Lends the raster. Pixels read in the block count once it has ended without an error.

        Raises:
            RasterUnreadable: With the fault, at the end of the block at the latest.
        """
        with self._told():
            yield self._raster

    def close(self) -> None:
        """Closes the file."""
        _close(self._number)

    def __del__(self) -> None:
        if self._number in _OPEN:
            _DROPPED.append(self._number)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turns errors of GDAL, and bytes that did not come, into one error with its fault."""
        remote = self._remote
        if remote is not None:
            share_openers()
        try:
            with gdal_environment():
                yield
        except Exception as error:
            if remote is not None and remote.fault is not None:
                raise remote.fault from remote.fault.__cause__
            if isinstance(error, (rasterio.errors.RasterioError, CPLE_BaseError)):
                raise RasterUnreadable(self._href, _told(error, self._name, self._href)) from error
            raise
        if remote is not None and remote.fault is not None:
            raise remote.fault


@contextlib.contextmanager
def open_raster(href: str) -> Iterator[rasterio.DatasetReader]:
    """Lends an open GeoTIFF. Pixels read in the block count once it has ended without an error.

    Args:
        href: Path or address, already checked against the provider's table.

    Raises:
        RasterUnreadable: With the fault, while opening or at the end of the block at the latest.
    """
    held = HeldRaster(href)
    try:
        with held.reading() as raster:
            yield raster
    finally:
        held.close()


def _driver(href: str) -> str:
    return JPEG2000 if without_query(href).lower().endswith(".jp2") else DRIVER


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
