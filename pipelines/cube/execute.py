"""One date from scenes to a commit: read, merge, write, and move main when it is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import icechunk

from catalogs import load_sensor
from pipelines.cube.errors import CubeError, ReadFailed
from pipelines.cube.fields import coord_values
from pipelines.cube.group import (
    GroupTemplate,
    array_of,
    chunk_blocks,
    create_group,
    make_room,
    stored_dates,
    write_coords,
)
from pipelines.cube.mosaic import merge
from pipelines.cube.plan import is_settled, new_order
from pipelines.cube.sample import PixelSample, sample_step
from pipelines.cube.source import Skipped, Source, prepare
from pipelines.cube.source_optical import OpticalConversion
from pipelines.physics import usable
from pipelines.schema import VALUE_NAME

if TYPE_CHECKING:
    import zarr

    from catalogs.scenes import SceneOutcome
    from pipelines.cube.acquisition import Acquisition
    from pipelines.cube.configuration import CubeConfiguration
    from pipelines.cube.encoding import Attributes
    from pipelines.cube.options import BuildOptions
    from pipelines.cube.store import Draft, Run
    from pipelines.grid import Block


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What every date of one build shares."""

    run: Run
    configuration: CubeConfiguration
    options: BuildOptions
    input_hash: str
    attribution: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DateResult:
    """How one date ended."""

    written: tuple[str, ...]
    """Ids of its scenes where it was written, else empty."""

    skipped: tuple[SceneOutcome, ...]


def execute_date(execution: Execution, acquisition: Acquisition) -> DateResult:
    """Writes and publishes one date, less the scenes that turn out not to be usable.

    A scene that fails while its pixels are read takes the draft with it: the date begins anew without the scene, so
    that no pixel of a half-read scene stays.

    Raises:
        CubeError: The store cannot be written; main is as it was.
    """
    skipped: list[SceneOutcome] = []
    rest: Acquisition | None = acquisition
    sources: dict[str, Source] = {}
    while rest is not None:
        failures = _prepare(execution, rest, sources)
        if not failures and skipped and _is_stored(execution, rest):
            break
        if not failures:
            failures = _write(execution, rest, [sources[scene_id] for scene_id in rest.ids])
        if not failures:
            return DateResult(written=rest.ids, skipped=tuple(skipped))
        for scene in rest.scenes:
            if scene.id in failures and rest is not None:
                skipped.append(failures[scene.id].outcome(scene))
                rest = rest.without(scene.id)
    return DateResult(written=(), skipped=tuple(skipped))


def _prepare(execution: Execution, acquisition: Acquisition, sources: dict[str, Source]) -> dict[str, Skipped]:
    """Adds the sources that are not yet prepared; returns the scenes that cannot be."""
    failures = {}
    for scene in acquisition.scenes:
        if scene.id in sources:
            continue
        try:
            sources[scene.id] = prepare(
                scene,
                group=acquisition.group,
                bands=execution.configuration.bands[acquisition.group],
                grid=execution.configuration.grid,
                chunk=execution.options.chunk,
                recipe=execution.options.recipe,
            )
        except Skipped as skip:
            failures[scene.id] = skip
    return failures


def _is_stored(execution: Execution, acquisition: Acquisition) -> bool:
    root = execution.run.store.root()
    if root is None or acquisition.group not in root:
        return False
    return is_settled(acquisition, stored_dates(_group(root, acquisition.group)))


def _write(execution: Execution, acquisition: Acquisition, sources: list[Source]) -> dict[str, Skipped]:
    """Writes and publishes a date; returns the scenes that must be left out, and then nothing was published."""
    try:
        draft = execution.run.begin()
        group = _open_group(execution, draft, acquisition)
        order = new_order(acquisition, stored_dates(group))
        index = make_room(group, order)
        samples = _samples(execution, sources)
        filled = _write_blocks(execution, group, index, sources, samples)
        empty = [scene_id for scene_id in acquisition.ids if scene_id not in filled]
        if empty:
            detail = "a scene has a value within the grid, in {} every pixel is nodata"
            return {scene_id: Skipped("all_nodata", detail.format(scene_id)) for scene_id in empty}
        write_coords(
            group,
            order,
            time_us=acquisition.time_us,
            bounds_us=acquisition.bounds_us,
            values=coord_values(
                acquisition,
                " ".join(dict.fromkeys(source.rule_name for source in sources)),
                json.dumps({source.scene.id: _evidence(source, samples) for source in sources}, sort_keys=True),
            )
            | {"processing": _processing(sources)},
        )
        _publish(execution, draft, acquisition)
    except ReadFailed as failure:
        return {failure.scene_id: Skipped("unreadable", str(failure))}
    except (OSError, icechunk.IcechunkError) as error:
        raise CubeError(
            f"{acquisition.label} could not be written to {execution.run.store.uri}: {error}; free space or mend the "
            "disk and run again, the cube holds whole dates only and goes on from the last",
        ) from error
    return {}


