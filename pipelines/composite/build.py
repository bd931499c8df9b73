"""Composites of a cube as a cube of their own: the same schema, one date a period, versioned alike."""

from __future__ import annotations

import dataclasses
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import icechunk
import numpy as np
import zarr

from pipelines.composite.block_image import GroupWork, block_image
from pipelines.composite.plan import DateFacts, PlannedComposite, plan_composites, stale_composites
from pipelines.composite.target import create_target, require_same_bands, target_attributes
from pipelines.composite.withdraw import withdraw
from pipelines.cube.errors import CubeError
from pipelines.cube.fields import STRING_COORDS
from pipelines.cube.group import array_of, chunk_blocks, make_room, values_of, write_coords
from pipelines.cube.migration import known_version
from pipelines.cube.progress import Progress
from pipelines.cube.reference import CubeRef
from pipelines.cube.store import create_store, open_store
from pipelines.grid import TargetGrid
from pipelines.physics import usable
from pipelines.physics.packing import pack_values
from pipelines.schema import GROUP_SPECS, PER_TIME_COORDS, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pipelines.composite.options import CompositeOptions
    from pipelines.cube.store import Run, Store
    from pipelines.grid import Block

RADAR_GROUPS: Final = ("s1", "slc")
"""Groups that `radar_method` is for."""

FULL_TURN_DEG: Final = 360.0

_IDENTITY: Final = tuple(name for name in PER_TIME_COORDS if name != "lineage")
"""What tells the pixels of a date from those of another version of it; its lineage says when it was written as well."""


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


def composite_cube(
    uri: str | Path,
    out: str | Path,
    *,
    options: CompositeOptions,
    num_threads: int = 2,
    run_id: str = "",
    on_progress: Callable[[Progress], None] | None = None,
) -> CompositeResult:
    """Returns the cube of composites after it holds one image for each period of every group, and no other.

    Only periods whose dates have changed are made anew; each is one commit, and so is what goes since the cube has no
    date of its period any more. Memory is bounded by `block_image.READ_BYTES` a thread, whatever the number of dates.

    Args:
        uri: The cube.
        out: The cube of composites, made where there is none.
        options: Period and methods.
        num_threads: Chunks made at once.
        run_id: In every commit; '' draws a random one.
        on_progress: Called after each composite.

    Raises:
        CubeError: There is no cube or it is of an older schema, `out` holds composites of other options, grid or bands
            or something else, or cannot be written.
    """
    source = open_store(uri)
    snapshot = source.snapshot
    root = _dates_of(source, snapshot)
    target = create_store(out)
    with target.run(run_id or uuid.uuid4().hex[:12]) as run:
        attributes = target_attributes(root, target.root(), options, uri=target.uri)
        require_same_bands(root, target.root(), uri=target.uri)
        planned = _planned(root, options)
        try:
            _withdraw(run, planned, snapshot)
            todo = _todo(planned, target.root())
            for done, (name, composite) in enumerate(todo, start=1):
                _publish(run, _work(root, name, options), composite, attributes, snapshot, num_threads)
                if on_progress is not None:
                    label = f"{name} {composite.period.start:%Y-%m-%d}"
                    on_progress(Progress(stage="composite", done=done, total=len(todo), label=label))
        except (OSError, icechunk.IcechunkError) as error:
            raise CubeError(
                f"composites could not be written to {target.uri}: {error}; free space or mend the disk and run again, "
                "what is whole is kept"
            ) from error
    after = target.root()
    return CompositeResult(
        ref=CubeRef(uri=target.uri, snapshot=target.snapshot),
        source=CubeRef(uri=source.uri, snapshot=snapshot),
        written={name: sum(1 for group, _ in todo if group == name) for name in planned},
        dates={} if after is None else {name: len(values_of(group, "time")) for name, group in after.groups()},
    )


def _dates_of(source: Store, snapshot: str) -> zarr.Group:
    root = source.root(snapshot)
    if root is None:
        raise CubeError(f"composites are made of a cube with dates, {source.uri} holds none; build it first")
    version = known_version(root, source.uri)
    if version != SCHEMA_VERSION:
        raise CubeError(
            f"composites are made of a cube of schema {SCHEMA_VERSION}, {source.uri} has {version}; bring it to this "
            "one by `ringmoe store migrate`"
        )
    return root


def _planned(root: zarr.Group, options: CompositeOptions) -> dict[str, tuple[PlannedComposite, ...]]:
    """Returns every composite that the cube has dates for, by group."""
    longitude_deg = _longitude_deg(_grid(root))
    return {
        name: plan_composites(
            _facts(group), options, method=_options_of(name, options).method, longitude_deg=longitude_deg
        )
        for name, group in root.groups()
    }


