"""Teaches a head a user's own classes over a region's cube, and says what it is worth."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from flows.area import target_grid
from flows.config import PRODUCTS
from flows.fit_area import check_random_sample, region_areas
from flows.fit_cube import region_cube
from flows.fit_head import HeadNote, save_own_head
from flows.fit_options import METRES_A_KM
from flows.fit_report import NO_AREAS, FitReport
from flows.fit_samples import lay
from flows.infer import inference_options
from flows.progress import OnProgress, ignore_progress
from flows.weights import weights_path
from pipelines.inference.own_features import features_at
from pipelines.inference.prediction import open_groups, plan_job, trained_model
from pipelines.training.own_labels.design import FOREST, HEAD, HEAD_MAPS, HEAD_STATISTICS, evaluate, simple_learners
from pipelines.training.own_labels.errors import LabelError
from pipelines.training.own_labels.folds import spatial_folds
from pipelines.training.own_labels.label_file import read_labels
from pipelines.training.own_labels.label_pixels import label_pixels
from pipelines.training.own_labels.learner import on_columns
from pipelines.training.own_labels.pixel_learner import fit_pixel_head, pixel_learner
from ringmoe_core import load_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from flows.config import RegionConfig
    from flows.fit_cube import FittedCube
    from flows.fit_options import Features, FitOptions
    from flows.fit_samples import Laid
    from pipelines.inference.own_features import PixelFeatures
    from pipelines.training.own_labels.area_estimate import AreaEstimate
    from pipelines.training.own_labels.design import Design
    from pipelines.training.own_labels.label_pixels import LabelPixels
    from ringmoe_core import LoadedModel
    from ringmoe_core.heads.head_inputs import HeadInputs

LONGEST_NAME: Final = 36
"""Letters of a column that a product's name keeps; with `own-` they are the forty that a region takes."""

CLEARLY: Final = 0.02
"""Overall accuracy by which a part of the features must lead to be spoken of: less is the play of folds."""


def fit_region(
    config: RegionConfig, options: FitOptions, *, on_progress: OnProgress = ignore_progress
) -> tuple[FitReport, Path]:
    """Returns the report of a fit, and the path of the head that it wrote.

    Args:
        config: The region; its weights are the backbone, which stays as it is.
        options: Labels and how they are learnt.
        on_progress: Told how far each stage is.

    Raises:
        LabelError: The labels break a rule.
        ConfigError: The weights are not there.
        CubeError: The cube cannot be built or opened.
    """
    grid = target_grid(config.area, config.resolution)
    weights = weights_path(config.inference.weights)
    labels = read_labels(options.labels, options.column, epsg=grid.epsg, layer=options.layer)
    if options.random_sample:
        check_random_sample(labels)
    pixels = label_pixels(labels, grid, pixels_per_label=options.pixels_per_label, seed=options.seed)
    cube = region_cube(config, on_progress=on_progress)
    loaded = load_checkpoint(weights)
    features = region_features(config, cube, loaded, weights, pixels, on_progress=on_progress)
    laid = lay(pixels, features, grid, options, before=labels.skipped)
    design = _design(laid, options, on_progress)
    out = options.out or config.output / "heads" / f"{_plain(options.column)}.safetensors"
    note = _learnt(laid, design, options, loaded, out, inputs=features.inputs)
    areas: tuple[AreaEstimate, ...] = ()
    notes: list[str] = []
    if options.random_sample and laid.left_out:
        notes.append(f"{NO_AREAS}: the sample without {', '.join(laid.left_out)} is no random one")
    elif options.random_sample:
        score = design.scores[HEAD]
        try:
            areas = region_areas(config, cube.ref, out, laid.class_names, score, on_progress=on_progress)
        except LabelError as error:
            notes.append(f"{NO_AREAS}: {error}")
    facts = {
        "region": config.name,
        "cube": f"{cube.ref.uri} @ {cube.ref.snapshot}" + ("" if cube.found else ", built by this fit"),
        "weights": f"{config.inference.weights}, SHA-256 {loaded.sha256}",
        "seed": str(options.seed),
        "software": f"ringmoe-datacube {version('ringmoe-datacube')}",
    }
    report = _report(options, laid, design, note, facts)
    return replace(report, areas=areas, notes=(*report.notes, *notes)), out


