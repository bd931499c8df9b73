"""Composites of a cube as a cube of their own: the same schema, one date a period, versioned alike."""

from __future__ import annotations

import dataclasses
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import zarr

from pipelines.composite.best_pixel import cloud_distance
from pipelines.composite.image import CompositeImage, Observations, composite_image
from pipelines.composite.plan import DateFacts, PlannedComposite, plan_composites
from pipelines.composite.target import create_target, target_attributes
from pipelines.cube.errors import CubeError
from pipelines.cube.fields import STRING_COORDS
from pipelines.cube.group import array_of, chunk_blocks, make_room, values_of, write_coords
from pipelines.cube.progress import Progress
from pipelines.cube.recipe import with_halo
from pipelines.cube.reference import CubeRef
from pipelines.cube.store import create_store, open_store
from pipelines.grid import Block, TargetGrid
from pipelines.physics import usable
from pipelines.physics.packing import pack_values, unpack_values
from pipelines.schema import GROUP_SPECS, PER_TIME_COORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pipelines.composite.options import CompositeOptions
    from pipelines.cube.store import Run
    from pipelines.schema import GroupSpec

STRIP_BYTES: Final = 64 * 2**20
"""Of decoded observations that one thread holds at once."""

RADAR_GROUPS: Final = ("s1", "slc")
"""Groups that `radar_method` is for."""

_IDENTITY: Final = ("scene_ids", "processing_baseline", "radiometric_rule", "processing", "read_failures", "shift_x_m")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeResult:
    """What a build did."""

    ref: CubeRef
    source: CubeRef
    """The cube and the snapshot that it was made from."""

    written: dict[str, int]
    """Composites made, by group."""

    dates: dict[str, int]
    """Composites held afterwards, by group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What the composites of one group share."""

    source: zarr.Group
    grid: TargetGrid
    spec: GroupSpec
    options: CompositeOptions
    num_threads: int


def composite_cube(
    uri: str | Path,
    out: str | Path,
    *,
    options: CompositeOptions,
    num_threads: int = 2,
    run_id: str = "",
    on_progress: Callable[[Progress], None] | None = None,
) -> CompositeResult:
    """Returns the cube of composites after it holds one image for each period of every group.

    Only periods whose dates have changed are made anew; each is one commit. Memory is bounded by the chunk and the
    number of dates in a period, not by the grid.

    Args:
        uri: The cube.
        out: The cube of composites, made where there is none.
        options: Period and methods.
        num_threads: Chunks made at once.
        run_id: In every commit; '' draws a random one.
        on_progress: Called after each composite.

    Raises:
        CubeError: There is no cube, or `out` holds composites of other options or something else.
    """
    source = open_store(uri)
    snapshot = source.snapshot
    root = source.root(snapshot)
    if root is None:
        raise CubeError(f"composites are made of a cube with dates, {source.uri} holds none; build it first")
    target = create_store(out)
    with target.run(run_id or uuid.uuid4().hex[:12]) as run:
        attributes = target_attributes(root, target.root(), options, uri=target.uri)
        todo = _todo(root, target.root(), options)
        for done, (name, composite) in enumerate(todo, start=1):
            work = _work(root, name, options, num_threads)
            _publish(run, work, composite, attributes, snapshot)
            if on_progress is not None:
                label = f"{name} {composite.period.start:%Y-%m-%d}"
                on_progress(Progress(stage="composite", done=done, total=len(todo), label=label))
    after = target.root()
    return CompositeResult(
        ref=CubeRef(uri=target.uri, snapshot=target.snapshot),
        source=CubeRef(uri=source.uri, snapshot=snapshot),
        written={name: sum(1 for group, _ in todo if group == name) for name, _ in root.groups()},
        dates={} if after is None else {name: len(values_of(group, "time")) for name, group in after.groups()},
    )


def _todo(root: zarr.Group, target: zarr.Group | None, options: CompositeOptions) -> list[tuple[str, PlannedComposite]]:
    held = {} if target is None else dict(target.groups())
    todo = []
    for name, group in root.groups():
        method = options.radar_method if name in RADAR_GROUPS else options.method
        stored = _records(held[name]) if name in held else {}
        todo += [(name, each) for each in plan_composites(_facts(group), options, method=method, stored=stored)]
    return sorted(todo, key=lambda entry: (entry[1].time_us, entry[0]))


def _records(group: zarr.Group) -> dict[int, str]:
    times, records = values_of(group, "time"), values_of(group, "processing")
    return {int(time): str(record) for time, record in zip(times, records, strict=True)}


def _facts(group: zarr.Group) -> list[DateFacts]:
    columns = [values_of(group, name) for name in _IDENTITY]
    times = values_of(group, "time")
    return [
        DateFacts(time_us=int(time), identity="|".join(str(column[index]) for column in columns))
        for index, time in enumerate(times)
    ]


def _work(root: zarr.Group, name: str, options: CompositeOptions, num_threads: int) -> _Work:
    group = root[name]
    assert isinstance(group, zarr.Group), name
    grid = TargetGrid.from_dict(cast("Mapping[str, float]", root.attrs["grid"]))
    return _Work(source=group, grid=grid, spec=GROUP_SPECS[name], options=options, num_threads=num_threads)  # type: ignore[index]


