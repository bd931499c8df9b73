"""A file behind an address as GDAL reads it: headers from a small cache, tiles as the ranges that they are.

GDAL's own `/vsicurl/` is not used. It gives no status of HTTP to who asks (rasterio#2119), remembers a failure as long
as the process lives, follows redirects to any host, does not honour Retry-After, and shows the signed address in its
messages. Here GDAL sees a made-up name and calls back for bytes.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Self

from rasterio.abc import MultiByteRangeResourceContainer

from pipelines.cube.header_cache import HeaderCache
from pipelines.cube.read_fault import RasterUnreadable
from pipelines.cube.remote import Piece, fetch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BLOCK_BYTES: Final = 32 << 10
"""Headers are fetched and kept in blocks of this size: the header of a COG of 10980 x 10980 fits in one."""

SMALL_GAP_BYTES: Final = 16 << 10
"""Two ranges closer than this are fetched as one: a request costs more than the bytes between them."""

LARGEST_REQUEST_BYTES: Final = 8 << 20
PARALLEL_REQUESTS: Final = 4
"""Of one read; a build reads from several threads."""


_HEADERS: Final = HeaderCache()


def forget_headers() -> None:
    """Drops every header that is kept: what is read from now on is asked for again."""
    _HEADERS.clear()


class RemoteFile:
    """One file behind an address. Called from GDAL, it never raises: it keeps the fault and gives nothing.

    GDAL turns nothing into an error of its own or, where tiles are not compressed, into pixels that are none: whoever
    lends the raster looks at `fault` before the pixels count.
    """

    def __init__(self, href: str) -> None:
        self.href = href
        self.name = f"raster://{uuid.uuid4().hex}/raster.tif"
        """What GDAL is told; one for each opening, since rasterio knows its files by folder."""

        self.fault: RasterUnreadable | None = None
        """The first thing that went wrong."""

        self._opened: list[OpenedFile] = []

    def open(self, path: str, mode: str = "r", **_: object) -> OpenedFile:
        """Returns the file with a place of its own to read from."""
        del path, mode
        opened = OpenedFile(self)
        self._opened.append(opened)  # rasterio hands GDAL a bare pointer to it
        return opened

    def size(self, path: str) -> int:
        """Returns the size in bytes, 0 where it is not known yet (rasterio asks for it by a made-up path)."""
        version = _HEADERS.version(self.href)
        return version.total if path == self.name and version else 0

    def isfile(self, path: str) -> bool:
        """Returns whether the path is that of the file: nothing else is beside it."""
        return path == self.name

    def isdir(self, path: str) -> bool:
        """Returns False: there are no folders."""
        del path
        return False

    def ls(self, path: str) -> list[str]:
        """Returns nothing: side files are not looked for."""
        del path
        return []

    def mtime(self, path: str) -> int:
        """Returns 0: not known."""
        del path
        return 0

    def rm(self, path: str) -> None:
        """Does nothing: files behind an address are only read."""


class OpenedFile:
    """A remote file opened by GDAL: reads from a place that moves."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._href = file.href
        self._place = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Does nothing: connections belong to the process."""

    def tell(self) -> int:
        """Returns the place of the next read."""
        return self._place

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves to a place: from the start, from here, or from the end."""
        if whence == 1:
            offset += self._place
        elif whence == 2:  # noqa: PLR2004 os.SEEK_END
            offset += self._total()
        self._place = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        """Returns the next bytes, fewer at the end of the file, none after a fault."""
        stop = self._total() if size < 0 else self._place + size
        content = self._guarded(self._place, stop)
        self._place += len(content)
        return content

    def get_byte_ranges(self, offsets: Sequence[int], sizes: Sequence[int]) -> list[bytes]:
        """Returns the bytes of several ranges, fetched together where they lie close."""
        ranges = [(offset, offset + size) for offset, size in zip(offsets, sizes, strict=True)]
        spans = merged_spans(ranges)
        if len(spans) == 1:
            contents = [self._guarded(*spans[0], whole=True)]
        else:
            with ThreadPoolExecutor(min(PARALLEL_REQUESTS, len(spans))) as pool:
                contents = list(pool.map(lambda span: self._guarded(*span, whole=True), spans))
        held = dict(zip(spans, contents, strict=True))
        found = []
        for start, stop in ranges:
            first, last = next(span for span in spans if span[0] <= start and stop <= span[1])
            content = held[first, last][start - first : stop - first]
            # after a fault GDAL must not decode what its buffer held before
            found.append(content if self._file.fault is None else bytes(stop - start))
        return found

    def _guarded(self, start: int, stop: int, *, whole: bool = False) -> bytes:
        if self._file.fault is not None or stop <= start:
            return b""
        try:
            content = self._range(start, stop, exact=whole or stop - start >= BLOCK_BYTES)
            if whole and len(content) < stop - start:
                size = self._total()
                raise RasterUnreadable(self._href, f"the file ends at byte {size}, its tiles reach to byte {stop}")  # noqa: TRY301
        except RasterUnreadable as fault:
            self._file.fault = fault
            return b""
        except Exception as error:  # noqa: BLE001 an exception must not reach GDAL's C code: it is kept and raised by the lender
            self._file.fault = RasterUnreadable(self._href, f"{type(error).__name__} while it was read")
            self._file.fault.__cause__ = error
            return b""
        return content

    def _total(self) -> int:
        version = _HEADERS.version(self._href)
        if version is None and self._file.fault is None:
            self._guarded(0, 1)
            version = _HEADERS.version(self._href)
        return version.total if version is not None else 0

    def _range(self, start: int, stop: int, *, exact: bool) -> bytes:
        """Returns bytes from the blocks that are kept; else exactly those asked for, or whole blocks to keep."""
        version = _HEADERS.version(self._href)
        if version is None:
            _HEADERS.forget(self._href)
        else:
            stop = min(stop, version.total)
            if start >= stop:
                return b""
        first, last = start // BLOCK_BYTES, (stop - 1) // BLOCK_BYTES
        kept = [_HEADERS.block(self._href, index) for index in range(first, last + 1)] if last - first < 2 else [None]  # noqa: PLR2004 pixels are no header
        if exact and None in kept:
            return self._asked(start, stop).content
        joined = b"".join(
            self._block(index) if block is None else block for index, block in enumerate(kept, start=first)
        )
        return joined[start - first * BLOCK_BYTES : stop - first * BLOCK_BYTES]

    def _block(self, index: int) -> bytes:
        version = _HEADERS.version(self._href)
        if version is not None and index * BLOCK_BYTES >= version.total:
            return b""
        piece = self._asked(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES)
        _HEADERS.keep(self._href, index, piece)
        return piece.content

    def _asked(self, start: int, stop: int) -> Piece:
        piece = fetch(self._href, start, stop)
        version = _HEADERS.version(self._href)
        if version is not None and (version.total, version.tag) != (piece.total, piece.tag):
            _HEADERS.forget(self._href)
            raise RasterUnreadable(self._href, "the file was replaced while it was read, run again", "server")
        return piece


MultiByteRangeResourceContainer.register(RemoteFile)


def merged_spans(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Returns ranges (start, stop) gathered to requests: those that touch or nearly do, up to a largest size.

    Every range lies within one of the spans; they are sorted.
    """
    spans: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if spans:
            first, last = spans[-1]
            if stop <= last:
                continue
            if start <= last + SMALL_GAP_BYTES and stop - first <= LARGEST_REQUEST_BYTES:
                spans[-1] = (first, stop)
                continue
        spans.append((start, stop))
    return spans


def whole_file(href: str) -> Iterator[bytes]:
    """Yields a file behind an address from its first byte to its last, in pieces.

    Raises:
        RasterUnreadable: With the fault.
    """
    start, known = 0, None
    while known is None or start < known.total:
        piece = fetch(href, start, start + LARGEST_REQUEST_BYTES)
        if known is not None and (known.total, known.tag) != (piece.total, piece.tag):
            raise RasterUnreadable(href, "the file was replaced while it was read, run again", "server")
        if not piece.content:
            return
        known = piece
        start += len(piece.content)
        yield piece.content
