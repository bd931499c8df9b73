"""A bucket that is read with the user's own keys."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Keys of an object store, as the environment holds them; printed nowhere."""

    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    session: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStore:
    """One bucket behind the S3 protocol, read over https by addresses that are signed when a file is opened."""

    bucket: str
    endpoint: str
    """Root address of the service; the bucket is the first part of the path (path style)."""

    region: str
    variables: tuple[str, str, str]
    """Environment variables of key id, secret and session token (the last may be unset)."""

    requester_pays: bool = False
    """True where reading is billed to the owner of the keys: said in every message about it."""

    reads_per_second: float | None = None
    """Requests that the service allows a second, None where it names no limit."""

    def keys(self) -> Keys | None:
        """Returns the keys that the environment holds now, None where id or secret is missing."""
        key_id, secret, session = (os.environ.get(name, "") for name in self.variables)
        return Keys(key_id=key_id, secret=secret, session=session) if key_id and secret else None

    def lacking(self) -> str:
        """Returns what a user has to do before a file of this bucket can be read."""
        bill = ", whose owner pays for the reading" if self.requester_pays else ""
        return f"set {self.variables[0]} and {self.variables[1]} to keys of {self.endpoint}{bill}"
