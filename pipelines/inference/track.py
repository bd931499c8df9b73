"""Objects followed from frame to frame: detections linked by ByteTrack.

ByteTrack (arXiv 2110.06864) as the `trackers` library has it; it comes with the extra `evaluate` and is imported when
tracking starts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.inference.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Sequence

_FRAME_RATE = 30.0
"""At which the library counts its buffer in frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameBoxes:
    """What was detected in one frame; boxes as of `ringmoe_core.heads.Detections`."""

    boxes: npt.NDArray[np.floating[Any]]
    """(object, 4) x and y of two corners, or (object, 5) centre x and y, width, height and angle; pixels."""

    scores: npt.NDArray[np.floating[Any]]
    """(object,), 0 to 1."""

    labels: npt.NDArray[np.integer[Any]]
    """(object,), index of the class; only objects of one class are linked."""

    def __post_init__(self) -> None:
        num = len(self.boxes)
        if self.boxes.ndim != 2 or self.boxes.shape[1] not in {4, 5}:  # noqa: PLR2004 - rows and columns
            raise ValueError(f"boxes must be (object, 4) or (object, 5), got {self.boxes.shape}; none is (0, 4)")
        if self.scores.shape != (num,) or self.labels.shape != (num,):
            raise ValueError(
                f"each of {num} boxes has a score and a label, got {self.scores.shape} and {self.labels.shape}; "
                "make them equally long"
            )
        if not (np.isfinite(self.boxes).all() and np.isfinite(self.scores).all()):
            raise ValueError("boxes and scores must be finite, got NaN or infinity; leave such objects out")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedBoxes:
    """What was followed through one frame."""

    ids: npt.NDArray[np.int64]
    """(object,) number of each track, rising from 1; unique over all classes and frames."""

    boxes: npt.NDArray[np.floating[Any]]
    """(object, 4 or 5), as detected."""

    scores: npt.NDArray[np.floating[Any]]
    """(object,)."""

    labels: npt.NDArray[np.integer[Any]]
    """(object,)."""

    num_dropped: int
    """Detections of the frame that belong to no track."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackOptions:
    """When detections are linked."""

    high_score: float = 0.6
    """Detections from here on are linked first, those below to tracks that are left (arXiv 2110.06864, section 3)."""

    start_score: float = 0.7
    """Detections from here on may start a track (the same, section 4.1); at least `high_score`."""

    least_overlap: float = 0.1
    """Intersection over union of a detection and the place where its track is expected, at least."""

    frames_lost: int = 30
    """Frames for which a track that finds no detection is kept."""

    frames_needed: int = 2
    """Consecutive frames that make a track, at least 2: the library names none from a single frame."""

    def __post_init__(self) -> None:
        for name in ("high_score", "start_score", "least_overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} lies in 0 to 1, got {getattr(self, name)}; correct it")
        if self.start_score < self.high_score:
            raise ValueError(
                f"start_score is at least high_score, got {self.start_score} below {self.high_score}; only detections "
                "that are linked first start tracks"
            )
        if self.frames_lost < 0 or self.frames_needed < 2:  # noqa: PLR2004 - said above
            raise ValueError(
                f"frames_lost is at least 0 and frames_needed at least 2, got {self.frames_lost} and "
                f"{self.frames_needed}; correct them"
            )


def track(frames: Sequence[FrameBoxes], options: TrackOptions | None = None) -> list[TrackedBoxes]:
    """Tracks through the frames of one video.

    Each class is linked by itself, rotated boxes by the upright box around them. The library names a track from its
    second frame on; the detection that started it, and others before it was sure, are then given to it as well.

    Args:
        frames: detections in order of time; frames without any belong in between.
        options: when they are linked.

    Returns:
        One value a frame, objects in the order in which they were detected.

    Raises:
        InferenceError: the tracking library is not installed.
    """
    options = options or TrackOptions()
    tracker_class, detections_class = _library()
    ids = [np.full(len(frame.boxes), -1, dtype=np.int64) for frame in frames]
    uprights = [_upright(frame.boxes) for frame in frames]
    last = 0
    for label in sorted({int(label) for frame in frames for label in frame.labels}):
        tracker = tracker_class(
            lost_track_buffer=options.frames_lost,
            frame_rate=_FRAME_RATE,
            track_activation_threshold=options.start_score,
            minimum_consecutive_frames=options.frames_needed,
            minimum_iou_threshold=options.least_overlap,
            high_conf_det_threshold=options.high_score,
        )
        for frame, upright, own in zip(frames, uprights, ids, strict=True):
            rows = np.flatnonzero(frame.labels == label)
            given = detections_class(
                xyxy=upright[rows].astype(np.float64),
                confidence=frame.scores[rows].astype(np.float64),
                data={"row": rows},
            )
            found = tracker.update(given)
            if len(found):
                numbers = np.asarray(found.tracker_id)
                own[found.data["row"]] = np.where(numbers >= 0, numbers + last + 1, -1)
        _fill_starts(frames, uprights, ids, label=label, options=options)
        last = max([last, *(int(own.max()) for own in ids if len(own))])
    return [_tracked(frame, own) for frame, own in zip(frames, _renumbered(ids), strict=True)]


def _library() -> tuple[Any, Any]:
    try:
        from supervision import Detections
        from trackers import ByteTrackTracker
    except ImportError as error:
        raise InferenceError(
            f"tracking needs the library 'trackers', got {error}; install the extra `evaluate`: pip install "
            "'ringmoe-datacube[evaluate]'"
        ) from error
    return ByteTrackTracker, Detections


def _fill_starts(
    frames: Sequence[FrameBoxes],
    uprights: Sequence[npt.NDArray[np.floating[Any]]],
    ids: Sequence[npt.NDArray[np.int64]],
    *,
    label: int,
    options: TrackOptions,
) -> None:
    """Gives each new track the detections that it grew from, backwards from its first named frame.

    They are one a frame, as many as it needed less one, and the first of them may start a track.
    """
    seen: set[int] = set()
    for index, own in enumerate(ids):
        rows = np.flatnonzero((frames[index].labels == label) & (own >= 0))
        for row in rows:
            number = int(own[row])
            if number in seen:
                continue
            seen.add(number)
            box = uprights[index][row]
            start = index - options.frames_needed + 1
            for earlier in range(index - 1, max(0, start) - 1, -1):
                least = options.start_score if earlier == start else 0.0
                one = frames[earlier]
                free = np.flatnonzero((one.labels == label) & (ids[earlier] < 0) & (one.scores >= least))
                overlap = _overlap(box, uprights[earlier][free])
                if not len(free) or overlap.max() < options.least_overlap:
                    break
                best = free[int(overlap.argmax())]
                ids[earlier][best] = number
                box = uprights[earlier][best]


def _overlap(box: npt.NDArray[Any], others: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Intersection over union of a box with each of the others."""
    corner = np.maximum(box[:2], others[:, :2])
    sides = np.clip(np.minimum(box[2:], others[:, 2:]) - corner, 0, None)
    shared = sides.prod(axis=1)
    area = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    overlap: npt.NDArray[np.float64] = np.divide(shared, area, out=np.zeros(len(others)), where=area > 0)
    return overlap


