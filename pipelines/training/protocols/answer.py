"""What a head says of a sample, window by window, put together.

Legend: K classes, H, W pixels, n objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from pipelines.training.metrics.prediction import (
    BoxesPrediction,
    ClassScores,
    HeightPrediction,
    LabelScores,
    MaskPrediction,
    RotatedPrediction,
)
from pipelines.training.protocols.inputs import SampleImages, series_of
from pipelines.training.protocols.lesson import HEAD
from pipelines.training.protocols.windows import Window, windows
from ringmoe_core.heads.detection_decode import DecodeOptions, decode_detections
from ringmoe_core.heads.nms import suppress
from ringmoe_core.heads.rotated_boxes import rotated_corners
from ringmoe_core.heads.temperature import apply_temperature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from pipelines.training.benchmarks.info import Task
    from pipelines.training.metrics.prediction import Prediction
    from pipelines.training.protocols.settings import Settings
    from ringmoe_core.heads.detections import Detections
    from ringmoe_core.task_model import TaskModel

MOST_OVERLAP: Final = 0.5
"""Of two boxes of a class where windows meet; the worse is dropped above it."""

NUM_KEPT: Final = 300
"""Objects of an image, at most, those of the highest scores."""

DECODING: Final = DecodeOptions(num_candidates=300, num_kept=100)
"""Of a window; fewer candidates than the heads' own default, whose pairwise overlaps of turned boxes take seconds."""


@torch.no_grad()
def answer(task: TaskModel, images: SampleImages, kind: Task, settings: Settings, temperature: float) -> Prediction:
    """What the head `HEAD` says of a sample; of a frame of a video its boxes.

    Args:
        task: Model with the head.
        images: The sample's.
        kind: The benchmark's task.
        settings: Windows.
        temperature: That the head's logits are divided by.
    """
    outputs = _outputs(task, images, settings)  # one window at a time: a whole image's outputs would be large
    if kind in {"classification", "multi_label"}:
        return _classes(outputs, temperature, several=kind == "multi_label")
    if kind in {"segmentation", "change"}:
        return MaskPrediction(mask=_stitched(outputs, images.size, np.int64, lambda logits: logits[0].argmax(0)))
    if kind == "height":
        return HeightPrediction(
            height_m=_stitched(outputs, images.size, np.float32, lambda height: height.mean_m_NHW[0])
        )
    return _objects(outputs, images.size, temperature)


def _outputs(task: TaskModel, images: SampleImages, settings: Settings) -> Iterator[tuple[Window, Any]]:
    for window in windows(images.size, settings.window, settings.overlap):
        series, membership = series_of([(images, window)], task.model.config.modalities)
        yield window, task.run(HEAD, series, membership)


def _classes(outputs: Iterator[tuple[Window, Any]], temperature: float, *, several: bool) -> Prediction:
    logits_K = torch.stack([logits[0] for _, logits in outputs]).mean(0)
    calibrated_K = apply_temperature(logits_K.float(), temperature)
    if several:
        return LabelScores(scores=calibrated_K.sigmoid().numpy())
    return ClassScores(scores=calibrated_K.softmax(0).numpy())


def _stitched(
    outputs: Iterator[tuple[Window, Any]], size: tuple[int, int], kind: type[np.generic], take: Callable[[Any], Tensor]
) -> np.ndarray[Any, np.dtype[Any]]:
    """(y, x), each pixel from the window that it belongs to."""
    whole = np.zeros(size, dtype=kind)
    for window, output in outputs:
        whole[window.kept] = take(output).numpy()[window.kept_inside]
    return whole


def _objects(outputs: Iterator[tuple[Window, Any]], size: tuple[int, int], temperature: float) -> Prediction:
    """Objects of all windows in the image's pixels: a window gives those whose centre belongs to it."""
    boxes, scores, labels = [], [], []
    rotated = False
    for window, output in outputs:
        found = decode_detections(output, DECODING, temperature=temperature)[0]
        rotated = found.rotated
        moved = _moved(found, window)
        centre = moved[:, :2] if rotated else (moved[:, :2] + moved[:, 2:]) / 2
        inside = centre.clamp(min=0).minimum(torch.tensor([size[1], size[0]]) - 0.5)  # cut objects stick out
        mine = torch.tensor([window.owns(x, y) for x, y in inside.tolist()], dtype=torch.bool)
        boxes.append(moved[mine])
        scores.append(found.scores[mine])
        labels.append(found.labels[mine])
    every, score, label = torch.cat(boxes), torch.cat(scores), torch.cat(labels)
    kept = suppress(every, score, label, most_overlap=MOST_OVERLAP)[:NUM_KEPT]
    kept_scores, kept_labels = score[kept].numpy().astype(np.float32), label[kept].numpy().astype(np.int64)
    if rotated:
        corners = rotated_corners(every[kept]).numpy().astype(np.float32).reshape(-1, 4, 2)
        return RotatedPrediction(corners=corners, scores=kept_scores, labels=kept_labels)
    upright = every[kept].numpy().astype(np.float32).reshape(-1, 4)
    return BoxesPrediction(boxes=upright, scores=kept_scores, labels=kept_labels)


def _moved(found: Detections, window: Window) -> Tensor:
    rows, columns = window.read
    shift = [float(columns.start), float(rows.start)]
    offset = [*shift, 0.0, 0.0, 0.0] if found.rotated else [*shift, *shift]
    return found.boxes.float() + torch.tensor(offset)
