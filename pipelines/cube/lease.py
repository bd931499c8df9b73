"""The names of run branches and of turns: each says when it was made, so that one that nobody works on can be told."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

RUN_PREFIX: Final = "run-"
TURN_PREFIX: Final = "turn-"
"""Branches that hold nothing: the name says that a run found main moved, and asks to be let past once."""

TURN: Final = timedelta(minutes=10)
"""How long others let a run past; a run that was killed meanwhile costs them no more."""

LEASE: Final = timedelta(hours=24)
"""A run renews its branch with every date that it begins; one that is older than this was left by a killed run.

It is also the age that an object of a shared store must have before garbage collection may take it: a date that is
being written has chunks that nothing points to yet."""

_STAMP: Final = "%Y%m%dT%H%M%SZ"
_BRANCH: Final = re.compile(rf"({RUN_PREFIX}|{TURN_PREFIX})(?P<stamp>\d{{8}}T\d{{6}}Z)-.+")


def branch_of(run_id: str, now: datetime) -> str:
    """Returns the name of the branch of a run that begins a date now."""
    return f"{RUN_PREFIX}{now.astimezone(UTC):{_STAMP}}-{run_id}"


def turn_of(run_id: str, now: datetime) -> str:
    """Returns the name of the turn that a run takes now; names sort by time."""
    return f"{TURN_PREFIX}{now.astimezone(UTC):{_STAMP}}-{run_id}"


def is_ours(branch: str) -> bool:
    """Returns whether a branch was made by a run, be it for a draft or for its turn."""
    return branch.startswith((RUN_PREFIX, TURN_PREFIX))


def is_stale(branch: str, now: datetime, limit: timedelta = LEASE) -> bool:
    """Returns whether a branch is older than its limit; one without a time is of a former version, and is."""
    named = _BRANCH.fullmatch(branch)
    return named is None or now - datetime.strptime(named["stamp"], _STAMP).replace(tzinfo=UTC) > limit
