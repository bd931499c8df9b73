"""Areas of a user's classes, where the labels are a random sample: the map counted, its errors weighed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from flows.infer import inference_options
from flows.paths import OutputPaths
from flows.progress import OnProgress, ignore_progress
from flows.weights import weights_path
from pipelines.inference import open_prediction, predict
from pipelines.product import own_classes
from pipelines.training.own_labels.area_estimate import AreaEstimate, area_estimates
from pipelines.training.own_labels.errors import LabelError

if TYPE_CHECKING:
    from pathlib import Path

    from flows.config import RegionConfig
    from pipelines.cube import CubeRef, Progress
    from pipelines.training.own_labels.accuracy import Accuracy
    from pipelines.training.own_labels.label_file import Labels

NAME = "fit"
"""Of the product that is counted; it is stored among the predictions and never published."""


def check_random_sample(labels: Labels) -> None:
    """Holds labels to the form of a random sample.

    Raises:
        LabelError: They are no points.
    """
    kinds = sorted({shape.geom_type for shape in labels.geometry})
    if kinds != ["Point"]:
        raise LabelError(f"a random sample is points, drawn one by one, got {kinds}; leave out --random-sample")


def region_areas(
    config: RegionConfig,
    ref: CubeRef,
    head: Path,
    class_names: tuple[str, ...],
    score: Accuracy,
    *,
    on_progress: OnProgress = ignore_progress,
) -> tuple[AreaEstimate, ...]:
    """Returns the area of each class over all pixels that the map has an answer for.

    The errors are those of held-out answers, so that the head's own training labels do not flatter them.

    Raises:
        LabelError: A mapped class has fewer than two held-out samples.
    """

    def tell(progress: Progress) -> None:
        on_progress("map", progress.done, progress.total)

    answers = predict(
        ref,
        weights_path(config.inference.weights),
        str(OutputPaths(root=config.output).predictions),
        options=inference_options(config),
        tasks=(),
        own={NAME: head},
        on_progress=tell,
    )
    mapped = own_classes(open_prediction(answers), NAME)["class"].to_numpy()
    pixels = np.bincount(mapped.ravel(), minlength=len(class_names) + 1)[1:].astype(np.int64)
    return area_estimates(score.confusion.T, pixels, class_names, pixel_m=config.resolution)