def _todo(
    planned: Mapping[str, tuple[PlannedComposite, ...]], target: zarr.Group | None
) -> list[tuple[str, PlannedComposite]]:
    """Returns the composites that are missing or whose dates have changed, in order of time."""
    held = {} if target is None else {name: _records(group) for name, group in target.groups()}
    todo = [
        (name, each)
        for name, composites in planned.items()
        for each in composites
        if held.get(name, {}).get(each.time_us) != each.record
    ]
    return sorted(todo, key=lambda entry: (entry[1].time_us, entry[0]))


def _withdraw(run: Run, planned: Mapping[str, tuple[PlannedComposite, ...]], snapshot: str) -> None:
    """Publishes each group without the composites of periods that have no date any more."""
    target = run.store.root()
    for name, held in () if target is None else target.groups():
        gone = stale_composites(planned.get(name, ()), _records(held))
        if gone:
            draft = run.begin()
            group = draft.root[name]
            assert isinstance(group, zarr.Group), name
            withdraw(group, gone)
            draft.publish(
                f"{name}: {len(gone)} composites of periods without a date go",
                {"group": name, "source_snapshot": snapshot},
            )


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


def _work(root: zarr.Group, name: str, options: CompositeOptions) -> GroupWork:
    group = root[name]
    assert isinstance(group, zarr.Group), name
    return GroupWork(
        source=group,
        grid=_grid(root),
        spec=GROUP_SPECS[name],  # type: ignore[index]
        options=_options_of(name, options),
    )


def _grid(root: zarr.Group) -> TargetGrid:
    return TargetGrid.from_dict(cast("Mapping[str, float]", root.attrs["grid"]))


def _longitude_deg(grid: TargetGrid) -> float:
    """Returns the longitude of the middle of a grid, -180 to 180."""
    west, _, east, _ = grid.bbox_wgs84()
    middle = (west + (east + FULL_TURN_DEG if east < west else east)) / 2
    return middle - FULL_TURN_DEG if middle > FULL_TURN_DEG / 2 else middle


def _options_of(name: str, options: CompositeOptions) -> CompositeOptions:
    """Returns the options with the method that a group's kind takes."""
    return dataclasses.replace(options, method=options.radar_method) if name in RADAR_GROUPS else options


def _publish(  # noqa: PLR0917 six values that nothing else binds
    run: Run,
    work: GroupWork,
    composite: PlannedComposite,
    attributes: Mapping[str, Any],
    snapshot: str,
    num_threads: int,
) -> None:
    name = work.source.basename
    draft = run.begin()
    draft.root.attrs.update(attributes)
    group = create_target(draft.root, work.source, work.grid)
    order = _order([int(time) for time in values_of(group, "time")], composite.time_us)
    index = make_room(group, order)
    _write_images(work, composite, group, index, num_threads)
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


def _write_images(
    work: GroupWork, composite: PlannedComposite, group: zarr.Group, index: int, num_threads: int
) -> None:
    def write(block: Block) -> None:
        image = block_image(work, composite, block)
        packed = pack_values(image.values, work.spec)
        array_of(group, work.spec.value_name)[index, :, *block.slices] = packed.stored
        array_of(group, "reason")[index, *block.slices] = image.reason
        array_of(group, "valid")[index, *block.slices] = usable(image.reason)
        array_of(group, "num_valid")[index, *block.slices] = image.num_valid
        array_of(group, "source")[index, *block.slices] = image.source

    with ThreadPoolExecutor(num_threads) as pool:
        try:
            for _ in pool.map(write, chunk_blocks(group, work.grid)):
                pass
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


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
    failures: dict[str, list[object]] = {}
    for text in values_of(group, "read_failures")[list(composite.members)]:
        for scene, entries in json.loads(str(text) or "{}").items():
            failures.setdefault(scene, []).extend(entries)
    return values | {
        "radiometric_evidence": json.dumps(evidence, sort_keys=True),
        "processing": composite.record,
        "coregistration": "",
        "lineage": "",
        "read_failures": json.dumps(failures, sort_keys=True) if failures else "",
    }


def _joined(texts: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(word for text in texts for word in text.split()))


def _shared(column: NDArray[Any]) -> float:
    numbers = set(column.astype(np.float64).tolist())
    return numbers.pop() if len(numbers) == 1 else float("nan")
