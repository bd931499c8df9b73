"""From a cube and a checkpoint to a stored prediction, resumed where it was killed, left alone where it is whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.cube import Progress, open_cube
from pipelines.cube.store import open_store
from pipelines.grid import Lattice
from pipelines.inference.apply import Job, apply
from pipelines.inference.channels import MODALITY_BANDS, MODALITY_GROUP, MODEL_GROUPS, NORMALISATION_ID, CubeModality
from pipelines.inference.epochs import Dates, Epochs, membership, plan_epochs, plan_fusions
from pipelines.inference.errors import InferenceError
from pipelines.inference.fed_bands import fed_bands
from pipelines.inference.forward import Mapper, Question
from pipelines.inference.layers import template
from pipelines.inference.novelty_file import load_novelty, novelty_path
from pipelines.inference.options import TASKS, InferenceOptions, PredictionRef, Task, check_tasks
from pipelines.inference.own import OWN_ATTR, OwnHead, check_fed, load_own_heads
from pipelines.inference.reduce import observations
from pipelines.inference.rows import ChunkRows
from pipelines.inference.store import PredictionStore
from pipelines.inference.threads import run
from pipelines.inference.torch_threads import torch_threads
from pipelines.legend import CHANGE_CODES, LAND_COVER_CODES
from pipelines.schema import SCHEMA_VERSION
from ringmoe_core import load_checkpoint
from ringmoe_core.heap import keep_heap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy.typing as npt
    import xarray as xr

    from pipelines.cube import CubeRef
    from pipelines.inference.novelty import Novelty
    from ringmoe_core import LoadedModel

READ_WIDTH: Final = 2048
"""Pixels of a row that one task reads: a call to Zarr costs milliseconds whatever its size."""

CODE_VERSION: Final = "2"
"""Raised whenever the same input would give other values; part of every prediction's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A model that may be asked, and what is known of it."""

    model: Mapper
    sha256: str
    """Of its tensors."""

    trained_modalities: tuple[str, ...]
    provenance: str = ""
    change_threshold: float = 0.5
    """Probability from which a change is published, validated with the checkpoint."""

    land_cover_temperature: float = 1.0
    change_temperature: float = 1.0
    """As `CheckpointMetadata` has them; 1 leaves the logits as they are."""

    novelty: Novelty | None = None
    """Statistics of the training, where a file beside the weights holds them."""

    novelty_sha256: str = ""
    """Of all that file says."""

    own: tuple[OwnHead, ...] = ()
    """A user's heads over this model, each a product of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A cube, open."""

    ref: CubeRef
    groups: Mapping[str, xr.Dataset]
    """Lazy, decoded, each with at least one date, on one grid."""

    @property
    def frame(self) -> xr.Dataset:
        """The group to take the grid from."""
        return next(iter(self.groups.values()))


