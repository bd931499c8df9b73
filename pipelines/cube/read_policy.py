"""How long files are waited for, and which are checked against their checksum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verify = Literal["none", "local", "all"]
"""Files whose checksum and size are compared with the item's before they are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPolicy:
    """Timeouts, retries and checksums of a run."""

    connect_s: float = 10.0
    """Longest wait for a connection."""

    stall_s: float = 30.0
    """Longest wait between two packets of an answer."""

    slowest_bytes_per_s: float = 1000.0
    """An answer that stays below this for longer than `stall_s` has stalled, though it still trickles."""

    num_tries: int = 4
    """Requests for one piece of a file before a fault that may pass counts as one that stays."""

    backoff_s: float = 0.5
    """The waits between tries are 1, 2, 4, 8 times this, each with up to half of it added at random. A Retry-After of
    the server takes their place where it is longer."""

    longest_wait_s: float = 60.0
    """Bound of each wait, of a Retry-After too."""

    verify: Verify = "local"
    """`local`: files on disk whose item states a checksum are read through once a run; `all`: those behind an address
    too, which fetches them whole; `none`: sizes and checksums are not looked at."""

    def __post_init__(self) -> None:
        times = (self.connect_s, self.stall_s, self.slowest_bytes_per_s, self.longest_wait_s)
        if min(times) <= 0 or self.backoff_s < 0 or self.num_tries < 1:
            raise ValueError(f"times are positive and there is at least one try, got {self}; raise them")
        if self.verify not in ("none", "local", "all"):
            raise ValueError(f"verify is none, local or all, got {self.verify!r}; choose one")


@dataclass(slots=True)
class _InUse:
    policy: ReadPolicy


_IN_USE = _InUse(ReadPolicy())


def read_policy() -> ReadPolicy:
    """Returns the policy of this process."""
    return _IN_USE.policy


def use_read_policy(policy: ReadPolicy) -> None:
    """Makes a policy that of this process, for all its threads: a build says it once, and again in every worker.

    It is one for a process and no argument, because files are opened deep below whoever knows the run, in threads of
    pools that inherit nothing.
    """
    _IN_USE.policy = policy
