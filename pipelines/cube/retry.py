"""Tries again what may pass: only faults of the server or the network, after waits that grow."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pipelines.cube.errors import ReadFailed
from pipelines.cube.raster_file import PASSING_FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and after what waits a read is tried again."""

    retries: int = 3
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
        drawn = random.Random(hashlib.sha256(f"{self.seed}:{key}".encode()).digest())  # noqa: S311 no secret
        waits = (min(self.longest_wait_s, self.first_wait_s * 2.0**count) for count in range(self.retries))
        return tuple(wait * (1.0 - self.jitter * drawn.random()) for wait in waits)


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
