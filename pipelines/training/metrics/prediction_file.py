"""Predictions made elsewhere, in one JSON document, so that any detector or classifier can be scored.

{"benchmark": NAME, "split": SPLIT, "predictions": {SAMPLE ID: ANSWER, ...}} with an answer for every sample that can be
read. An answer holds, by task:

- classification, multi_label: "scores", a number a class.
- segmentation, change: "mask", rows of class indices, or the path of a one-band PNG or TIFF beside the document.
- height: "height_m", rows of metres, or the path of a one-band TIFF.
- detection: "boxes" (left, top, right, bottom), "scores", "labels"; tracking has "ids" for "scores".
- rotated_detection: "corners" (four of x, y), "scores", "labels".

Positions are pixel edges of the sample's image; labels are indices of the benchmark's classes, or their names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.errors import BenchmarkError
from pipelines.training.benchmarks.folder import check_inside, read_text
from pipelines.training.benchmarks.raster import check_shape, read_raster
from pipelines.training.metrics.prediction import (
    BoxesPrediction,
    ClassScores,
    HeightPrediction,
    LabelScores,
    MaskPrediction,
    RotatedPrediction,
    TracksPrediction,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pipelines.training.benchmarks.info import BenchmarkInfo
    from pipelines.training.metrics.prediction import Prediction


MAX_HEIGHT_M: Final = 1e5
"""No height above ground is near it; the sums of squares stay within 64 bits."""


class _TwiceError(ValueError):
    """An object of the document has a key twice: its reader would keep the last and say nothing."""


class PredictionFileError(BenchmarkError):
    """A file of predictions is not as it must be; the message says rule, value and fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionFile:
    """The document of one split."""

    path: Path
    info: BenchmarkInfo
    answers: dict[str, Any]

    def prediction(self, sample_id: str) -> Prediction:
        """The answer for a sample.

        Raises:
            PredictionFileError: There is none, or it is not of the task's form.
        """
        if sample_id not in self.answers:
            raise PredictionFileError(f"{self.path}: every sample must have an answer, {sample_id!r} has none; add it")
        try:
            return self._read(self.answers[sample_id])
        except PredictionFileError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise PredictionFileError(
                f"{self.path}: the answer for {sample_id!r} must be of the form of {self.info.task} "
                f"({type(error).__name__}: {error}); correct it"
            ) from error

    def _read(self, answer: dict[str, Any]) -> Prediction:
        match self.info.task:
            case "classification":
                return ClassScores(scores=_numbers(answer["scores"], (len(self.info.classes),)))
            case "multi_label":
                return LabelScores(scores=_numbers(answer["scores"], (len(self.info.classes),)))
            case "segmentation" | "change":
                return MaskPrediction(mask=_whole(self._plane(answer["mask"]), "mask"))
            case "height":
                return HeightPrediction(height_m=_heights(self._plane(answer["height_m"])))
            case _:
                return self._objects(answer)

    def _objects(self, answer: dict[str, Any]) -> Prediction:
        labels = np.array([self._label(label) for label in answer["labels"]], dtype=np.int64)
        num = len(labels)
        match self.info.task:
            case "rotated_detection":
                corners = _convex(_numbers(answer["corners"], (num, 4, 2)))
                return RotatedPrediction(corners=corners, scores=_numbers(answer["scores"], (num,)), labels=labels)
            case "tracking":
                ids = _whole(_shaped(np.array(answer["ids"]), (num,)), "ids")
                return TracksPrediction(ids=ids, boxes=_upright(_numbers(answer["boxes"], (num, 4))), labels=labels)
            case _:
                boxes = _upright(_numbers(answer["boxes"], (num, 4)))
                return BoxesPrediction(boxes=boxes, scores=_numbers(answer["scores"], (num,)), labels=labels)

    def _label(self, label: object) -> int:
        if isinstance(label, str):
            return self.info.classes.index(label)
        if not isinstance(label, int):
            raise TypeError(f"a label is an index or a class's name, got {label!r}")
        return label

    def _plane(self, value: object) -> NDArray[Any]:
        if isinstance(value, str):
            path = self.path.parent / check_inside(value, self.path)
            plane: NDArray[Any] = check_shape(read_raster(path), path, bands=1)[0]
            return plane
        plane = np.array(value)
        if plane.ndim != 2 or not np.issubdtype(plane.dtype, np.number):  # noqa: PLR2004 rows and columns
            raise ValueError(f"must be rows of numbers, got an array of {plane.shape} {plane.dtype}")
        return plane


def read_predictions(path: Path, info: BenchmarkInfo, split: str) -> PredictionFile:
    """The document, checked to be of a benchmark and split.

    Raises:
        BenchmarkError: It is missing, no such document, or of another benchmark or split.
    """
    try:
        document = json.loads(read_text(path), object_pairs_hook=_once)
        stated = (document["benchmark"], document["split"])
        answers = document["predictions"]
        dict.__len__(answers)  # a TypeError for anything but an object
    except (KeyError, TypeError, _TwiceError, json.JSONDecodeError) as error:
        raise PredictionFileError(
            f'{path}: must be {{"benchmark": ..., "split": ..., "predictions": {{...}}}} '
            f"({type(error).__name__}: {error}); write it so"
        ) from error
    if stated != (info.name, split):
        raise PredictionFileError(f"{path}: must be of {info.name} {split}, is of {' '.join(map(str, stated))}")
    return PredictionFile(path=path, info=info, answers=answers)


def _numbers(values: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return _shaped(np.array(values, dtype=np.float32), shape)


def _shaped(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if array.size == 0 and 0 in shape:
        return array.reshape(shape)
    if array.shape != shape:
        raise ValueError(f"must be numbers of shape {shape}, got {array.shape}")
    return array


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(f"a name stands once, {next(name for name in names if names.count(name) > 1)!r} twice")
    return found


def _whole(values: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Whole numbers, whatever type they come in; never cut to be some."""
    if not np.issubdtype(values.dtype, np.integer) and not np.array_equal(values, np.round(values)):
        raise ValueError(f"{name} must be whole numbers")  # NaN equals nothing
    return values.astype(np.int64)


def _heights(values: NDArray[Any]) -> NDArray[np.float32]:
    if np.any(np.abs(values) > MAX_HEIGHT_M):  # NaN is judged where the truth is known
        raise ValueError(f"heights are metres of at most {MAX_HEIGHT_M:g}, got {np.nanmax(np.abs(values)):g}")
    return values.astype(np.float32)


def _upright(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    wrong = np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(axis=1))
    if wrong.size:
        raise ValueError(f"boxes must be left, top, right, bottom, got {boxes[wrong[0]].tolist()}")
    return boxes


def _convex(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    edges = np.roll(corners, -1, axis=1).astype(np.float64) - corners
    following = np.roll(edges, -1, axis=1)
    turns = edges[..., 0] * following[..., 1] - edges[..., 1] * following[..., 0]
    wrong = np.flatnonzero((turns.max(axis=1) > 0) & (turns.min(axis=1) < 0)) if len(corners) else np.zeros(0, int)
    if wrong.size:
        raise ValueError(f"corners must go around a box, these cross: {corners[wrong[0]].tolist()}")
    return corners
