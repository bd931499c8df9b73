"""The one file that talks to a STAC API: paging, retries, request rate, and who may be asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from pystac.errors import STACError, STACTypeError
from pystac_client import Client
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from pystac_client.warnings import DoesNotConformTo
from urllib3.util.retry import Retry

from catalogs.errors import CatalogError, ItemError
from catalogs.fields import Document, objects, text
from catalogs.footprint import boxes_of
from catalogs.item import FoundItem
from catalogs.rate import TokenBucket, bucket
from catalogs.sift import sift
from catalogs.terms import terms_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from requests import Response
    from urllib3.response import BaseHTTPResponse

    from catalogs.providers import Provider
    from catalogs.query import SceneQuery
    from catalogs.scenes import SceneSet

PAGE_SIZE = 100
LONGEST_WAIT_S = 120.0
PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})
"""Answers that a later try may turn into another: too many requests, and faults of the server."""


NOT_STAC = (
    AttributeError,
    ClientTypeError,
    DoesNotConformTo,
    KeyError,
    NotImplementedError,
    STACError,
    STACTypeError,
    TypeError,
    ValueError,
)
"""What the client libraries raise over an answer that is no STAC: they read it without checking its form first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an API is waited for before it counts as not answering."""

    connect_s: float = 10.0
    read_s: float = 60.0
    """Between two packets of an answer."""

    num_retries: int = 4
    num_connects: int = 2
    """Retries where not even a connection comes about: often the address is wrong, so fewer."""

    backoff_s: float = 0.5
    """The second and later waits are 2, 4, 8 times this; up to this much is added to each at random, so that many
    clients do not come back at once. A Retry-After of the server takes its place, up to `LONGEST_WAIT_S`."""


PATIENCE = Patience()


def search_api(
    query: SceneQuery, provider: Provider, *, required_bands: tuple[str, ...] = (), patience: Patience = PATIENCE
) -> SceneSet:
    """Returns the scenes that a query asks of a STAC API.

    The server's answer is not believed: collection, time and area are checked again here by the rules of `sift`, and
    what it returned beyond the query is counted as `unmatched` (end is excluded here and included in the API).

    Args:
        query: What is wanted.
        provider: Its endpoint is asked, its hosts alone may be followed.
        required_bands: Bands that a scene must have, as far as its sensor knows them.
        patience: Timeouts and retries.

    Raises:
        CatalogError: The API does not answer, refuses, or answers something that is not STAC; `transient` says whether
            a later try may succeed.
    """
    careful = _CarefulIO(provider, patience)
    try:
        items = tuple(_found_items(query, provider, careful, (patience.connect_s, patience.read_s)))
    except APIError as cause:
        raise _no_answer(provider, cause) from cause
    except NOT_STAC as cause:
        raise CatalogError(
            f"a catalogue must be a STAC API with item search, {provider.endpoint} answered otherwise "
            f"({type(cause).__name__}: {cause!s:.300}); give the address of its root"
        ) from cause
    finally:
        careful.session.close()
    return sift(query, items, provider, required_bands=required_bands)


def _no_answer(provider: Provider, cause: APIError) -> CatalogError:
    if isinstance(cause.__context__, CatalogError):
        return cause.__context__  # a refused redirect, wrapped on its way out
    status: int | None = getattr(cause, "status_code", None)  # set where there was an answer at all
    told = f"status {status}: {cause!s:.300}" if status else f"{cause!s:.300}"
    transient = not status or status in PASSING_STATUS
    fix = "check the address and the network, then run again" if transient else "check the query and the address"
    return CatalogError(f"a catalogue must answer, {provider.endpoint} did not ({told}); {fix}", transient=transient)


def _found_items(
    query: SceneQuery, provider: Provider, careful: _CarefulIO, timeout_s: tuple[float, float]
) -> Iterator[FoundItem]:
    client = Client.open(provider.endpoint, stac_io=careful, timeout=timeout_s)
    search_links = [link for link in client.links if link.rel == "search"]
    methods = {str(link.extra_fields.get("method", "GET")).upper() for link in search_links}
    terms: dict[str, str] = {}
    earlier: set[tuple[str, str]] = set()
    for box in boxes_of(query.bbox):
        found = client.search(
            # GET alone where the API offers nothing else: a long query may not fit an address
            method="POST" if "POST" in methods or not methods else "GET",
            collections=list(query.collections),
            bbox=box,
            datetime=query.time_range,
            limit=PAGE_SIZE,
        )
        here: set[tuple[str, str]] = set()
        for page in _pages(found.pages_as_dicts(), provider):
            items = [_found(document, provider) for document in page]
            for name in {item.collection for item in items} & set(query.collections) - terms.keys():
                terms[name] = _terms(name, provider, careful)
            # an item that reaches over the antimeridian answers both halves of a box that does
            fresh = (item for item in items if (item.collection, item.id) not in earlier)
            yield from (replace(item, terms=terms.get(item.collection, "")) for item in fresh)
            here |= {(item.collection, item.id) for item in items}
        earlier |= here


def _terms(collection: str, provider: Provider, careful: _CarefulIO) -> str:
    """Licence and providers of a collection; '' where the API has no document of it."""
    address = f"{provider.endpoint.rstrip('/')}/collections/{quote(collection, safe='')}"
    try:
        return terms_of(careful.read_json(address))
    except APIError as cause:
        if getattr(cause, "status_code", None) == HTTPStatus.NOT_FOUND:
            return ""
        raise


def _pages(pages: Iterator[Document], provider: Provider) -> Iterator[tuple[Document, ...]]:
    seen: set[object] = set()
    for page in pages:
        features = objects(page, "features")
        names = {(feature.get("collection"), feature.get("id")) for feature in features}
        if names <= seen:
            raise CatalogError(
                f"pages must come to an end, {provider.endpoint} repeats its items; report it to the provider"
            )
        seen |= names
        yield features


def _found(document: Document, provider: Provider) -> FoundItem:
    named, own = document.get("id"), document.get("collection")
    problem = (
        "" if isinstance(named, str) and named else f"an item has an id, {provider.name} gave {named!r}; report it"
    )
    links = objects(document, "links")
    href = next((text(link, "href") for link in links if link.get("rel") == "self"), "")
    return FoundItem(
        id=named if isinstance(named, str) and named else href or "unnamed",
        collection=own if isinstance(own, str) else "",
        href=urljoin(f"{provider.endpoint.rstrip('/')}/", href),
        document=document,
        problem=problem,
    )


class PatientRetry(Retry):
    """Waits as long as the server asks, within reason, and takes its turn among all threads before it goes out again.

    A Retry-After of an hour would hang a run; it may be given in seconds or as a date (RFC 9110, section 10.2.3).
    """

    def __init__(self, *args: Any, turns: TokenBucket | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.turns = turns

    @classmethod
    def of(cls, patience: Patience, turns: TokenBucket | None) -> PatientRetry:
        """Returns the retries that a patience allows: of passing faults alone, of GET and POST."""
        return cls(
            total=patience.num_retries,
            connect=patience.num_connects,
            status_forcelist=PASSING_STATUS,
            allowed_methods=frozenset({"GET", "POST"}),  # a search changes nothing, so that it may be sent again
            backoff_factor=patience.backoff_s,
            backoff_jitter=patience.backoff_s,
            backoff_max=LONGEST_WAIT_S,
            raise_on_status=False,
            turns=turns,
        )

    def new(self, **changes: Any) -> PatientRetry:
        """Returns a copy with changes: what the library counts its tries down by."""
        return super().new(turns=self.turns, **changes)

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Returns the seconds that the server asks for, at most `LONGEST_WAIT_S`; None where it asks for none."""
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, LONGEST_WAIT_S)

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Waits before the next try; a pause that the server asked for holds for every thread."""
        asked_s = self.get_retry_after(response) if response and self.respect_retry_after_header else None
        if self.turns and asked_s:
            self.turns.hold(asked_s)
        else:
            super().sleep(response)
        if self.turns:
            self.turns.take()


class _CarefulIO(StacApiIO):
    """Requests to one API: own host only, no faster than agreed, repeated only where the fault may pass."""

    def __init__(self, provider: Provider, patience: Patience) -> None:
        self._turns = bucket(provider.endpoint, provider.requests_per_second)
        super().__init__(max_retries=PatientRetry.of(patience, self._turns))
        self._provider = provider
        self._host = urlsplit(provider.endpoint).hostname
        self.session.hooks["response"].append(self._check_redirect)

    def read_text(self, source: str | PathLike[str], *args: object, **kwargs: object) -> str:
        if isinstance(source, str) and not urlsplit(source).scheme:
            raise ItemError("unreadable", f"an API's link is an address, got the path {source!r}; not followed")
        return super().read_text(source, *args, **kwargs)

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, object] | None = None,
    ) -> str:
        self._check(href)
        self._turns.take()
        return super().request(href, method=method, headers=headers, parameters=parameters)

    def _check(self, href: str) -> None:
        parts = urlsplit(href)
        if parts.hostname != self._host or parts.scheme not in self._provider.schemes:
            allowed = f"{self._host} over {', '.join(self._provider.schemes)}"
            raise CatalogError(f"an API's links stay on {allowed}, got {href!r}; not followed")

    def _check_redirect(self, answer: Response, *_: object, **__: object) -> None:
        if answer.is_redirect:
            try:
                self._check(urljoin(answer.url, answer.headers["location"]))
            except CatalogError:
                answer.close()
                raise