def region_features(
    config: RegionConfig,
    cube: FittedCube,
    loaded: LoadedModel,
    weights: Path,
    pixels: LabelPixels,
    *,
    on_progress: OnProgress = ignore_progress,
) -> PixelFeatures:
    """Returns the features of labelled pixels, as a map of the region would read them."""
    trained = trained_model(loaded, weights)
    job = plan_job(open_groups(cube.ref), trained, inference_options(config), ("land-cover",))
    return features_at(
        job,
        trained.model,
        pixels.row,
        pixels.col,
        on_windows=lambda done, total: on_progress("features", done, total),
    )


def columns_of(features: Features, num_maps: int) -> tuple[slice, int]:
    """Returns which columns of the features a head reads, and how many of those are maps."""
    if features == "maps":
        return slice(0, num_maps), num_maps
    if features == "statistics":
        return slice(num_maps, None), 0
    return slice(None), num_maps


def _design(laid: Laid, options: FitOptions, on_progress: OnProgress) -> Design:
    samples = laid.samples
    side = None if options.block_km is None else options.block_km * METRES_A_KM
    folds = spatial_folds(
        samples.x, samples.y, samples.label, laid.unit, side=side, num_folds=options.folds, seed=options.seed
    )
    heads = {HEAD: options.features}
    if options.features == "both":
        heads |= {HEAD_MAPS: "maps", HEAD_STATISTICS: "statistics"}
    learners = {
        name: pixel_learner(*columns_of(features, laid.num_maps), hidden=options.hidden, seed=options.seed)
        for name, features in heads.items()
    }
    statistics = slice(laid.num_maps, None)
    simple = {name: on_columns(learner, statistics) for name, learner in simple_learners(options.seed).items()}
    return evaluate(
        samples,
        folds,
        {**learners, **simple},
        laid.class_names,
        name="Spatial folds",
        buffer=options.buffer_m,
        seed=options.seed,
        on_fold=lambda method, done, total: on_progress(f"folds of {method}", done, total),
    )


def _learnt(
    laid: Laid, design: Design, options: FitOptions, loaded: LoadedModel, out: Path, *, inputs: HeadInputs
) -> HeadNote:
    """Teaches the head all samples and writes it."""
    columns, num_maps = columns_of(options.features, laid.num_maps)
    views = laid.samples.views
    head = fit_pixel_head(
        views.features[:, columns],
        laid.samples.label[views.sample],
        views.weight,
        len(laid.class_names),
        num_maps=num_maps,
        hidden=options.hidden,
        seed=options.seed,
    )
    score = design.scores[HEAD].overall
    provenance = (
        f"ringmoe fit, column {options.column} of {options.labels.name}, {views.num_samples} pixels, seed "
        f"{options.seed}; overall accuracy {score.value:.3f} ({score.low:.3f} to {score.high:.3f}) over "
        f"{design.folds.num_folds} folds of {design.folds.kind}"
    )
    return save_own_head(
        head,
        out,
        task=_plain(options.column),
        class_names=laid.class_names,
        temperature=design.temperature,
        backbone=loaded,
        provenance=provenance,
        inputs=inputs,
    )


def _report(options: FitOptions, laid: Laid, design: Design, note: HeadNote, facts: dict[str, str]) -> FitReport:
    notes = []
    if FOREST not in design.scores:
        notes.append("no random forest was grown: scikit-learn is not installed (extra `demo`)")
    notes += _part_note(design)
    counts = [int((laid.samples.label == index).sum()) for index in range(len(laid.class_names))]
    return FitReport(
        title=f"Own classes: {options.column}",
        source=str(options.labels),
        column=options.column,
        class_names=laid.class_names,
        counts=tuple(counts),
        sample="pixels",
        skipped=laid.skipped,
        left_out=laid.left_out,
        designs=(design,),
        places=(laid.samples.x, laid.samples.y),
        head=note.to_dict(),
        notes=tuple(notes),
        facts=facts,
    )


def _part_note(design: Design) -> list[str]:
    """Tells where one part of the features does clearly better than both."""
    whole = design.scores[HEAD].overall.value
    return [
        f"the head answers {score.overall.value:.3f} right on {part} alone and {whole:.3f} on both: "
        f"--features {part} may serve better here"
        for name, part in ((HEAD_MAPS, "maps"), (HEAD_STATISTICS, "statistics"))
        if (score := design.scores.get(name)) is not None and score.overall.value > whole + CLEARLY
    ]


def _plain(column: str) -> str:
    """A column's name as that of a file and a product, none of the program's own."""
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in column.lower()).strip("-")
    letters = letters[:LONGEST_NAME].rstrip("-")
    return letters if letters[:1].isalpha() and letters not in PRODUCTS else f"own-{letters}".strip("-")
