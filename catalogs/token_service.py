"""A service that hands out signatures for the files of some hosts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenService:
    """Where to ask for a shared access signature of Azure, and for which files.

    `GET <endpoint>/<storage account>/<container>` answers `{"msft:expiry": "<RFC 3339>", "token": "<query>"}`: the
    Data Authentication API of the Planetary Computer (https://planetarycomputer.microsoft.com/docs/concepts/sas). The
    account is the first label of a file's host, the container the first part of its path.
    """

    endpoint: str
    hosts: tuple[str, ...]
    """Hosts whose files take a signature; all others are read as they are."""

    key_variable: str = ""
    """Environment variable that may hold a subscription key, which buys tokens that last longer."""

    key_header: str = "Ocp-Apim-Subscription-Key"
    """Header that the key goes out in: never a part of an address."""

    requests_per_second: float = 4.0
