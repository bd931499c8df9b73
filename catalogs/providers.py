"""Where scenes come from, and which addresses may be followed for each."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from catalogs.errors import ItemError
from catalogs.fields import Document, mapping, text
from catalogs.object_store import ObjectStore
from catalogs.token_service import TokenService

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
    """Requests to the API, of all threads together."""

    ignored_suffixes: tuple[str, ...] = ()
    """Assets whose key ends so are second copies of a band, out of reach of this program."""

    tokens: TokenService | None = None
    """Who signs addresses of some of the hosts; None where files are public."""

    stores: tuple[ObjectStore, ...] = ()
    """Buckets that an `s3://` href may name, read with the user's own keys."""

    folders: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Folders of local hrefs with their links followed, as met so far."""

    reads_files: bool = True
    """False where scenes are only counted and compared: hrefs are then neither checked nor kept."""

    def find(self, asset: Document, base: str) -> str:
        """Returns where the file of an asset is read: its href, or the first alternate that may be followed.

        Args:
            asset: The asset, with `alternate` (alternate assets extension) where the file has several addresses.
            base: Path or address of the item.

        Raises:
            ItemError: It has no href, or none of them may be followed; the message is that of the first.
        """
        if not self.reads_files:
            return ""
        href = text(asset, "href")
        if not href:
            raise ItemError("unreadable", "an asset needs an href, got none; correct the item")
        try:
            return self.resolve(href, base)
        except ItemError:
            others = mapping(asset, "alternate")
            for name in sorted(others):
                try:
                    return self.resolve(text(mapping(others, name), "href"), base)
                except ItemError:
                    continue
            raise

    def resolve(self, href: str, base: str) -> str:
        """Returns an href as an absolute path or address, checked.

        Args:
            href: As the item says it, relative or absolute.
            base: Path or address of the document that holds it.

        Raises:
            ItemError: Its scheme or host is not allowed, it leaves the catalogue's folder, or it is no address.
        """
        try:
            return self._resolved(href, base)
        except ItemError:
            raise
        except ValueError as cause:  # brackets that do not close, a port that is no number
            raise ItemError("unreadable", f"an href is a path or an address, got {href!r:.200}: {cause}") from cause

    def _resolved(self, href: str, base: str) -> str:
        if self.root is not None and ":" not in href and ":" not in base:
            return self._local(href, base)
        if urlsplit(href).scheme in ("", "file") and not urlsplit(base).scheme:
            return self._local(href, base)
        address = urljoin(base, href) if urlsplit(base).scheme else href
        parts = urlsplit(address)
        if parts.scheme == "s3" and any(store.bucket == parts.netloc for store in self.stores):
            return self._stored(address)
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
        # a signature that somebody left in an item ends soon and is no business of a record
        return parts._replace(query="").geturl() if self.tokens and parts.hostname in self.tokens.hosts else address

    def _stored(self, address: str) -> str:
        store = next(store for store in self.stores if store.bucket == urlsplit(address).netloc)
        if store.keys() is None:
            raise ItemError("refused", f"reading {address!r} takes keys; {store.lacking()}")
        return address

    def _local(self, href: str, base: str) -> str:
        if self.root is None:
            raise ItemError("unreadable", f"{self.name} allows no local path, got {href!r}; not followed")
        if "\0" in href:
            raise ItemError("unreadable", f"a path holds no zero byte, got {href!r}; not followed")
        path = unquote(urlsplit(href).path) if ":" in href and urlsplit(href).scheme else href
        target, root = self._real(os.path.join(os.path.dirname(base), path)), self._real(str(self.root) + os.sep)  # noqa: PTH118, PTH120 pathlib takes ten times as long, for every asset of every item
        if target != root and not target.startswith(root.rstrip(os.sep) + os.sep):
            raise ItemError("unreadable", f"a local href stays below {root}, got {href!r}; not followed")
        return target

    def _real(self, path: str) -> str:
        """Returns a path with all symbolic links followed, so that none leads out of the catalogue.

        A folder is followed once for all its files: a catalogue is taken as it stands when it is searched.
        """
        folder, name = os.path.split(path)
        real = self.folders.get(folder)
        if real is None:
            real = self.folders[folder] = os.path.realpath(folder)
        if not name:
            return real
        target = os.path.join(real, name)  # noqa: PTH118 as above
        return os.path.realpath(target) if name in (".", "..") or os.path.islink(target) else target  # noqa: PTH114 as above


AWS_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def _requester_pays(bucket: str, region: str) -> ObjectStore:
    endpoint = f"https://s3.{region}.amazonaws.com"
    return ObjectStore(bucket=bucket, endpoint=endpoint, region=region, variables=AWS_VARIABLES, requester_pays=True)


EARTH_SEARCH = Provider(
    name="earth-search",
    endpoint="https://earth-search.aws.element84.com/v1",
    hosts=(
        "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com",
        "earth-search.aws.element84.com",
        "sentinel-cogs.s3.us-west-2.amazonaws.com",
    ),
    # every band stands twice in sentinel-2-l2a: as a COG over https, and as JPEG 2000 in a bucket whose reader pays
    ignored_suffixes=("-jp2",),
    # storage:region and storage:requester_pays of the items of sentinel-1-grd and landsat-c2-l2
    stores=(_requester_pays("sentinel-s1-l1c", "eu-central-1"), _requester_pays("usgs-landsat", "us-west-2")),
)
"""Element 84, STAC API v1. No rate is published: four requests a second are this program's own courtesy."""

