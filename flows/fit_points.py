"""Teaches a head a user's classes from a table of points with their series: no region, no cube, no backbone."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from flows.errors import ConfigError
from flows.fit_head import HeadNote
from flows.fit_options import METRES_A_KM
from flows.fit_report import FitReport
from flows.progress import OnProgress, ignore_progress
from pipelines.inference.channels import MODALITY_BANDS, NORMALISATION_ID
from pipelines.training.own_labels.chosen import FEWEST_SAMPLES, frequent
from pipelines.training.own_labels.crossing import Samples
from pipelines.training.own_labels.design import FOREST, HEAD, Design, evaluate, simple_learners
from pipelines.training.own_labels.errors import LabelError
from pipelines.training.own_labels.folds import Folds, grouped_folds, spatial_folds
from pipelines.training.own_labels.point_table import PointTable, read_points
from pipelines.training.own_labels.series_learner import (
    DEPTH,
    DIM,
    STEPS,
    SeriesLayout,
    fit_series_head,
    layout_of,
    series_learner,
    statistics_learner,
)
from pipelines.training.own_labels.views import single_views
from ringmoe_core import nano
from ringmoe_core.heads import HeadConfig, HeadMetadata, save_heads
from ringmoe_core.heads.head_inputs import HeadInputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from pipelines.training.own_labels.learner import Learner
    from ringmoe_core.heads.head_config import OptionValue

BLOCK_DEGREES: Final = 0.1
MOST_SURVEYS: Final = 20
"""Surveys that are left out one at a time; of more, several together, so that a fit ends."""

SURVEYS: Final = "One survey left out at a time"
SURVEYS_TOGETHER: Final = "Whole surveys left out"
METRES_A_DEGREE: Final = 111_195.0
"""Of latitude on a sphere of 6371 km, for blocks and buffers alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointOptions:
    """What a fit on points does."""

    table: Path
    column: str | None = None
    """Column of the class; None takes WorldCereal's `sampling_label`."""

    columns: Path | None = None
    """YAML that says what the table's columns are; None recognises WorldCereal's extractions."""

    out: Path | None = None
    """File of the head; None puts it beside the working directory's other files as `<table>-<column>.safetensors`."""

    folds: int = 5
    block_km: float | None = None
    """None is 0.1 degrees."""

    buffer_m: float = 0.0
    min_samples: int = FEWEST_SAMPLES
    steps: int = STEPS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.buffer_m < 0 or self.seed < 0 or self.steps < 1:
            raise ConfigError(
                f"buffer and seed are not negative and steps positive, got {self.buffer_m}, {self.seed}, {self.steps}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Points:
    """The points that are learnt."""

    rows: npt.NDArray[np.float32]
    layout: SeriesLayout
    label: npt.NDArray[np.int64]
    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    survey: npt.NDArray[np.str_] | None
    class_names: tuple[str, ...]
    inputs: HeadInputs
    """Bands with a value at any of them."""

    @property
    def samples(self) -> Samples:
        """With places in metres as a buffer needs them: none are told farther apart than they are.

        Longitudes are as long as at the latitude farthest from the equator, so that a wide table keeps more apart, not
        less.
        """
        across = METRES_A_DEGREE * np.cos(np.radians(np.abs(self.lat).max()))
        return Samples(
            views=single_views(self.rows),
            label=self.label,
            x=self.lon * across,
            y=self.lat * METRES_A_DEGREE,
            num_classes=len(self.class_names),
        )


def fit_points(options: PointOptions, *, on_progress: OnProgress = ignore_progress) -> tuple[FitReport, Path]:
    """Returns the report of a fit on a table of points, and the path of the head that it wrote.

    Accuracy is told for folds by blocks, and, where the table says who collected each sample and there are several,
    for folds that leave out one survey at a time.

    Args:
        options: Table, columns and how they are learnt.
        on_progress: Told how far each stage is.

    Raises:
        LabelError: The table breaks a rule.
    """
    table, column = read_points(options.table, options.column, options.columns)
    points, left_out = _chosen(table, options)
    learners = {
        HEAD: series_learner(points.layout, seed=options.seed, steps=options.steps),
        **{name: statistics_learner(points.layout, one) for name, one in simple_learners(options.seed).items()},
    }
    designs, notes = _designs(points, options, learners, on_progress)
    out = options.out or Path(f"{options.table.stem}-{column}.safetensors")
    note = _save(points, designs[0], options, column, out)
    report = FitReport(
        title=f"Own classes: {column}",
        source=str(options.table),
        column=column,
        class_names=points.class_names,
        counts=tuple(np.bincount(points.label, minlength=len(points.class_names)).tolist()),
        sample="points",
        skipped=table.skipped,
        left_out=left_out,
        designs=designs,
        places=(points.lon, points.lat),
        head=note.to_dict(),
        notes=tuple(notes),
        facts={"seed": str(options.seed), "software": f"ringmoe-datacube {version('ringmoe-datacube')}"},
    )
    return report, out


def _chosen(table: PointTable, options: PointOptions) -> tuple[_Points, dict[str, int]]:
    names, label = np.unique(table.name, return_inverse=True)
    kept, held, left_out = frequent(label, [str(name) for name in names], fewest=options.min_samples)
    layout = layout_of(table)
    points = _Points(
        rows=layout.rows(table)[kept],
        layout=layout,
        label=np.unique(table.name[kept], return_inverse=True)[1].astype(np.int64),
        lon=table.lon[kept],
        lat=table.lat[kept],
        survey=None if table.survey is None else table.survey[kept],
        class_names=held,
        inputs=HeadInputs(bands=_bands(table, kept)),
    )
    return points, left_out


def _bands(table: PointTable, kept: npt.NDArray[np.bool_]) -> dict[str, tuple[str, ...]]:
    """The bands of each series that have a value at a point that is kept."""
    found = {}
    for modality, bands in MODALITY_BANDS.items():
        if modality in table.series:
            seen = np.asarray(np.isfinite(table.series[modality][kept]).any((0, 1)))
            found[str(modality)] = tuple(band for band, has in zip(bands, seen, strict=True) if has)
    return {modality: bands for modality, bands in found.items() if bands}


def _designs(
    points: _Points, options: PointOptions, learners: Mapping[str, Learner], on_progress: OnProgress
) -> tuple[tuple[Design, ...], list[str]]:
    """Returns the designs, the spatial one first, and what a reader must know of those that could not be had."""
    notes = [] if FOREST in learners else ["no random forest was grown: scikit-learn is not installed"]
    designs: list[Design] = []
    for name, folds in _divisions(points, options).items():

        def tell(method: str, done: int, total: int, name: str = name) -> None:
            on_progress(f"{name.lower()}, {method}", done, total)

        try:
            design = evaluate(
                points.samples,
                folds,
                learners,
                points.class_names,
                name=name,
                buffer=options.buffer_m,
                seed=options.seed,
                on_fold=tell,
            )
        except LabelError as error:
            if not designs:
                raise
            notes.append(f"surveys could not be left out: {str(error).split(';', maxsplit=1)[0]}")
        else:
            designs.append(design)
    return tuple(designs), notes


def _divisions(points: _Points, options: PointOptions) -> dict[str, Folds]:
    side = BLOCK_DEGREES if options.block_km is None else options.block_km * METRES_A_KM / METRES_A_DEGREE
    _, unit = np.unique(np.stack([points.lon, points.lat], axis=1), axis=0, return_inverse=True)
    divisions = {
        "Spatial folds": spatial_folds(
            points.lon,
            points.lat,
            points.label,
            unit.reshape(-1),
            side=side,
            num_folds=options.folds,
            seed=options.seed,
            metres=False,
        )
    }
    if points.survey is not None:
        names, group = np.unique(points.survey, return_inverse=True)
        if names.size > 1:
            title = SURVEYS if names.size <= MOST_SURVEYS else SURVEYS_TOGETHER
            divisions[title] = grouped_folds(
                group, points.label, num_folds=min(names.size, MOST_SURVEYS), seed=options.seed, kind="surveys"
            )
    return divisions


def _save(points: _Points, design: Design, options: PointOptions, column: str, out: Path) -> HeadNote:
    samples = points.samples
    num = len(points.class_names)
    head = fit_series_head(
        points.layout, points.rows, points.label, samples.views.weight, num, seed=options.seed, steps=options.steps
    )
    score = design.scores[HEAD].overall
    settings: dict[str, OptionValue] = {"channels": dict(points.layout.bands), "dim": DIM, "depth": DEPTH}
    metadata = HeadMetadata(
        configs={
            column: HeadConfig(kind="pixel_series", task=column, class_names=points.class_names, options=settings)
        },
        model_config=nano(),
        backbone_sha256="",
        normalisation=NORMALISATION_ID,
        provenance=(
            f"ringmoe fit --table, column {column} of {options.table.name}, {len(points.label)} points, seed "
            f"{options.seed}; overall accuracy {score.value:.3f} ({score.low:.3f} to {score.high:.3f}) over "
            f"{design.folds.num_folds} folds of {design.folds.kind}"
        ),
        temperatures={column: design.temperature},
        inputs={column: points.inputs},
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    digest = save_heads({column: head}, out, metadata=metadata)
    steps = points.layout.num_steps
    bands = ", ".join(f"{number} bands of {name}" for name, number in points.layout.bands.items())
    return HeadNote(
        path=str(out),
        task=column,
        sha256=digest,
        kind=f"series of a point, {DEPTH} block of width {DIM}",
        reads=f"{steps} steps of {bands}",
        temperature=design.temperature,
    )
