"""Signatures of addresses, made when a file is read and kept in no record.

Two kinds of addresses take one. Files of the Planetary Computer take a shared access signature, which a token service
hands out to anybody for a storage container and some time; it is fetched once for all threads, kept in memory until
shortly before its end, and fetched anew after a refusal. Files in a bucket (`s3://`) take a signature made here from
the user's own keys. All other addresses, and local paths, are read as they are.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from catalogs.errors import CatalogError, ItemError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalogs.object_store import ObjectStore
    from catalogs.token_service import TokenService

SPARE_S: Final = 60.0
"""A token is not used in its last minute: what is read with it has to come through before it ends."""

SPARE_SHARE: Final = 0.1
"""Of the life of tokens that live so shortly that a minute is much of it."""

JUST_RENEWED_S: Final = 2.0
"""Threads that were refused together ask for a new token together: the first one's will do for all."""


SIGNATURE: Final = re.compile(r"\?[^\s\"'?]*\b(?:sig|X-Amz-Signature)=[^\s\"']*")
"""A query that holds a signature of Azure or of Amazon."""


def without_signature(message: str) -> str:
    """Returns a text with every signed query cut out of it."""
    return SIGNATURE.sub("?[signature]", message)


class _Unsigned(logging.Filter):
    """Keeps signatures out of what the HTTP client tells of its requests at level DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(without_signature(part) if isinstance(part, str) else part for part in record.args)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    query: str = field(repr=False)
    ends_s: float
    """When it is no longer used, by the monotonic clock."""

    fetched_s: float


class Signer:
    """Signs addresses for one process: holds the tokens, and who hands them out."""

    def __init__(self, services: tuple[TokenService, ...], stores: tuple[ObjectStore, ...] = ()) -> None:
        self._services = {host: service for service in services for host in service.hosts}
        self._stores = {store.bucket: store for store in stores}
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()
        logger = logging.getLogger("urllib3.connectionpool")
        if not any(isinstance(known, _Unsigned) for known in logger.filters):
            logger.addFilter(_Unsigned())

    def sign(self, href: str, *, renew: bool = False) -> str:
        """Returns the address that a file is read from now, as `catalogs.signing.sign`."""
        parts = urlsplit(href)
        if parts.scheme == "s3" and parts.netloc in self._stores:
            return self._presigned(self._stores[parts.netloc], parts.path.lstrip("/"))
        service = self._services.get(parts.hostname or "")
        if service is None:
            return href
        account, container = (parts.hostname or "").split(".")[0], parts.path.lstrip("/").split("/")[0]
        if not account or not container:
            raise CatalogError(f"a file of Azure lies in a container, got {parts.path!r} of {account!r}; not signed")
        token = self._token(service, f"{quote(account, safe='')}/{quote(container, safe='')}", renew=renew)
        return parts._replace(query=token.query).geturl()

    def _token(self, service: TokenService, container: str, *, renew: bool) -> _Token:
        key = (service.endpoint, container)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:  # one thread asks, the others wait for its answer
            held, now = self._tokens.get(key), time.monotonic()
            if held and now < held.ends_s and not (renew and now - held.fetched_s > JUST_RENEWED_S):
                return held
            self._tokens.pop(key, None)
            self._tokens[key] = token = _fetch(service, container)
            return token

    def _presigned(self, store: ObjectStore, key: str) -> str:
        keys = store.keys()
        if keys is None:
            raise CatalogError(f"reading s3://{store.bucket}/{key} takes keys; {store.lacking()}")
        from catalogs.presign import presign

        return presign(store, key, keys, now=datetime.now(UTC))


def sign(href: str, *, renew: bool = False) -> str:
    """Returns the address that a file is read from now.

    Args:
        href: Path or address as a scene holds it.
        renew: True drops the signature in store, after the server refused it.

    Raises:
        CatalogError: No signature can be had; `transient` says whether a later try may get one. The message holds
            neither signature nor key.
    """
    if "://" not in href:
        return href
    return _signer().sign(href, renew=renew)


@contextlib.contextmanager
def signed_by(signer: Signer) -> Iterator[None]:
    """Lets `sign` ask another signer within a block, in all threads of this process: for a mirror, and for tests."""
    before, _CURRENT.signer = _CURRENT.signer, signer
    try:
        yield
    finally:
        _CURRENT.signer = before


@dataclass(slots=True)
class _Current:
    signer: Signer | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_CURRENT: Final = _Current()


def _signer() -> Signer:
    with _CURRENT.lock:
        if _CURRENT.signer is None:
            from catalogs.providers import PROVIDERS

            _CURRENT.signer = Signer(
                tuple(provider.tokens for provider in PROVIDERS.values() if provider.tokens),
                tuple(store for provider in PROVIDERS.values() for store in provider.stores),
            )
        return _CURRENT.signer


def _fetch(service: TokenService, container: str) -> _Token:
    import requests

    from catalogs.client import PASSING_STATUS, PATIENCE, PatientRetry
    from catalogs.rate import bucket

    turns = bucket(service.endpoint, service.requests_per_second)
    turns.take()
    key = os.environ.get(service.key_variable, "") if service.key_variable else ""
    address = f"{service.endpoint.rstrip('/')}/{container}"
    fix = "check the network, then run again"
    with requests.Session() as session:
        adapter = requests.adapters.HTTPAdapter(max_retries=PatientRetry.of(PATIENCE, turns))
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        try:
            answer = session.get(
                address,
                headers={service.key_header: key} if key else None,
                timeout=(PATIENCE.connect_s, PATIENCE.read_s),
                allow_redirects=False,  # the key goes to this address alone
            )
        except requests.RequestException as cause:
            message = f"a token service must answer, {address} did not ({type(cause).__name__}); {fix}"
            raise CatalogError(message, transient=True) from None  # the cause may show headers
    if answer.status_code != requests.codes.ok:
        transient = answer.status_code in PASSING_STATUS
        told = fix if transient else f"check that {container} is one of its containers"
        raise CatalogError(
            f"a token service must give a signature, {address} answered {answer.status_code}; {told}",
            transient=transient,
        )
    return _read_token(answer.content, answer.headers, address)


def _read_token(content: bytes, headers: Mapping[str, str], address: str) -> _Token:
    import json

    from catalogs.instants import parse_instant

    message = f"a token service answers with `token` and `msft:expiry`, {address} did not; report it to the provider"
    try:
        document: Any = json.loads(content)
        query, expiry = document["token"], parse_instant(document["msft:expiry"])
    except (ValueError, TypeError, KeyError, ItemError):
        raise CatalogError(message) from None  # the cause may show the token
    if not isinstance(query, str) or not query or any(sign in query for sign in "#? \r\n"):
        raise CatalogError(message)
    # the server's own clock tells how long the token lives: this machine's may be wrong
    dated = headers.get("Date")
    now = parsedate_to_datetime(dated) if dated else datetime.now(UTC)
    life_s = (expiry - now).total_seconds()
    fetched_s = time.monotonic()
    return _Token(query=query, ends_s=fetched_s + life_s - min(SPARE_S, SPARE_SHARE * life_s), fetched_s=fetched_s)
