"""Tells an error that may pass by itself (a network that stalls) from one that will come again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

PASSING_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP status codes after which a client may try again (RFC 9110 sections 15.5 and 15.6; RFC 6585 section 4)."""

_NETWORK_MODULES: Final = ("requests.", "urllib3.", "httpx.", "httpcore.")
_NETWORK_NAMES: Final = re.compile(r"Connect|Connection|Timeout|Retry|ProtocolError|IncompleteRead|NetworkError")
_STATUS_IN_TEXT: Final = re.compile(r"\b(408|425|429|500|502|503|504)\b")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error and what caused it, outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def is_transient(error: BaseException | None) -> bool:
    """Returns True where an error or one of its causes is of the network: worth a retry, unlike a fault in the data."""
    judged = (_of_network(cause) for cause in causes(error))
    return next((answer for answer in judged if answer is not None), False)


def _of_network(error: BaseException) -> bool | None:
    """True or False where the error itself says so, None where its cause has to."""
    kind = type(error)
    module = f"{kind.__module__}."
    if module.startswith("prefect."):
        return False  # a stage that ran out of its own time would only do so again
    transient = getattr(error, "transient", None)
    if transient is not None:  # the catalogue's client has judged it
        return bool(transient)
    if isinstance(error, (ConnectionError, TimeoutError)):
        return True
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status in PASSING_STATUS
    if kind.__name__ == "APIError":  # pystac-client gives the reply's text and a status only sometimes
        return bool(_STATUS_IN_TEXT.search(str(error)))
    return True if module.startswith(_NETWORK_MODULES) and _NETWORK_NAMES.search(kind.__name__) else None