def _publish(run: Run, work: _Work, composite: PlannedComposite, attributes: Mapping[str, Any], snapshot: str) -> None:
    name = work.source.basename
    draft = run.begin()
    draft.root.attrs.update(attributes)
    group = create_target(draft.root, work.source, work.grid)
    order = _order([int(time) for time in values_of(group, "time")], composite.time_us)
    index = make_room(group, order)
    _write_images(work, composite, group, index)
    write_coords(
        group, order, time_us=composite.time_us, bounds_us=composite.bounds_us, values=_coords(work.source, composite)
    )
    draft.publish(
        f"{name} composite {composite.period.start:%Y-%m-%d} of {len(composite.members)} dates",
        {"group": name, "source_snapshot": snapshot},
    )


def _order(times: list[int], new: int) -> tuple[int | None, ...]:
    before = tuple(index for index, time in enumerate(times) if time < new)
    after = tuple(index for index, time in enumerate(times) if time > new)
    return (*before, None, *after)


def _write_images(work: _Work, composite: PlannedComposite, group: zarr.Group, index: int) -> None:
    def write(block: Block) -> None:
        image = _image(work, composite, block)
        packed = pack_values(image.values, work.spec)
        array_of(group, work.spec.value_name)[index, :, *block.slices] = packed.stored
        array_of(group, "reason")[index, *block.slices] = image.reason
        array_of(group, "valid")[index, *block.slices] = usable(image.reason)
        array_of(group, "num_valid")[index, *block.slices] = image.num_valid
        array_of(group, "source")[index, *block.slices] = image.source

    with ThreadPoolExecutor(work.num_threads) as pool:
        try:
            for _ in pool.map(write, chunk_blocks(group, work.grid)):
                pass
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _image(work: _Work, composite: PlannedComposite, block: Block) -> CompositeImage:
    """Returns one block of a composite, made in strips of rows that fit the memory of a thread."""
    group, members = work.source, list(composite.members)
    value, reason, valid = (array_of(group, name) for name in (work.spec.value_name, "reason", "valid"))
    stored = np.stack([value[date, :, *block.slices] for date in members])
    reasons = np.stack([reason[date, *block.slices] for date in members])
    clear = np.stack([valid[date, *block.slices] for date in members])
    clearance = _clearance(work, members, block)
    rows = max(1, STRIP_BYTES // max(1, stored[..., 0, :].size * 4))
    strips = []
    for top in range(0, block.height, rows):
        strip = slice(top, top + rows)
        observations = Observations(
            values=unpack_values(stored[..., strip, :], work.spec),
            reason=reasons[:, strip],
            valid=clear[:, strip],
            age=np.array(composite.ages),
            clearance_px=None if clearance is None else clearance[:, strip],
        )
        strips.append(composite_image(observations, _method(work)))
    return CompositeImage(
        values=np.concatenate([image.values for image in strips], axis=1),
        reason=np.concatenate([image.reason for image in strips]),
        num_valid=np.concatenate([image.num_valid for image in strips]),
        source=np.concatenate([image.source for image in strips]),
    )


def _method(work: _Work) -> CompositeOptions:
    if work.source.basename not in RADAR_GROUPS:
        return work.options
    return dataclasses.replace(work.options, method=work.options.radar_method)


def _clearance(work: _Work, members: list[int], block: Block) -> NDArray[np.float32] | None:
    """Returns the distance to clouds on a block, seen from its surroundings so that no edge of a chunk shows."""
    if _method(work).method != "best-pixel":
        return None
    reach = work.options.weights.reach_px
    outer = with_halo(block, reach, work.grid.shape)
    rows = slice(block.row - outer.row, block.row_stop - outer.row)
    cols = slice(block.col - outer.col, block.col_stop - outer.col)
    reason = array_of(work.source, "reason")
    return np.stack(
        [cloud_distance(np.asarray(reason[date, *outer.slices]), reach_px=reach)[rows, cols] for date in members]
    )


def _coords(group: zarr.Group, composite: PlannedComposite) -> dict[str, str | float]:
    """Returns PER_TIME_COORDS of a composite: texts of its dates joined, numbers where all dates share one."""
    values: dict[str, str | float] = {}
    for name in PER_TIME_COORDS:
        column = values_of(group, name)[list(composite.members)]
        values[name] = _joined(map(str, column)) if name in STRING_COORDS else _shared(column)
    records = [
        json.loads(str(text) or "{}") for text in values_of(group, "radiometric_evidence")[list(composite.members)]
    ]
    evidence = {scene: record for by_scene in records for scene, record in by_scene.items()}
    failures = [str(text) for text in values_of(group, "read_failures")[list(composite.members)] if str(text)]
    return values | {
        "radiometric_evidence": json.dumps(evidence, sort_keys=True),
        "processing": composite.record,
        "coregistration": "",
        "lineage": "",
        "read_failures": json.dumps([json.loads(text) for text in failures]) if failures else "",
    }


def _joined(texts: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(word for text in texts for word in text.split()))


def _shared(column: NDArray[Any]) -> float:
    numbers = set(column.astype(np.float64).tolist())
    return numbers.pop() if len(numbers) == 1 else float("nan")
