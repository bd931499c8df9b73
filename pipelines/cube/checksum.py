"""Files held against the size and the checksum that their item states."""

from __future__ import annotations

import hashlib
import string
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipelines.cube.read_fault import RasterUnreadable
from pipelines.cube.read_policy import read_policy

if TYPE_CHECKING:
    from catalogs.scenes import Asset

FUNCTIONS: Final = {"1220": "sha256", "1114": "sha1", "d50110": "md5", "1340": "sha512", "1620": "sha3_256"}
"""Hash functions by the first bytes of a multihash: code and length of the digest, each an unsigned varint
(multiformats.io, table of multicodecs). The STAC file extension v2.1.0 writes `file:checksum` so, in hexadecimal."""

SHORTEST: Final = 8
"""Hexadecimal characters: code, length and two bytes of a digest."""

_FileState = tuple[str, str, int | None, int, int]
_SOUND: Final[set[_FileState]] = set()
_LOCK: Final = threading.Lock()


def require_as_stated(asset: Asset) -> None:
    """Holds a file against what its item states, as far as the read policy asks for it; once a run for each file.

    A checksum by a function that is not among `FUNCTIONS` cannot be checked and counts as none stated.

    Raises:
        RasterUnreadable: `damaged` where size or checksum differ or the stated checksum is no multihash; any fault of
            reading.
    """
    verify = read_policy().verify
    remote = "://" in asset.href
    if verify == "none" or (remote and verify == "local") or (asset.checksum is None and asset.size_bytes is None):
        return
    if remote:
        _require_remote(asset)
        return
    path = Path(asset.href)
    try:
        found = path.stat()
    except OSError:
        return  # opening it says what is wrong
    state = (str(path), asset.checksum or "", asset.size_bytes, found.st_size, found.st_mtime_ns)
    with _LOCK:
        if state in _SOUND:
            return
    _require_size(asset, found.st_size)
    digest = _expected(asset)
    if digest is not None:
        _require_digest(asset, digest, file_digest(path, digest[0]))
    with _LOCK:
        _SOUND.add(state)


def file_digest(path: Path, function: str) -> str:
    """Returns the digest of a file in hexadecimal, by a function of hashlib."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, function).hexdigest()


def read_multihash(checksum: str) -> tuple[str, str] | None:
    """Returns the hash function and the digest of a multihash, None where the function is not one of `FUNCTIONS`.

    Raises:
        ValueError: It is not hexadecimal, or too short to hold what it says.
    """
    if len(checksum) < SHORTEST or len(checksum) % 2 or not set(checksum) <= set(string.hexdigits):
        raise ValueError(f"a checksum is a multihash in hexadecimal, got {checksum!r:.80}; correct the item")
    lowered = checksum.lower()
    for prefix, function in FUNCTIONS.items():
        if lowered.startswith(prefix):
            digest = lowered.removeprefix(prefix)
            if len(digest) != 2 * hashlib.new(function, usedforsecurity=False).digest_size:
                raise ValueError(f"the digest of {function} has another length, got {checksum!r:.80}; correct the item")
            return function, digest
    return None


def _expected(asset: Asset) -> tuple[str, str] | None:
    if asset.checksum is None:
        return None
    try:
        return read_multihash(asset.checksum)
    except ValueError as error:
        raise RasterUnreadable(asset.href, str(error)) from error


def _require_remote(asset: Asset) -> None:
    from pipelines.cube.remote_file import whole_file

    state = (asset.href, asset.checksum or "", asset.size_bytes, 0, 0)
    with _LOCK:
        if state in _SOUND:
            return
    expected = _expected(asset)
    hasher = hashlib.new(expected[0] if expected else "md5", usedforsecurity=False)
    size = 0
    for piece in whole_file(asset.href):
        hasher.update(piece)
        size += len(piece)
    _require_size(asset, size)
    if expected is not None:
        _require_digest(asset, expected, hasher.hexdigest())
    with _LOCK:
        _SOUND.add(state)


def _require_size(asset: Asset, size: int) -> None:
    if asset.size_bytes is not None and asset.size_bytes != size:
        raise RasterUnreadable(asset.href, f"its item states {asset.size_bytes} bytes, the file has {size}")


def _require_digest(asset: Asset, expected: tuple[str, str], found: str) -> None:
    function, digest = expected
    if digest != found:
        told = f"its item states {function} {digest[:16]}..., the file has {found[:16]}..."
        raise RasterUnreadable(asset.href, f"wrong checksum: {told}")
