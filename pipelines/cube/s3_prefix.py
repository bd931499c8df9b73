"""A store below a prefix of an S3 bucket: several processes may write, main moves by compare-and-set.

The endpoint and region stand in the address or in the environment; the credentials come from the environment alone
(`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, or what the machine's role gives), and are written
nowhere.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import icechunk

from pipelines.cube.errors import CubeError
from pipelines.cube.storage import REPOSITORY_ENTRIES, StoredObject, repository_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore import UpdateVersion

ENDPOINT_VARIABLES: Final = ("RINGMOE_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGION_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
DEFAULT_REGION: Final = "us-east-1"
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._=-]+")
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_FORM: Final = "s3://bucket/prefix, with ?endpoint=https://host&region=name where needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Prefix:
    """A prefix of a bucket."""

    bucket: str
    prefix: str
    """At least one segment: a bucket as a whole is never taken for a store."""

    endpoint: str = ""
    """`https://host[:port]` of a server other than Amazon's, '' takes that of the environment."""

    region: str = ""
    """'' takes that of the environment, else us-east-1."""

    def __post_init__(self) -> None:
        segments = self.prefix.split("/")
        if not _BUCKET.fullmatch(self.bucket):
            raise CubeError(f"a bucket's name has 3 to 63 of a-z 0-9 . -, got {self.bucket!r}; write {_FORM}")
        if any(not _SEGMENT.fullmatch(part) or part in {".", ".."} for part in segments):
            raise CubeError(f"a prefix has segments of A-Z a-z 0-9 . _ = -, got {self.prefix!r}; write {_FORM}")
        if self.region and not _REGION.fullmatch(self.region):
            raise CubeError(f"a region is named in a-z 0-9 -, got {self.region!r}; correct it")
        if self.endpoint:
            _check_endpoint(self.endpoint)

    @classmethod
    def parse(cls, uri: str) -> S3Prefix:
        """Returns the place that an address names.

        Raises:
            CubeError: The address breaks the form; what could be a secret in it is not repeated.
        """
        split = urlsplit(uri)
        if "@" in split.netloc or split.fragment:
            raise CubeError(f"credentials come from the environment, got some in the address; write {_FORM}")
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        unknown = sorted(set(query) - {"endpoint", "region"})
        if unknown:
            raise CubeError(f"the address of a cube says endpoint and region only, got {unknown}; write {_FORM}")
        return cls(bucket=split.netloc, prefix=split.path.strip("/"), **query)

    @property
    def uri(self) -> str:
        """The address with what it said of endpoint and region."""
        said = {key: value for key, value in (("endpoint", self.endpoint), ("region", self.region)) if value}
        return f"s3://{self.bucket}/{self.prefix}" + (f"?{urlencode(said, safe=':/')}" if said else "")

    @property
    def shared(self) -> bool:
        """Always: `create_repository` has seen the server refuse a write that came too late."""
        return True

    @property
    def server(self) -> str:
        """The endpoint in force, '' for Amazon's own.

        Raises:
            CubeError: The environment names one that breaks the rule.
        """
        named = self.endpoint or next((os.environ[name] for name in ENDPOINT_VARIABLES if os.environ.get(name)), "")
        if named:
            _check_endpoint(named)
        return named.rstrip("/")

    def icechunk(self) -> icechunk.Storage:
        """Returns how Icechunk reaches the prefix."""
        server = self.server
        return icechunk.s3_storage(
            bucket=self.bucket,
            prefix=self.prefix,
            region=self._region,
            endpoint_url=server or None,
            allow_http=server.startswith("http://"),
            force_path_style=bool(server),
            from_env=True,
        )

    def holds_repository(self) -> bool:
        """Returns whether the prefix holds a repository.

        Raises:
            CubeError: The server does not answer or does not let us in.
        """
        try:
            return bool(icechunk.Repository.exists(self.icechunk()))
        except icechunk.IcechunkError as error:
            raise CubeError(
                f"a cube on S3 must be reachable, {self.uri} is not ({repository_fault(error)}); check the bucket, "
                f"the endpoint ({self.server or 'that of Amazon'}) and the credentials in the environment"
            ) from error

    def create_repository(self) -> None:
        """Makes a repository below the prefix; where another process is making it too, either one's is taken.

        Raises:
            CubeError: Other objects lie there, or the server does not refuse writes that come too late.
        """
        self._require_compare_and_set()
        foreign = next((found.path for found in self.objects() if not _is_ours(found.path)), None)
        if foreign is not None:
            raise CubeError(f"a new cube needs a free prefix, {self.uri} holds {foreign}; choose another output")
        try:
            icechunk.Repository.create(self.icechunk())
        except icechunk.IcechunkError as error:
            if not self.holds_repository():
                raise CubeError(
                    f"the prefix of a cube must be writable, {self.uri} is not ({repository_fault(error)}); mend it"
                ) from error

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Lends the right to write at once: whoever comes second re-applies its date on top of the other's."""
        yield

    def objects(self) -> Iterator[StoredObject]:
        """Yields the objects below the prefix."""
        import obstore

        root = f"{self.prefix}/"
        for page in obstore.list(self._objects_store(), prefix=root):
            for entry in page:
                yield StoredObject(
                    path=entry["path"].removeprefix(root), num_bytes=entry["size"], modified=entry["last_modified"]
                )

    def remove(self) -> None:
        """Deletes the objects below the prefix, references first."""
        import obstore

        store = self._objects_store()
        paths = sorted((found.path for found in self.objects()), key=lambda path: not path.startswith("refs/"))
        for start in range(0, len(paths), 1000):  # the most that one request may delete
            obstore.delete(store, [f"{self.prefix}/{path}" for path in paths[start : start + 1000]])

    @property
    def _region(self) -> str:
        named = next((os.environ[name] for name in REGION_VARIABLES if os.environ.get(name)), "")
        return self.region or named or DEFAULT_REGION

    def _objects_store(self) -> Any:
        try:
            from obstore.store import S3Store
        except ImportError as error:
            raise CubeError("a cube on S3 needs the extra `s3`: pip install 'ringmoe-datacube[s3]'") from error
        server = self.server
        options: dict[str, Any] = {"endpoint": server} if server else {}
        return S3Store(
            self.bucket,
            region=self._region,
            virtual_hosted_style_request=not server,
            client_options={"allow_http": server.startswith("http://")},
            **options,
        )

    def _require_compare_and_set(self) -> None:
        """Raises where the server lets a write pass that should have been refused: two writers would lose a date."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        store, path = self._objects_store(), f"{self.prefix}.probe-{uuid.uuid4().hex}"
        refused = 0
        try:
            first = obstore.put(store, path, b"1", mode="create")
            obstore.put(store, path, b"2")
            gone: UpdateVersion = {"e_tag": first["e_tag"]}
            modes: tuple[Literal["create"] | UpdateVersion, ...] = ("create", gone)
            for mode in modes:
                try:
                    obstore.put(store, path, b"3", mode=mode)
                except (AlreadyExistsError, PreconditionError):
                    refused += 1
            obstore.delete(store, path)
        except Exception as error:
            raise CubeError(
                f"the prefix of a cube must be writable, {self.uri} is not ({repository_fault(error)}); check the "
                "bucket and the credentials in the environment"
            ) from error
        if refused != 2:  # noqa: PLR2004 one try to create anew, one to overwrite a version that has gone
            raise CubeError(
                f"a server of cubes must honour If-None-Match and If-Match, {self.server or 'this one'} does not; "
                "keep the cube elsewhere"
            )


def _is_ours(path: str) -> bool:
    return path.partition("/")[0] in REPOSITORY_ENTRIES


def _check_endpoint(endpoint: str) -> None:
    split = urlsplit(endpoint)
    if "@" in split.netloc:
        raise CubeError("credentials come from the environment, got some in the endpoint; write https://host[:port]")
    if split.path.strip("/") or split.query or split.fragment or not split.hostname:
        raise CubeError(f"an S3 endpoint is https://host[:port], got {endpoint!r}; correct it")
    if split.scheme != "https" and not (split.scheme == "http" and split.hostname in LOOPBACK):
        raise CubeError(
            f"an S3 endpoint is reached by https, by http on this machine only, got {endpoint!r}; use https"
        )