def predict(
    ref: CubeRef,
    weights: Path,
    uri: str,
    *,
    options: InferenceOptions | None = None,
    tasks: tuple[Task, ...] = TASKS,
    own: Mapping[str, Path] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> PredictionRef:
    """Returns a stored prediction: class probabilities of every pixel, with what was seen of it.

    The same cube, weights, options and tasks give the same prediction: where it is stored already nothing is read or
    written; where a run was killed it goes on behind the last whole row of chunks.

    Args:
        ref: The cube at one snapshot.
        weights: A safetensors checkpoint of ringmoe_core.
        uri: Folder of the Icechunk repository for predictions, made where there is none.
        options: None means the defaults.
        tasks: What to ask.
        own: Files of a user's heads by the name of their product, besides the tasks.
        on_progress: Called after every batch of windows, in order, from a worker thread.

    Raises:
        FileNotFoundError: No such checkpoint.
        CheckpointError: The checkpoint is damaged.
        InferenceError: Checkpoint and cube do not fit this program, or the disk is full.
        CubeError: The cube cannot be opened, or another run writes to `uri`.
        ValueError: A task is unknown.
    """
    options = options or InferenceOptions()
    loaded = load_checkpoint(weights)
    trained = with_novelty(trained_model(loaded, weights), weights)
    trained = replace(trained, own=load_own_heads(own or {}, loaded, window=options.window))
    source = Source(ref=ref, groups=open_groups(ref))
    return predict_with(trained, source, uri, options=options, tasks=tasks, on_progress=on_progress)


def predict_with(
    trained: TrainedModel,
    source: Source,
    uri: str,
    *,
    options: InferenceOptions,
    tasks: tuple[Task, ...],
    on_progress: Callable[[Progress], None] | None = None,
) -> PredictionRef:
    """As `predict`, with a cube that is open and a model that is in memory."""
    tasks = check_tasks(tasks) if tasks or not trained.own else ()
    store = PredictionStore(uri)
    key = prediction_key(source.ref, trained, options, tasks)
    with store.lock(key):
        found = store.find(key)
        if found is not None:
            return found
        job = plan_job(source.groups, trained, options, tasks)
        check_fed(trained.own, fed_bands(job.cube, job.modalities))
        attrs = _attrs(source.ref, trained, job, tasks=tasks, key=key)
        novelty = trained.novelty is not None
        laid_out = template(
            source.frame, job.plan, tasks, chunk=options.chunk, attrs=attrs, novelty=novelty, own=trained.own
        )
        draft = store.begin(key, laid_out)
        rows = ChunkRows(store=store, draft=draft, chunk=options.chunk, height=job.lattice.height)
        if options.keep_heap:
            keep_heap()
        if not rows.complete:
            with torch_threads(1):
                apply(job, trained.model, rows, rows_done=draft.rows_done, on_windows=_teller(on_progress))
        return store.finish(rows.draft)


def trained_model(loaded: LoadedModel, path: Path) -> TrainedModel:
    """Returns the model of a checkpoint, once its conventions are those of this program.

    Raises:
        InferenceError: Its normalisation or classes are others.
    """
    config, metadata = loaded.model.config, loaded.metadata
    if metadata.normalisation != NORMALISATION_ID:
        raise InferenceError(
            f"a checkpoint must be trained on input normalised as {NORMALISATION_ID!r}, "
            f"got {metadata.normalisation!r} in {path}; use one that was"
        )
    if config.class_codes != LAND_COVER_CODES or config.change_codes != CHANGE_CODES:
        raise InferenceError(
            f"a checkpoint must tell the classes {LAND_COVER_CODES} and {CHANGE_CODES}, "
            f"got {config.class_codes} and {config.change_codes} in {path}; use one that does"
        )
    return TrainedModel(
        model=loaded.model,
        sha256=loaded.sha256,
        trained_modalities=metadata.trained_modalities,
        provenance=metadata.provenance,
        change_threshold=metadata.change_threshold,
        land_cover_temperature=metadata.land_cover_temperature,
        change_temperature=metadata.change_temperature,
    )


def with_novelty(trained: TrainedModel, weights: Path) -> TrainedModel:
    """Returns the model with the statistics of its training, where they lie beside the weights.

    Raises:
        InferenceError: They are damaged, or belong to other weights.
    """
    path = novelty_path(weights)
    if not path.is_file():
        return trained
    novelty, digest = load_novelty(path, model_sha256=trained.sha256)
    return replace(trained, novelty=novelty, novelty_sha256=digest)


def open_groups(ref: CubeRef) -> dict[str, xr.Dataset]:
    """Returns the groups of a cube that the model knows and that hold a date; others are left aside.

    Raises:
        InferenceError: None does.
    """
    root = open_store(ref.uri).root(ref.snapshot)
    cube: dict[str, xr.Dataset] = {}
    for group in MODEL_GROUPS:
        if root is not None and group in root:
            dataset = open_cube(ref.uri, group, snapshot=ref.snapshot, chunks={"band": -1, "x": READ_WIDTH})
            if dataset.sizes["time"]:
                cube[group] = dataset
    if not cube:
        held = [] if root is None else sorted(name for name, _ in root.groups())
        raise InferenceError(
            f"a cube must hold at least one date of {list(MODEL_GROUPS)}, {ref.uri} has the groups {held}; add scenes"
        )
    return cube


def plan_job(
    cube: Mapping[str, xr.Dataset], trained: TrainedModel, options: InferenceOptions, tasks: tuple[Task, ...]
) -> Job:
    """Returns what a run does; reads the cube's `valid` planes to count them, nothing else."""
    wanted = [name for name in MODALITY_BANDS if name in options.modalities and name in trained.trained_modalities]
    dates = {
        MODALITY_GROUP[name]: _dates(cube[MODALITY_GROUP[name]], options.num_workers)
        for name in wanted
        if MODALITY_GROUP[name] in cube
    }
    plan = plan_epochs(dates, max_epochs=options.max_epochs, epoch_days=options.epoch_days)
    fed: tuple[CubeModality, ...] = tuple(name for name in wanted if plan.dates(MODALITY_GROUP[name]))
    whole = "land-cover" in tasks or trained.novelty is not None or bool(trained.own)
    fusions = plan_fusions(len(plan), land_cover=whole, change="change" in tasks)
    frame = next(iter(cube.values()))
    return Job(
        cube=cube,
        plan=plan,
        seen=observations(plan, {MODALITY_GROUP[name]: dates[MODALITY_GROUP[name]].times for name in fed}),
        modalities=fed,
        question=Question(
            fusions=fusions,
            membership=membership(plan, fusions, tuple(MODALITY_GROUP[name] for name in fed)),
            num_classes=len(LAND_COVER_CODES) if "land-cover" in tasks else 0,
            num_change_classes=len(CHANGE_CODES) if "change" in tasks else 0,
            land_cover_temperature=trained.land_cover_temperature,
            change_temperature=trained.change_temperature,
            novelty=trained.novelty,
            familiar=_familiar(cube, plan, trained.novelty, fed),
            own=trained.own,
        ),
        lattice=Lattice(height=frame.sizes["y"], width=frame.sizes["x"], window=options.window, stride=options.stride),
        options=options,
    )


def prediction_key(ref: CubeRef, trained: TrainedModel, options: InferenceOptions, tasks: tuple[Task, ...]) -> str:
    """Returns the SHA-256 over all that the stored arrays depend on, and the threshold that is stored with them."""
    parts = {
        "cube": ref.snapshot,
        "model": trained.sha256,
        "trained_modalities": list(trained.trained_modalities),
        "change_threshold": trained.change_threshold,
        "temperatures": [trained.land_cover_temperature, trained.change_temperature],
        "novelty": trained.novelty_sha256,
        "own": [[head.name, head.sha256] for head in trained.own],
        "options": options.meaning,
        "tasks": list(tasks),
        "normalisation": NORMALISATION_ID,
        "code": CODE_VERSION,
        "schema": SCHEMA_VERSION,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _familiar(
    cube: Mapping[str, xr.Dataset], plan: Epochs, novelty: Novelty | None, fed: tuple[CubeModality, ...]
) -> dict[str, npt.NDArray[np.bool_]]:
    """Returns, per modality, whether the platform and pixel size of each used date are known."""
    known: dict[str, npt.NDArray[np.bool_]] = {}
    if novelty is None:
        return known
    for name in fed:
        dataset, dates = cube[MODALITY_GROUP[name]], list(plan.dates(MODALITY_GROUP[name]))
        platforms = dataset["platform"].to_numpy()[dates] if "platform" in dataset.coords else [""] * len(dates)
        spacing = abs(float(dataset["x"][1] - dataset["x"][0])) if dataset.sizes["x"] > 1 else novelty.seen.gsd_m
        known[name] = novelty.familiar_images(tuple(str(entry) for entry in platforms), spacing)
    return known


def _dates(dataset: xr.Dataset, num_workers: int) -> Dates:
    counts = dataset["valid"].data.sum(axis=(1, 2), dtype=np.int64)
    return Dates(times=dataset["time"].to_numpy(), valid_counts=np.asarray(run(counts, num_workers), dtype=np.int64))


def _attrs(ref: CubeRef, trained: TrainedModel, job: Job, *, tasks: tuple[Task, ...], key: str) -> dict[str, object]:
    """Returns the prediction's attributes: provenance, what was used, and the cube's GeoZarr description."""
    frame = next(iter(job.cube.values()))
    spatial = {
        str(name): value
        for name, value in frame.attrs.items()
        if str(name).startswith(("spatial:", "proj:", "zarr_conventions"))
    }
    left_out = [name for name in job.options.modalities if name not in job.modalities]
    return {
        **spatial,
        "title": "Class probabilities",
        "Conventions": "CF-1.11",
        "schema_version": SCHEMA_VERSION,
        "cube_uri": ref.uri,
        "cube_snapshot": ref.snapshot,
        "model_sha256": trained.sha256,
        "model_provenance": trained.provenance,
        "change_threshold": trained.change_threshold,
        "land_cover_temperature": trained.land_cover_temperature,
        "change_temperature": trained.change_temperature,
        "novelty_sha256": trained.novelty_sha256,
        OWN_ATTR: json.dumps({head.name: head.to_dict() for head in trained.own}, sort_keys=True),
        "normalisation": NORMALISATION_ID,
        "prediction_key": key,
        "code_version": CODE_VERSION,
        "tasks": list(tasks),
        "modalities": list(job.modalities),
        "modalities_left_out": left_out,
        "options": json.dumps(job.options.meaning, sort_keys=True),
        "epochs": json.dumps(_epochs(job.plan), sort_keys=True),
        "unused_dates_s2": list(job.plan.unused_s2),
        "unused_dates_s1": list(job.plan.unused_s1),
    }


def _epochs(plan: Epochs) -> list[dict[str, object]]:
    return [{"start": str(epoch.start), "end": str(epoch.end), "s2": epoch.s2, "s1": epoch.s1} for epoch in plan.epochs]


def _teller(on_progress: Callable[[Progress], None] | None) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None
    return lambda done, total: on_progress(
        Progress(stage="inference", done=done, total=total, label=f"window {done} of {total}")
    )
