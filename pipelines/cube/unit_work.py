"""What a worker does with one unit: reads the scenes there, merges them and writes whole chunks.

It can be repeated without harm, in any process and in any order. What cannot be read is left missing, chunk by chunk,
and said so in the reason plane and in the result.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import zarr

from pipelines.cube.chunk_write import ChunkWriter, write_chunks
from pipelines.cube.errors import ReadFailed
from pipelines.cube.failures import ReadFailure, failure_of
from pipelines.cube.layer import Layer
from pipelines.cube.mosaic import merge
from pipelines.cube.raster_file import PASSING_FAULTS
from pipelines.cube.read_policy import ReadPolicy, use_read_policy
from pipelines.cube.retry import RetryPolicy, with_retries
from pipelines.cube.unit import Unit, smallest_blocks
from pipelines.physics import usable
from pipelines.schema import GROUP_SPECS, Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from icechunk.session import ForkSession

    from pipelines.cube.source import Source
    from pipelines.grid import Block
    from pipelines.schema import Group

_UNREAD = np.uint16(int(Reason.NODATA | Reason.READ_FAILED))


@dataclass(frozen=True, slots=True, kw_only=True)
class DateJob:
    """What all units of a date share."""

    group: Group
    sources: tuple[Source, ...]
    """In mosaic order."""

    chunk: int
    """Side of a stored chunk in pixels."""

    retry: RetryPolicy
    read_policy: ReadPolicy
    """Of the process that builds; its workers take it over."""

    token: str = ""
    """Another for every date of every build: by it a worker tells the date that it has begun, with its open files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A unit and how patient to be with it."""

    unit: Unit
    is_patient: bool = True
    """False: faults that may pass are not waited for, since they have not passed for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitResult:
    """How a unit ended; it is written in any case."""

    unit: Unit
    filled: frozenset[str]
    """Ids of the scenes that had a pixel."""

    failures: tuple[ReadFailure, ...] = ()

    @property
    def failed_in_passing(self) -> bool:
        """Whether a fault stayed that might have passed."""
        return any(failure.fault in PASSING_FAULTS for failure in self.failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The gridded arrays of a group, open for writing."""

    value: zarr.Array[Any]
    valid: zarr.Array[Any]
    reason: zarr.Array[Any]

    @classmethod
    def of(cls, root: zarr.Group, group: Group) -> Images:
        """Opens the arrays of a group."""
        value, valid, reason = (root[f"{group}/{name}"] for name in (GROUP_SPECS[group].value_name, "valid", "reason"))
        assert isinstance(value, zarr.Array)
        assert isinstance(valid, zarr.Array)
        assert isinstance(reason, zarr.Array)
        return cls(value=value, valid=valid, reason=reason)

    def write(self, date: int, block: Block, layer: Layer) -> None:
        """Writes one block of one date, whole chunks."""
        place = (date, block.row, block.col)
        parts = (
            (self.value, (date, 0, block.row, block.col), layer.values[np.newaxis]),
            (self.valid, place, usable(layer.reason)[np.newaxis]),
            (self.reason, place, layer.reason[np.newaxis]),
        )
        encoded: list[tuple[str, bytes | None]] = []
        for array, start, values in parts:
            writer = ChunkWriter.of(array)
            if writer is None:  # a cube that was made elsewhere
                array[tuple(slice(i, i + n) for i, n in zip(start, values.shape, strict=True))] = values
            else:
                encoded.extend(writer.encoded(start, values))
        write_chunks(self.value.store, encoded)


def work_unit(job: DateJob, images: Images, pause: Callable[[float], object], task: Task) -> UnitResult:
    """Reads and writes one unit; returns what became of it.

    Args:
        job: The date.
        images: Arrays of a draft.
        pause: Waits a number of seconds between two tries.
        task: The unit.
    """
    merged: Layer | None = None
    filled: set[str] = set()
    failures: list[ReadFailure] = []
    retry = job.retry if task.is_patient else job.retry.without_retries()
    for source in job.sources:
        layer, failed = read_layer(source, task.unit.block, job=job, retry=retry, pause=pause)
        failures.extend(failed)
        if layer.has_data.any():
            filled.add(source.scene.id)
        merged = layer if merged is None else merge((merged, layer))
    assert merged is not None, "a date has a scene"
    images.write(task.unit.date, task.unit.block, merged)
    return UnitResult(unit=task.unit, filled=frozenset(filled), failures=tuple(failures))


def work_unit_on_fork(job: DateJob, fork: ForkSession, task: Task) -> tuple[UnitResult, ForkSession]:
    """Does the same in a process of a cluster; the fork that comes back holds the chunks written, for one committer.

    Args:
        job: The date.
        fork: A fork of the draft's session, this task's own copy.
        task: The unit.
    """
    use_read_policy(job.read_policy)
    job = _begun(_Begun(job)) if job.token else job
    images = Images.of(zarr.open_group(fork.store, mode="r+", zarr_format=3), job.group)
    return work_unit(job, images, time.sleep, task), fork


class _Begun:
    """A job that is told by its token alone."""

    def __init__(self, job: DateJob) -> None:
        self.job = job

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Begun) and other.job.token == self.job.token

    def __hash__(self) -> int:
        return hash(self.job.token)


@functools.lru_cache(maxsize=1)
def _begun(asked: _Begun) -> DateJob:
    """Returns the job as it came first to this process: its files are open and its tiles are kept."""
    return asked.job


def read_layer(
    source: Source, block: Block, *, job: DateJob, retry: RetryPolicy, pause: Callable[[float], object]
) -> tuple[Layer, tuple[ReadFailure, ...]]:
    """Returns a scene's pixels on a block, missing where they cannot be read, and what failed.

    A file that is damaged is read again chunk by chunk, so that only the chunks are lost that touch the damage: what
    is missing does not hang on how large the units are.

    Args:
        source: The scene.
        block: Whole chunks.
        job: The date.
        retry: How patient to be.
        pause: Waits between two tries.
    """
    key = f"{source.scene.id}:{block.row}:{block.col}"
    try:
        return with_retries(lambda: source.read(block), retry, key, pause), ()
    except ReadFailed as failure:
        parts = smallest_blocks(block, job.chunk)
        if failure.fault != "damaged" or len(parts) == 1:
            return _unread(job.group, len(source.bands), block), (failure_of(failure, parts),)
    whole = _unread(job.group, len(source.bands), block)
    failures: list[ReadFailure] = []
    for part in parts:
        layer, failed = read_layer(source, part, job=job, retry=retry, pause=pause)
        rows = slice(part.row - block.row, part.row_stop - block.row)
        cols = slice(part.col - block.col, part.col_stop - block.col)
        whole.values[:, rows, cols] = layer.values
        whole.reason[rows, cols] = layer.reason
        failures.extend(failed)
    return whole, tuple(failures)


def _unread(group: Group, num_bands: int, block: Block) -> Layer:
    spec = GROUP_SPECS[group]
    shape = (block.height, block.width)
    return Layer(
        values=np.full((num_bands, *shape), spec.fill, dtype=spec.dtype),
        reason=np.full(shape, _UNREAD, dtype=np.uint16),
    )