_PLANETARY_COMPUTER_HOSTS = (
    "landsateuwest.blob.core.windows.net",
    "modiseuwest.blob.core.windows.net",
    "naipeuwest.blob.core.windows.net",
    "sentinel1euwest.blob.core.windows.net",
    "sentinel1euwestrtc.blob.core.windows.net",
    "sentinel2l2a01.blob.core.windows.net",
)

PLANETARY_COMPUTER = Provider(
    name="planetary-computer",
    endpoint="https://planetarycomputer.microsoft.com/api/stac/v1",
    hosts=_PLANETARY_COMPUTER_HOSTS,
    tokens=TokenService(
        endpoint="https://planetarycomputer.microsoft.com/api/sas/v1/token",
        hosts=_PLANETARY_COMPUTER_HOSTS,
        key_variable="PC_SDK_SUBSCRIPTION_KEY",
    ),
)
"""Microsoft, STAC API. Files are read with a signature that anybody gets; no rate is published."""

COPERNICUS = Provider(
    name="cdse",
    endpoint="https://stac.dataspace.copernicus.eu/v1",
    hosts=("stac.dataspace.copernicus.eu",),
    stores=(
        ObjectStore(
            bucket="eodata",
            endpoint="https://eodata.dataspace.copernicus.eu",
            region="default",
            variables=("CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY", "CDSE_S3_SESSION_TOKEN"),
            reads_per_second=2000 / 60,
        ),
    ),
)
"""Copernicus Data Space Ecosystem, STAC API. Anybody may search. Files are read from s3://eodata with keys of an
account there; their https alternates ask for a login token in a header, which no address can carry: not followed.
Quotas (documentation.dataspace.copernicus.eu/Quotas.html, general users): 2,000 requests a minute over S3 and STAC
together, 4 connections at a time, 12 TB a month."""

PROVIDERS = {provider.name: provider for provider in (COPERNICUS, EARTH_SEARCH, PLANETARY_COMPUTER)}
"""APIs by the name that a region may use."""


def reading_rate(scheme: str, host: str) -> tuple[str, float] | None:
    """Returns name and requests a second of the service behind a file's address, None where it names no limit.

    Args:
        scheme: `https` or `s3`.
        host: Host, or bucket of an `s3://` address.
    """
    for provider in PROVIDERS.values():
        for store in provider.stores:
            named = store.bucket if scheme == "s3" else urlsplit(store.endpoint).hostname
            if named == host and store.reads_per_second:
                return store.endpoint, store.reads_per_second
    return None


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
