"""Where scenes come from, and which addresses may be followed for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from catalogs.errors import ItemError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One catalogue or API: its address, and what its items may point at."""

    name: str
    endpoint: str
    """Root address of the STAC API, '' for a catalogue on disk."""

    hosts: tuple[str, ...] = ()
    """Hosts that an href may name."""

    schemes: tuple[str, ...] = ("https",)
    root: Path | None = None
    """Folder that local paths must lie below; None allows no local path at all."""

    requests_per_second: float = 4.0
    ignored_suffixes: tuple[str, ...] = ()
    """Assets whose key ends so are second copies of a band, out of reach of this program."""

    def resolve(self, href: str, base: str) -> str:
        """Returns an href as an absolute path or address, checked.

        Args:
            href: As the item says it, relative or absolute.
            base: Path or address of the document that holds it.

        Raises:
            ItemError: Its scheme or host is not allowed, or it leaves the catalogue's folder.
        """
        if urlsplit(href).scheme in ("", "file") and not urlsplit(base).scheme:
            return self._local(href, base)
        address = urljoin(base, href) if urlsplit(base).scheme else href
        parts = urlsplit(address)
        if parts.scheme not in self.schemes:
            allowed = ", ".join(self.schemes) or "no scheme, only local paths"
            raise ItemError(
                "unreadable", f"{self.name} allows {allowed}, got {parts.scheme}:// in {href!r}; not followed"
            )
        if parts.hostname not in self.hosts:
            allowed = ", ".join(self.hosts) or "no host"
            raise ItemError(
                "unreadable", f"{self.name} allows {allowed}, got {parts.hostname!r} in {href!r}; not followed"
            )
        return address

    def _local(self, href: str, base: str) -> str:
        if self.root is None:
            raise ItemError("unreadable", f"{self.name} allows no local path, got {href!r}; not followed")
        if "\0" in href:
            raise ItemError("unreadable", f"a path holds no zero byte, got {href!r}; not followed")
        path = unquote(urlsplit(href).path) if urlsplit(href).scheme else href
        # resolve() follows symbolic links, so that none leads out of the catalogue
        target = (Path(base).parent / path).resolve()
        root = self.root.resolve()
        if not target.is_relative_to(root):
            raise ItemError("unreadable", f"a local href stays below {root}, got {href!r}; not followed")
        return str(target)


EARTH_SEARCH = Provider(
    name="earth-search",
    endpoint="https://earth-search.aws.element84.com/v1",
    hosts=(
        "earth-search.aws.element84.com",
        "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com",
        "sentinel-cogs.s3.us-west-2.amazonaws.com",
    ),
    # every band stands twice in sentinel-2-l2a: as a COG over https, and as JPEG 2000 in a bucket whose reader pays
    ignored_suffixes=("-jp2",),
)
"""Element 84, STAC API v1. No rate is published: four requests a second are this program's own courtesy."""

PROVIDERS = {provider.name: provider for provider in (EARTH_SEARCH,)}
"""APIs by the name that a region may use. Others are left out until a reader for their signed hrefs exists."""


def static_provider(root: Path) -> Provider:
    """Returns the rules of a catalogue on disk: local paths below its folder, and nothing else."""
    return Provider(name="static catalogue", endpoint="", schemes=(), root=root)


def unlisted_provider(endpoint: str) -> Provider:
    """Returns the rules of an API that has no entry in the table: hrefs on its own host alone.

    Raises:
        ValueError: The address is not https. Plain http is let through to this very machine only.
    """
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    if not host or (parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK)):
        raise ValueError(f"an API's address starts with https://, got {endpoint!r}; give its https address")
    return Provider(name=host, endpoint=endpoint, hosts=(host,), schemes=(parts.scheme,))
