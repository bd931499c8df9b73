"""How far a stage has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipelines.cube.acquisition import Acquisition


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A unit of a stage is finished."""

    stage: str
    """Name of the stage, such as `cube`."""

    done: int
    """Units finished, from 0; it never falls."""

    total: int
    """Units planned, a date's own number once its files have been opened."""

    label: str
    """Date of the unit, such as `s2 2021-02-14`."""


class UnitTracker:
    """Adds up the units of a build's dates; what is done never falls, a date that begins anew notwithstanding."""

    def __init__(
        self,
        dates: Sequence[Acquisition],
        num_units: Callable[[str], int],
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        """Describes the work.

        Args:
            dates: All of the build.
            num_units: Units that a date of a group is expected to have.
            on_progress: Told after each unit.
        """
        self._wanted = {id(date): num_units(date.group) for date in dates}
        self._done = dict.fromkeys(self._wanted, 0)
        self._on_progress = on_progress

    def within(self, date: Acquisition) -> Callable[[int, int], None]:
        """Returns what is told the units done and wanted of a date."""

        def tell(done: int, total: int) -> None:
            self._wanted[id(date)] = total
            if done > self._done[id(date)]:
                self._done[id(date)] = done
                self._tell(date)

        return tell

    def finish(self, date: Acquisition) -> None:
        """Counts what is left of a date as done: it was written, or nothing is to be."""
        if self._done[id(date)] < self._wanted[id(date)]:
            self._done[id(date)] = self._wanted[id(date)]
            self._tell(date)

    def _tell(self, date: Acquisition) -> None:
        if self._on_progress is not None:
            done, total = sum(self._done.values()), sum(self._wanted.values())
            self._on_progress(Progress(stage="cube", done=done, total=total, label=date.label))