def _write_blocks(
    execution: Execution,
    group: zarr.Group,
    index: int,
    sources: list[Source],
    samples: Mapping[str, PixelSample],
) -> set[str]:
    """Writes every block of a date from threads; returns the ids of the scenes that had a pixel."""
    value, valid, reason = (array_of(group, name) for name in (VALUE_NAME[group.basename], "valid", "reason"))

    def write(block: Block) -> set[str]:
        layers = [source.read(block) for source in sources]
        for source, layer in zip(sources, layers, strict=True):
            if source.scene.id in samples:
                samples[source.scene.id].add(layer, block)
        merged = merge(layers)
        value[index, :, *block.slices] = merged.values
        valid[index, *block.slices] = usable(merged.reason)
        reason[index, *block.slices] = merged.reason
        return {source.scene.id for source, layer in zip(sources, layers, strict=True) if layer.has_data.any()}

    filled: set[str] = set()
    with ThreadPoolExecutor(execution.options.num_threads) as pool:
        try:
            for found in pool.map(write, chunk_blocks(group, execution.configuration.grid)):
                filled |= found
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return filled


def _open_group(execution: Execution, draft: Draft, acquisition: Acquisition) -> zarr.Group:
    """Returns the group of a date in a draft, made with its template where it is the first."""
    root, name, configuration = draft.root, acquisition.group, execution.configuration
    lines = [line for line in str(root.attrs.get("attribution", "")).splitlines() if line]
    root.attrs.update(
        {
            "schema_version": configuration.schema_version,
            "configuration": configuration.digest,
            "grid": configuration.grid.to_dict(),
            "recipe": cast("Attributes", dict(configuration.recipe)),
            "attribution": "\n".join(dict.fromkeys([*lines, *execution.attribution])),
        },
    )
    if name in root:
        group = _group(root, name)
    else:
        sensor = load_sensor(acquisition.scenes[0].sensor)
        group = create_group(
            root,
            GroupTemplate(
                name=name,
                grid=configuration.grid,
                bands=tuple(sensor.band(band) for band in configuration.bands[name]),
                chunk=execution.options.chunk,
                title=execution.options.title,
            ),
        )
    group.attrs["attribution"] = root.attrs["attribution"]
    return group


def _publish(execution: Execution, draft: Draft, acquisition: Acquisition) -> None:
    draft.publish(
        f"{acquisition.label}: {' '.join(acquisition.ids)}",
        {
            "input_hash": execution.input_hash,
            "schema_version": execution.configuration.schema_version,
            "group": acquisition.group,
            "scenes": list(acquisition.ids),
        },
    )


def _samples(execution: Execution, sources: list[Source]) -> dict[str, PixelSample]:
    step = sample_step(execution.configuration.grid.shape)
    return {
        source.scene.id: PixelSample(source=source, conversion=source.conversion, step=step)
        for source in sources
        if isinstance(source.conversion, OpticalConversion)
    }


def _processing(sources: list[Source]) -> str:
    """Returns the optional steps of each scene as JSON, '' where the recipe has none."""
    steps = {source.scene.id: source.processing for source in sources if source.processing}
    return json.dumps({"steps": steps}, sort_keys=True) if steps else ""


def _evidence(source: Source, samples: Mapping[str, PixelSample]) -> dict[str, object]:
    """Returns the record of one scene; a suspicious sample adds a note, and never changes the rule."""
    evidence = source.evidence
    sample = samples.get(source.scene.id)
    if sample is None:
        return evidence
    seen = sample.evidence()
    notes = list(cast("list[str]", evidence["notes"]))
    if seen.suspicious:
        notes.append(f"{seen.negative_share:.0%} of {sample.band} is negative under {source.rule_name}: check the item")
    pixels = {"band": sample.band, "step_px": sample.step, **seen.to_dict()}
    return {**evidence, "notes": notes, "pixels": pixels}


def _group(root: zarr.Group, name: str) -> zarr.Group:
    import zarr

    group = root[name]
    assert isinstance(group, zarr.Group), name
    return group
