"""Stage three: the model mapped over the cube, window by window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.paths import OutputPaths
from flows.progress import OnProgress, ignore_progress
from flows.weights import weights_path
from pipelines.inference import InferenceOptions, predict

if TYPE_CHECKING:
    from flows.config import RegionConfig
    from pipelines.cube import CubeRef, Progress
    from pipelines.inference import PredictionRef


def infer(config: RegionConfig, cube: CubeRef, *, on_progress: OnProgress = ignore_progress) -> PredictionRef:
    """Returns where the model's answers lie; an answer to the same cube, weights and options is not made twice.

    Args:
        config: The region; its products are the tasks.
        cube: The cube at the snapshot that is to be mapped.
        on_progress: Told how far the inference is.

    Raises:
        ConfigError: The weights are not there.
    """

    def tell(progress: Progress) -> None:
        on_progress("infer", progress.done, progress.total)

    return predict(
        cube,
        weights_path(config.inference.weights),
        str(OutputPaths(root=config.output).predictions),
        options=inference_options(config),
        tasks=config.tasks,
        own={entry.name: entry.head for entry in config.own_products},
        on_progress=tell,
    )


def inference_options(config: RegionConfig) -> InferenceOptions:
    """Returns the inference's options of a region."""
    chosen = config.inference
    return InferenceOptions(
        window=chosen.window,
        stride=chosen.stride,
        chunk=chosen.chunk,
        group=chosen.group,
        num_workers=config.workers,
    )
