"""A model laid over a cube: slab by slab, windows in threads, sums in the lattice's order.

What a pixel gets depends on the lattice and the data alone. Batches are fixed by the lattice, windows are added in
its order, and how many rows are read or written at once changes no sum. Memory is two slabs of the cube, one strip of
sums and the rows of one output chunk, whatever the height of the grid.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import torch

from pipelines.inference.blend import Strip, window_weights
from pipelines.inference.forward import Mapper, Question, WindowAnswer, answer_batch, window_series
from pipelines.inference.reduce import LayerArray, Observation, reduce_rows
from pipelines.inference.slab import Slab, read_slab, slab_rows
from pipelines.inference.threads import run, task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import xarray as xr

    from pipelines.grid import Lattice, Window
    from pipelines.inference.channels import CubeModality
    from pipelines.inference.epochs import Epochs
    from pipelines.inference.options import InferenceOptions


class RowSink(Protocol):
    """Takes finished rows, from the top down."""

    def add(self, top: int, layers: Mapping[str, LayerArray]) -> None:
        """Takes rows that begin at pixel row `top`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything that a run needs to know, and no pixel."""

    cube: Mapping[str, xr.Dataset]
    plan: Epochs
    seen: tuple[Observation, ...]
    modalities: tuple[CubeModality, ...]
    """Fed to the model; each has a used date."""

    question: Question
    lattice: Lattice
    options: InferenceOptions

    def batches(self, lattice_row: int) -> tuple[tuple[Window, ...], ...]:
        """Returns the windows of a lattice row in even batches, which the lattice, the dates and options fix."""
        num_cols = len(self.lattice.cols)
        most = self.options.windows_in_batch(self.question.membership.shape[1])
        num_batches = -(-num_cols // most)
        edges = [index * num_cols // num_batches for index in range(num_batches + 1)]
        windows = self.lattice.windows()[lattice_row * num_cols : (lattice_row + 1) * num_cols]
        return tuple(windows[first:stop] for first, stop in pairwise(edges))

    def slabs(self, first_row: int) -> Iterator[range]:
        """Yields the lattice rows whose windows are cut from one slab, as many as fit the budget."""
        rows = slab_rows(self.cube, self.plan, self.modalities, self.options.slab_mb // 2)
        step = max(1, (rows - self.lattice.window) // self.lattice.stride + 1)
        total = len(self.lattice.rows)
        for start in range(first_row, total, step):
            yield range(start, min(start + step, total))


def first_lattice_row(lattice: Lattice, rows_done: int) -> int:
    """Returns the first lattice row whose windows reach below the pixel rows that are done."""
    return next(index for index, top in enumerate(lattice.rows) if top + lattice.window > rows_done)


def apply(
    job: Job, model: Mapper, sink: RowSink, *, rows_done: int, on_windows: Callable[[int, int], None] | None
) -> None:
    """Maps the grid from the first pixel row that is not done, and hands the rows on.

    Args:
        job: The plan.
        model: In evaluation mode; called from several threads at once.
        sink: Gets every row from the first lattice row that reaches below `rows_done`: the first of them may lie
            above it and be incomplete there.
        rows_done: Pixel rows, from the top, that need no more work.
        on_windows: Told (windows done, windows in all) after every batch, in order.
    """
    lattice, options = job.lattice, job.options
    first = first_lattice_row(lattice, rows_done)
    strip = Strip(
        shape=(lattice.height, lattice.width),
        weights=window_weights(lattice.window, lattice.stride),
        num_classes=job.question.num_planes,
        change=job.question.change_shape,
        novelty=job.question.novelty is not None,
    )
    strip.start(lattice.rows[first])
    counter = _Counter(total=(len(lattice.rows) - first) * len(lattice.cols), tell=on_windows)
    for rows, slab in _read_ahead(job, list(job.slabs(first))):
        last = _graph(_Worker(job=job, model=model, slab=slab, strip=strip, sink=sink, counter=counter), rows)
        run(last, options.num_workers)


def _read_ahead(job: Job, slabs: list[range]) -> Iterator[tuple[range, Slab]]:
    """Yields the slabs in order; while the model works on one, the next is read by one thread beside it."""

    def read(rows: range) -> Slab:
        top, bottom = job.lattice.rows[rows[0]], job.lattice.rows[rows[-1]] + job.lattice.window
        within = slice(max(top, 0), min(bottom, job.lattice.height))
        return read_slab(job.cube, job.plan, job.modalities, within, num_workers=job.options.num_workers)

    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        coming = [reader.submit(read, slabs[0])] if slabs else []
        for index, rows in enumerate(slabs):
            slab = coming.pop().result()
            if index + 1 < len(slabs):
                coming.append(reader.submit(read, slabs[index + 1]))
            yield rows, slab


def _graph(worker: _Worker, rows: range) -> object:
    """Returns the last step of a slab: batches are free to run side by side, sums wait for their turn."""
    turn: object = None
    for row in rows:
        for batch in worker.job.batches(row):
            answers = task(worker.answer, batch)
            turn = task(worker.add, turn, answers, len(batch))
        turn = task(worker.finish, turn, row)
    return turn


@dataclass(slots=True, kw_only=True)
class _Counter:
    total: int
    tell: Callable[[int, int], None] | None
    done: int = 0

    def add(self, num: int) -> None:
        self.done += num
        if self.tell is not None:
            self.tell(self.done, self.total)


@dataclass(slots=True, kw_only=True)
class _Worker:
    """The steps of one slab. `add` and `finish` change the strip and never run side by side."""

    job: Job
    model: Mapper
    slab: Slab
    strip: Strip
    sink: RowSink
    counter: _Counter

    def answer(self, batch: tuple[Window, ...]) -> list[WindowAnswer]:
        torch.set_num_threads(1)  # a setting of the calling thread
        windows, series = window_series(self.slab, batch)
        return answer_batch(self.model, self.job.question, windows, series) if windows else []

    def add(self, _turn: object, answers: list[WindowAnswer], num_windows: int) -> None:
        for answer in answers:
            self.strip.add(answer)
        self.counter.add(num_windows)

    def finish(self, _turn: object, row: int) -> None:
        lattice = self.job.lattice
        last = row + 1 == len(lattice.rows)
        finished = self.strip.finish(lattice.height if last else lattice.rows[row + 1])
        change = self.job.question.num_change_classes > 0
        layers = reduce_rows(
            finished, self.slab, len(self.job.plan), self.job.seen, change=change, own=self.job.question.own
        )
        self.sink.add(finished.top, layers)
