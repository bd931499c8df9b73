"""The units of one date, spread over a crew and gathered."""

from __future__ import annotations

import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.cube.retry import Patience
from pipelines.cube.tiling import tiling_of
from pipelines.cube.unit import plan_units
from pipelines.cube.unit_work import Images, Task, UnitResult, work_unit, work_unit_on_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from icechunk.session import ForkSession

    from pipelines.cube.crew import Crew
    from pipelines.cube.failures import ReadFailure
    from pipelines.cube.store import Draft
    from pipelines.cube.unit import Unit
    from pipelines.cube.unit_work import DateJob
    from pipelines.grid import TargetGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenUnits:
    """What became of a date's units, all of them written to a draft."""

    draft: Draft
    """Goes on from the one that was given."""

    filled: frozenset[str]
    """Ids of the scenes that had a pixel."""

    failures: tuple[ReadFailure, ...]


def units_of(job: DateJob, index: int, *, grid: TargetGrid, side: int) -> tuple[Unit, ...]:
    """Returns the units of a date, cut along the inner tiles of its rasters where they and the chunks agree.

    Args:
        job: The date.
        index: Its index along time.
        grid: The cube's grid.
        side: Longest side of a unit in pixels.
    """
    headers = (plane.header for source in job.sources for plane in source.lazy.planes.values())
    tiling = tiling_of(headers, grid)
    return plan_units(job.group, index, shape=grid.shape, chunk=job.chunk, side=side, tiling=tiling)


def write_units(
    crew: Crew,
    job: DateJob,
    units: tuple[Unit, ...],
    draft: Draft,
    *,
    aside: Callable[[Draft], None],
    tell: Callable[[int, int], None],
) -> WrittenUnits:
    """Reads and writes every unit of a date.

    Threads write to the draft's own session. A cluster writes to forks of it, which a session only gives when it has
    no changes: the room for the date is committed on the run's branch first, where no reader looks.

    Args:
        crew: Who works.
        job: The date.
        units: All of it.
        draft: Holds the group with room for the date.
        aside: Writes to the draft what does not hang on the pixels, while the units are under way.
        tell: Told the number of units done and wanted after each.

    Raises:
        CubeError: The cluster went away.
    """
    patience = Patience()
    tasks = (Task(unit=unit, is_patient=patience.lasts) for unit in units)
    answers: Generator[UnitResult]
    if crew.shares_memory:
        answers = crew.run(functools.partial(work_unit, job, Images.of(draft.root, job.group), crew.pause), tasks)
    else:
        if draft.session.has_uncommitted_changes:  # none where a date takes the place of one like it
            draft = draft.checkpoint(f"room for a date of {job.group}")
        answers = _merged(crew, functools.partial(work_unit_on_fork, job, draft.session.fork()), tasks, draft)
    filled: set[str] = set()
    failures: list[ReadFailure] = []
    # what is written aside is waited for, whatever becomes of the units
    with contextlib.closing(answers), ThreadPoolExecutor(1, thread_name_prefix="cube-aside") as pool:
        written_aside = pool.submit(aside, draft)
        for done, result in enumerate(answers, start=1):
            filled |= result.filled
            failures.extend(result.failures)
            patience.record(failed_in_passing=result.failed_in_passing)
            tell(done, len(units))
        written_aside.result()
    return WrittenUnits(draft=draft, filled=frozenset(filled), failures=tuple(failures))


def _merged(
    crew: Crew, call: Callable[[Task], tuple[UnitResult, ForkSession]], tasks: Iterable[Task], draft: Draft
) -> Generator[UnitResult]:
    """Takes the chunks of each fork into the draft as it comes back."""
    with contextlib.closing(crew.run(call, tasks)) as answers:
        for result, fork in answers:
            draft.session.merge(fork)
            yield result
