"""Tries again what may pass: only faults of the server or the network, after waits that grow."""

from __future__ import annotations

import hashlib
import random
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from pipelines.cube.errors import ReadFailed
from pipelines.cube.raster_file import PASSING_FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.cube.options import BuildOptions

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and after what waits a read is tried again."""

    retries: int = 2
    """Tries after the first; 0 gives up at once."""

    first_wait_s: float = 1.0
    """Wait before the second try; each later one is twice the one before."""

    longest_wait_s: float = 30.0
    """No wait is longer."""

    jitter: float = 0.5
    """Share of a wait that is drawn, 0 to 1, so that readers that failed together do not come back together."""

    seed: int = 0
    """Of the draws: the same policy and the same read give the same waits."""

    def __post_init__(self) -> None:
        if self.retries < 0 or self.first_wait_s < 0 or self.longest_wait_s < 0 or not 0 <= self.jitter <= 1:
            raise ValueError(f"retries and waits are not negative and jitter is 0 to 1, got {self}; correct them")

    def waits_s(self, key: str) -> tuple[float, ...]:
        """Returns the waits between the tries of one read, in seconds.

        Args:
            key: Names the read, such as its scene and block.
        """
        drawn = random.Random(hashlib.sha256(f"{self.seed}:{key}".encode()).digest())
        waits = (min(self.longest_wait_s, self.first_wait_s * 2.0**count) for count in range(self.retries))
        return tuple(wait * (1.0 - self.jitter * drawn.random()) for wait in waits)

    def without_retries(self) -> RetryPolicy:
        """Returns the policy that tries once."""
        return replace(self, retries=0)


def retry_policy(options: BuildOptions, run_id: str) -> RetryPolicy:
    """Returns the policy that a build's options ask for; the run's id is its seed."""
    seed = zlib.crc32(run_id.encode())
    return RetryPolicy(retries=options.retries, first_wait_s=options.retry_wait_s, seed=seed)


class Patience:
    """Ends the waiting for a server that does not come back: else each of thousands of units would wait its turn."""

    def __init__(self, most: int = 8) -> None:
        """Args: most: units in a row that may fail in passing before the next are tried once only."""
        self._most = most
        self._in_a_row = 0

    @property
    def lasts(self) -> bool:
        """Whether the next unit is to be waited for."""
        return self._in_a_row < self._most

    def record(self, *, failed_in_passing: bool) -> None:
        """Takes how a unit ended; one that was read restores the patience."""
        self._in_a_row = self._in_a_row + 1 if failed_in_passing else 0


def with_retries(
    read: Callable[[], _Answer], policy: RetryPolicy, key: str, pause: Callable[[float], object]
) -> _Answer:
    """Returns what a read gives, tried again after faults that may pass.

    Args:
        read: Reads; may be called several times.
        policy: How often and when.
        key: Names the read.
        pause: Waits a number of seconds; may raise to end the work.

    Raises:
        ReadFailed: At once for a fault that will come again, else after the last try.
    """
    for wait_s in policy.waits_s(key):
        try:
            return read()
        except ReadFailed as failure:
            if failure.fault not in PASSING_FAULTS:
                raise
        pause(wait_s)
    return read()