def _upright(boxes: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Upright boxes (object, 4) around rotated ones."""
    if boxes.shape[1] == 4:  # noqa: PLR2004 - they are upright
        return boxes
    cos, sin = np.abs(np.cos(boxes[:, 4])), np.abs(np.sin(boxes[:, 4]))
    half = np.stack([boxes[:, 2] * cos + boxes[:, 3] * sin, boxes[:, 2] * sin + boxes[:, 3] * cos], axis=1) / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _renumbered(ids: Sequence[npt.NDArray[np.int64]]) -> list[npt.NDArray[np.int64]]:
    """Tracks numbered from 1 in the order of their first frame."""
    order: dict[int, int] = {}
    for own in ids:
        for number in own[own >= 0]:
            order.setdefault(int(number), len(order) + 1)
    return [np.array([order.get(int(number), -1) for number in own], dtype=np.int64) for own in ids]


def _tracked(frame: FrameBoxes, ids: npt.NDArray[np.int64]) -> TrackedBoxes:
    kept = ids >= 0
    chosen = replace(frame, boxes=frame.boxes[kept], scores=frame.scores[kept], labels=frame.labels[kept])
    return TrackedBoxes(
        ids=ids[kept],
        boxes=chosen.boxes,
        scores=chosen.scores,
        labels=chosen.labels,
        num_dropped=int((~kept).sum()),
    )
