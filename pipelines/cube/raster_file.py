"""Opens one raster file: the one place that hands an href to GDAL.

Local paths and allowed addresses alike; an address that needs a signature is signed here, at the moment of reading, and
the signed form is kept nowhere.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal

import rasterio
import rasterio.errors

from catalogs.signing import sign

if TYPE_CHECKING:
    from collections.abc import Iterator

ReadFault = Literal["missing", "refused", "busy", "server", "timeout", "damaged"]
"""Why a file could not be read: 404; 401 or 403; 429; 5xx; no answer in time; truncated or not what it should be."""

PASSING_FAULTS: frozenset[ReadFault] = frozenset({"busy", "server", "timeout"})
"""Faults that a later try may not meet again."""


class RasterUnreadable(Exception):  # noqa: N818 caught and recorded
    """A raster could not be opened or read."""

    def __init__(self, href: str, cause: str, fault: ReadFault = "damaged") -> None:
        super().__init__(href, cause)
        self.href = href
        """As the item says it, never signed."""
        self.cause = cause
        self.fault: ReadFault = fault


def gdal_environment() -> rasterio.Env:
    """Returns GDAL's settings for opening rasters: no search for side files, which the items do not list."""
    return rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_HTTP_MERGE_CONSECUTIVE_RANGES="YES")


@contextlib.contextmanager
def open_raster(href: str) -> Iterator[rasterio.DatasetReader]:
    """Lends an open raster.

    Args:
        href: Path or address, already checked against the provider's table.

    Raises:
        RasterUnreadable: Missing, truncated or damaged, while opening or within the block.
    """
    try:
        with gdal_environment(), rasterio.open(sign(href), sharing=False) as raster:
            yield raster
    except rasterio.errors.RasterioError as error:
        deepest: BaseException = error
        while deepest.__cause__ is not None:
            deepest = deepest.__cause__
        raise RasterUnreadable(href, str(deepest)) from error
