"""How far a stage has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step of a stage is finished."""

    stage: str
    """Name of the stage, such as `cube`."""

    done: int
    """Steps finished, from 1."""

    total: int
    """Steps planned."""

    label: str
    """What was finished, such as `s2 2021-02-14`."""
