"""Stage four: the model's answers as published products."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from flows.origins import read_origins
from flows.paths import OutputPaths
from flows.progress import OnProgress, ignore_progress
from flows.run_report import ProductRow
from pipelines.cube import open_cube
from pipelines.inference import open_prediction
from pipelines.product import change, land_cover, own_classes
from pipelines.publish import ItemContext, SourceScene, publish_product

if TYPE_CHECKING:
    import xarray as xr

    from catalogs import SceneSet
    from flows.config import RegionConfig
    from pipelines.cube import CubeRef
    from pipelines.inference import PredictionRef

COMPARED_EPOCHS = 2
"""Change is asked between two epochs: a cube of one has nothing to compare."""


def make_products(
    config: RegionConfig,
    cube: CubeRef,
    answers: PredictionRef,
    scene_set: SceneSet,
    *,
    groups: tuple[str, ...],
    run_id: str = "",
    on_progress: OnProgress = ignore_progress,
) -> tuple[ProductRow, ...]:
    """Returns how every product of the region ended; one that is there already, equal, is not written again.

    Args:
        config: The region.
        cube: The cube that the answers are about.
        answers: From the inference.
        scene_set: What the search found: its attribution goes into the items.
        groups: Groups of the cube that hold a date.
        run_id: Written into the items.
        on_progress: Told how many products are done.

    Raises:
        ProductError: The answers cannot be made into a product.
        PublishError: A product cannot be written.
    """
    prediction = open_prediction(answers)
    context = replace(_context(config, cube, prediction, groups), attribution=scene_set.attribution, run_id=run_id)
    rows = []
    for done, name in enumerate(config.products, start=1):
        rows.append(_make(config, name, prediction, context))
        on_progress("make_products", done, len(config.products))
    return tuple(rows)


def num_epochs(prediction: xr.Dataset) -> int:
    """Returns how many epochs the model was shown."""
    epochs: list[object] = json.loads(prediction.attrs["epochs"])
    return len(epochs)


def _make(config: RegionConfig, name: str, prediction: xr.Dataset, context: ItemContext) -> ProductRow:
    if name == "change" and num_epochs(prediction) < COMPARED_EPOCHS:
        reason = f"change needs {COMPARED_EPOCHS} epochs to compare, the cube holds {num_epochs(prediction)}"
        return ProductRow(name=name, state="not_made", reason=reason)
    dataset = _dataset(config, name, prediction)
    made = publish_product(dataset, name=name, folder=config.output, context=context)
    return ProductRow(
        name=name,
        path=str(made.item_path),
        zarr=str(made.zarr_path),
        snapshot=made.snapshot,
        state="written" if made.rewritten else "up_to_date",
    )


def _dataset(config: RegionConfig, name: str, prediction: xr.Dataset) -> xr.Dataset:
    if name == "land-cover":
        return land_cover(prediction, min_confidence=config.land_cover.min_confidence, max_novelty=config.max_novelty)
    for entry in config.own_products:
        if entry.name == name:
            confidence = entry.min_confidence
            return own_classes(prediction, name, min_confidence=confidence, max_novelty=config.max_novelty)
    settings = config.change
    threshold = settings.threshold if settings.threshold is not None else prediction.attrs["change_threshold"]
    return change(
        prediction, threshold=float(threshold), min_area_px=settings.min_area_px, max_novelty=config.max_novelty
    )


def _context(config: RegionConfig, cube: CubeRef, prediction: xr.Dataset, groups: tuple[str, ...]) -> ItemContext:
    return ItemContext(
        region=config.name,
        start=config.time.start,
        end=config.time.end,
        scenes=_sources(config, cube, groups),
        cube_uri=cube.uri,
        cube_snapshot=cube.snapshot,
        model_name=f"RingMoE {config.inference.weights}" if "/" not in config.inference.weights else "RingMoE",
        model_sha256=str(prediction.attrs["model_sha256"]),
        software_version=version("ringmoe-datacube"),
        created=datetime.now(UTC),
    )


def _sources(config: RegionConfig, cube: CubeRef, groups: tuple[str, ...]) -> tuple[SourceScene, ...]:
    """The scenes in the cube's snapshot, sorted by id, with the addresses of their items."""
    origins = read_origins(OutputPaths(root=config.output).origins)
    ids: set[str] = set()
    for group in groups:
        dates = open_cube(cube.uri, group, snapshot=cube.snapshot)["scene_ids"].to_numpy()
        ids |= {scene for date in dates for scene in str(date).split()}
    unknown = sorted(ids - set(origins))
    if unknown:
        raise ValueError(
            f"every scene of the cube has a known item, {unknown[:3]} of {len(unknown)} have none in "
            f"{OutputPaths(root=config.output).origins}; restore the file, or build the cube anew in another output"
        )
    return tuple(SourceScene(id=scene, href=origins[scene]) for scene in sorted(ids))
