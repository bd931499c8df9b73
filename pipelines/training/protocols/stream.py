"""A split goes by, sample by sample, and is counted; no sample is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.inference.track import FrameBoxes, TrackOptions, track
from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.sample import IGNORE, HeightTarget, MaskTarget
from pipelines.training.metrics.prediction import BoxesPrediction, TracksPrediction

if TYPE_CHECKING:
    from pipelines.training.benchmarks.registry import Benchmark
    from pipelines.training.benchmarks.sample import Sample, Target
    from pipelines.training.metrics.metric import Metric
    from pipelines.training.metrics.prediction import Prediction

NUM_REASONS: Final = 20
"""Messages kept of samples that could not be used; all are counted."""

Answer = Callable[["Sample"], "Prediction"]
"""What is said of a sample; raises SampleError where it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """What went by."""

    num_images: int
    """Samples that count."""

    num_units: int
    """Of those what is resampled as one: scenes, videos, and each image that belongs to none."""

    num_skipped: int
    reasons: tuple[str, ...]
    """Of the first samples that were skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What is kept of a frame."""

    id: str
    sequence: str
    target: Target
    boxes: BoxesPrediction


class _Counter:
    """Counts samples, and the first reasons for leaving some out."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self.images = 0
        self.skipped = 0
        self.reasons: list[str] = []
        self._alone = 0
        self._sequences: set[str] = set()
        self._progress = progress

    def used(self, sequence: str) -> None:
        self.images += 1
        self._alone += not sequence
        self._sequences |= {sequence} - {""}
        self._progress(self.images + self.skipped)

    def left_out(self, reason: str) -> None:
        self.skipped += 1
        if len(self.reasons) < NUM_REASONS:
            self.reasons.append(reason)
        self._progress(self.images + self.skipped)

    def result(self) -> Streamed:
        return Streamed(
            num_images=self.images,
            num_units=self._alone + len(self._sequences),
            num_skipped=self.skipped,
            reasons=tuple(self.reasons),
        )


def stream(
    benchmark: Benchmark, answer: Answer, metric: Metric, progress: Callable[[int], None] = lambda _: None
) -> Streamed:
    """Scores every sample that can be read.

    Args:
        benchmark: The split.
        answer: Called once a sample.
        metric: Is told of each.
        progress: Told how many samples are done.
    """
    counter = _Counter(progress)
    for index in range(len(benchmark)):
        try:
            sample = benchmark[index]
            check_counts(sample)
            prediction = answer(sample)
        except SampleError as error:
            counter.left_out(str(error))
            continue
        metric.update(prediction, sample.target, image=sample.id, unit=sample.sequence)
        counter.used(sample.sequence)
    return counter.result()


def check_counts(sample: Sample) -> None:
    """Checks that some pixel of a mask or of heights counts.

    Raises:
        SampleError: None does: such a sample says nothing, and is left out by name rather than unseen.
    """
    match sample.target:
        case MaskTarget(mask=mask):
            counts = bool(np.any(mask != IGNORE))
        case HeightTarget(height_m=height_m):
            counts = bool(np.isfinite(height_m).any())
        case _:
            counts = True
    if not counts:
        raise SampleError(sample.id, "must have a pixel whose truth is known, all are to be ignored", "nothing to mend")


def stream_videos(
    benchmark: Benchmark, answer: Answer, metric: Metric, progress: Callable[[int], None] = lambda _: None
) -> Streamed:
    """Scores videos whose frames are answered by boxes: they are linked by ByteTrack when a video is at its end.

    Frames of one video must follow each other. Of a video its boxes are kept, never its pixels.

    Args:
        benchmark: The split.
        answer: Gives the boxes of a frame.
        metric: Is told of each frame.
        progress: Told how many frames are done.
    """
    counter = _Counter(progress)
    held: list[_Frame] = []
    for index in range(len(benchmark)):
        try:
            sample = benchmark[index]
            prediction = answer(sample)
        except SampleError as error:
            counter.left_out(str(error))
            continue
        assert isinstance(prediction, BoxesPrediction)
        if held and held[-1].sequence != sample.sequence:
            _link(held, metric)
            held = []
        held.append(_Frame(id=sample.id, sequence=sample.sequence, target=sample.target, boxes=prediction))
        counter.used(sample.sequence)
    _link(held, metric)
    return counter.result()


def _link(held: list[_Frame], metric: Metric) -> None:
    found = [FrameBoxes(boxes=one.boxes.boxes, scores=one.boxes.scores, labels=one.boxes.labels) for one in held]
    for frame, linked in zip(held, track(found, TrackOptions()) if found else [], strict=True):
        prediction = TracksPrediction(
            ids=linked.ids, boxes=linked.boxes.astype(np.float32), labels=linked.labels.astype(np.int64)
        )
        metric.update(prediction, frame.target, image=frame.id, unit=frame.sequence)
