"""Pieces of files over HTTP: who may be asked, how often, and what exactly went wrong."""

from __future__ import annotations

import email.utils
import http
import os
import random
import re
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urljoin, urlsplit

from catalogs.errors import CatalogError
from catalogs.providers import LOOPBACK, PROVIDERS
from catalogs.rate import before_reading, hold
from catalogs.signing import sign
from pipelines.cube.read_fault import PASSING_FAULTS, RasterUnreadable, ReadFault, without_query
from pipelines.cube.read_policy import ReadPolicy, read_policy

if TYPE_CHECKING:
    import requests

MAX_REDIRECTS: Final = 3
MAX_WITHOUT_RANGES: Final = 64 << 20
"""A server that knows no ranges sends a file whole; beyond this size it is of no use."""

_PACKET: Final = 1 << 18
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_STATUS_FAULT: Final[dict[int, ReadFault]] = {
    401: "refused",
    402: "refused",
    403: "refused",
    404: "missing",
    408: "timeout",
    410: "missing",
    416: "damaged",
    425: "busy",
    429: "busy",
}
_DENIED: Final = frozenset({401, 403})


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A range of a file as the server gave it."""

    content: bytes
    """Shorter than asked for where the file ends before."""

    total: int
    """Size of the whole file."""

    tag: str
    """ETag or date of the last change, '' where the server gives neither: two pieces of one file have the same."""


class _Fault(Exception):  # noqa: N818 caught and told in words, never shown
    def __init__(self, fault: ReadFault, cause: str, *, passing: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(cause)
        self.fault: ReadFault = fault
        self.passing = passing or fault in PASSING_FAULTS
        self.wait_s = wait_s
        self.denied = False


class _Reply(Protocol):
    def read1(self, amt: int) -> bytes: ...


def fetch(href: str, start: int, stop: int) -> Piece:
    """Returns the bytes start to stop - 1 of a file.

    A fault that may pass (429, 5xx, no answer, a stalled or cut-off answer) is met by another try, after the wait that
    the server asks for or a growing one; each waits its turn where the provider limits its rate. A refusal is met by a
    new signature, once. Redirects are followed to the hosts of the same provider alone. No message holds a signed
    address.

    Args:
        href: As a scene holds it, unsigned.
        start: First byte.
        stop: First byte no longer wanted.

    Raises:
        RasterUnreadable: With the fault.
    """
    policy = read_policy()
    renewed, tries = False, 0
    address = _signed(href, renew=False)
    while True:
        tries += 1
        before_reading(href)
        try:
            return _ask(address, start, stop, policy)
        except _Fault as fault:
            if fault.denied and not renewed:
                renewed, before, address = True, address, _signed(href, renew=True)
                if address != before:
                    continue
            if not fault.passing or tries >= policy.num_tries:
                told = f"{fault}, {tries} times" if tries > 1 and fault.passing else str(fault)
                raise RasterUnreadable(href, told, fault.fault) from None  # its context would show a signed address
            if fault.fault == "busy" and fault.wait_s > 0:
                hold(href, min(fault.wait_s, policy.longest_wait_s))
            time.sleep(_wait_s(fault, tries, policy))
        address = _signed(href, renew=False)  # the wait may have outlived the signature


def require_allowed(address: str) -> None:
    """Holds an address against the rules for files: https, plain http to this machine only, no user in it.

    Raises:
        ValueError: It breaks one; the message shows no query.
    """
    try:
        parts = urlsplit(address)
        host, user, _ = parts.hostname, parts.username, parts.port
    except ValueError as error:
        raise ValueError(f"a file's address must be readable, got {without_query(address)!r}") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise ValueError(f"a raster is a local path or an https address, got {without_query(address)!r}; not followed")
    if not host or user is not None:
        raise ValueError(
            f"a file's address names a host and no user, got one in {without_query(address)!r}; not followed"
        )


def _signed(href: str, *, renew: bool) -> str:
    try:
        address = sign(href, renew=renew)
        require_allowed(address)
    except CatalogError as error:
        raise RasterUnreadable(href, str(error), "server" if error.transient else "refused") from error
    except ValueError as error:
        raise RasterUnreadable(href, str(error), "refused") from error
    return address


def _wait_s(fault: _Fault, tries: int, policy: ReadPolicy) -> float:
    grown: float = policy.backoff_s * 2.0 ** (tries - 1) + random.uniform(0, policy.backoff_s / 2)
    return min(max(fault.wait_s, grown), policy.longest_wait_s)


def _ask(address: str, start: int, stop: int, policy: ReadPolicy) -> Piece:
    allowed = _allowed_hosts(address)
    for _ in range(MAX_REDIRECTS + 1):
        answer = _get(address, start, stop, policy)
        try:
            if answer.status_code not in (301, 302, 303, 307, 308):
                return _piece(answer, start, stop, policy)
            address = _redirected(address, answer.headers.get("Location", ""), allowed)
        finally:
            answer.close()
    raise _Fault("refused", f"it redirects more than {MAX_REDIRECTS} times")


def _allowed_hosts(address: str) -> frozenset[str]:
    host = urlsplit(address).hostname or ""
    shared = {other for provider in PROVIDERS.values() if host in provider.hosts for other in provider.hosts}
    return frozenset({host, *shared})


def _redirected(address: str, location: str, allowed: frozenset[str]) -> str:
    target = urljoin(address, location)
    try:
        require_allowed(target)
    except ValueError as error:
        raise _Fault("refused", f"it redirects to where no file may be read: {error}") from None
    host = urlsplit(target).hostname
    if host not in allowed or (address.startswith("https:") and not target.startswith("https:")):
        raise _Fault("refused", f"it redirects to {without_query(target)!r}, another host; not followed")
    return target


def _get(address: str, start: int, stop: int, policy: ReadPolicy) -> requests.Response:
    import requests

    headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
    timeout = (policy.connect_s, policy.stall_s)
    try:
        return _session().get(address, headers=headers, timeout=timeout, allow_redirects=False, stream=True)
    except requests.exceptions.SSLError:
        raise _Fault("refused", "its certificate is not accepted") from None
    except requests.exceptions.ConnectTimeout:
        raise _Fault("timeout", f"no connection within {policy.connect_s:g} s") from None
    except requests.exceptions.ReadTimeout:
        raise _Fault("timeout", f"no answer within {policy.stall_s:g} s") from None
    except requests.exceptions.ConnectionError as error:
        if "RemoteDisconnected" in str(error) or "reset" in str(error):
            raise _Fault("server", "the connection was closed without an answer") from None
        raise _Fault("timeout", "no connection") from None
    except (requests.exceptions.RequestException, ValueError):
        raise _Fault("refused", "the address is not one that can be asked") from None


def _piece(answer: requests.Response, start: int, stop: int, policy: ReadPolicy) -> Piece:
    tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    if answer.status_code == http.HTTPStatus.PARTIAL_CONTENT:
        told = answer.headers.get("Content-Range", "")
        parts = _CONTENT_RANGE.fullmatch(told)
        if parts is None or int(parts[1]) != start or not start <= int(parts[2]) < stop:
            raise _Fault("server", f"asked for bytes {start}-{stop - 1}, it answered with {told!r:.80}")
        return Piece(content=_body(answer, int(parts[2]) + 1 - start, policy), total=int(parts[3]), tag=tag)
    if answer.status_code == http.HTTPStatus.OK:
        length = answer.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_WITHOUT_RANGES:
            raise _Fault("refused", f"the server gives no parts of files, and this one has {length or 'unknown'} bytes")
        return Piece(content=_body(answer, int(length), policy)[start:stop], total=int(length), tag=tag)
    raise _status_fault(answer, start)


def _status_fault(answer: requests.Response, start: int) -> _Fault:
    status = answer.status_code
    if status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return _Fault("damaged", f"the file ends before byte {start}")
    fault = _STATUS_FAULT.get(status, "server" if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR else "refused")
    found = _Fault(fault, f"HTTP {status}", wait_s=_retry_after_s(answer.headers.get("Retry-After", "")))
    found.denied = status in _DENIED
    return found


def _retry_after_s(value: str) -> float:
    """Reads seconds or a date (RFC 9110 section 10.2.3); 0 where it is neither. Some servers write decimals."""
    if value.replace(".", "", 1).isdecimal():
        return float(value)
    try:
        return (email.utils.parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return 0.0


def _body(answer: requests.Response, length: int, policy: ReadPolicy) -> bytes:
    import urllib3.exceptions

    reply: _Reply = answer.raw
    packets: list[bytes] = []
    missing = length
    deadline = time.monotonic() + policy.stall_s + length / policy.slowest_bytes_per_s
    while missing > 0:
        try:
            packet = reply.read1(min(missing, _PACKET))
        except urllib3.exceptions.ReadTimeoutError:
            raise _Fault("timeout", f"the answer stalled after {length - missing} of {length} bytes") from None
        except (urllib3.exceptions.HTTPError, OSError):
            packet = b""
        if not packet:
            cause = f"the answer was cut off after {length - missing} of {length} bytes"
            raise _Fault("damaged", cause, passing=True)
        packets.append(packet)
        missing -= len(packet)
        if missing and time.monotonic() > deadline:
            raise _Fault("timeout", f"the answer stalled, {length - missing} of {length} bytes came in time")
    return b"".join(packets)


@dataclass(slots=True)
class _Kept:
    lock: threading.Lock
    session: requests.Session | None = None
    process: int = 0


_KEPT = _Kept(threading.Lock())


def _session() -> requests.Session:
    """Returns the connections of this process, made anew after a fork: two processes must not share a socket."""
    import requests
    import requests.adapters

    with _KEPT.lock:
        if _KEPT.session is None or _KEPT.process != os.getpid():
            session = requests.Session()
            session.headers["User-Agent"] = "ringmoe-datacube"
            adapter = requests.adapters.HTTPAdapter(pool_connections=32, pool_maxsize=32, max_retries=0)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            _KEPT.session, _KEPT.process = session, os.getpid()
        return _KEPT.session
