"""Tracks in videos: MOTA, IDF1 and HOTA by trackeval, at IoU 0.5 for the first two, from 0.05 to 0.95 for HOTA.

MOTA = 1 - (misses + false + identity switches) / objects (Bernardin and Stiefelhagen 2008), IDF1 by the best global
pairing of identities (Ristani et al. 2016), HOTA = mean over alpha of sqrt(DetA AssA) (Luiten et al. 2021,
doi:10.1007/s11263-020-01375-2). Each class of each video is a case of its own, and cases are added up by detections.
Objects that must not count take away the answers that lie on them, as the MOT Challenge does with distractors.

Kept of a frame: its boxes with identities, 24 to 41 bytes each. Intervals draw whole videos, and need at least two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.sample import TrackTarget
from pipelines.training.metrics.box_overlap import box_iou
from pipelines.training.metrics.detection import check_labels
from pipelines.training.metrics.prediction import TracksPrediction
from pipelines.training.metrics.resampling import Resampling, interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.training.benchmarks.sample import Target
    from pipelines.training.metrics.prediction import Prediction

    Values = NDArray[np.float64]

IOU: Final = 0.5
NUM_ALPHAS: Final = 19
MIN_VIDEOS: Final = 2
SUMS: Final = ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW", "IDTP", "IDFN", "IDFP")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One frame as it is kept."""

    target: TrackTarget
    prediction: TracksPrediction


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """trackeval's counts of one class of one video."""

    unit: str
    hota: dict[str, Any]
    clear: dict[str, Any]
    identity: dict[str, Any]


class TrackMetric:
    """Boxes of every frame; paired when asked for numbers, since identities need the whole video."""

    def __init__(self, num_classes: int, resampling: Resampling) -> None:
        """Starts empty."""
        self._num_classes = num_classes
        self._resampling = resampling
        self._videos: dict[str, dict[int, Frame]] = {}

    def update(self, prediction: Prediction, target: Target, *, image: str, unit: str = "") -> None:
        """Keeps a frame of the video `unit`.

        Raises:
            ValueError: The frame came before, no video is named, or a label is outside the classes.
        """
        assert isinstance(prediction, TracksPrediction)
        assert isinstance(target, TrackTarget)
        if not unit:
            raise ValueError(f"{image}: a frame must name its video")
        frames = self._videos.setdefault(unit, {})
        if target.frame in frames:
            raise ValueError(f"{image}: frame {target.frame} of {unit} counts once, it came twice")
        check_labels(prediction.labels, self._num_classes, image)
        frames[target.frame] = Frame(target=target, prediction=prediction)

    def compute(self) -> dict[str, float]:
        """mota, idf1, hota; NaN where there is no object."""
        from trackeval.metrics import CLEAR, HOTA, Identity

        cases = dict(enumerate(self._cases()))
        if not any(case.clear["CLR_TP"] + case.clear["CLR_FN"] for case in cases.values()):
            return dict.fromkeys(("mota", "idf1", "hota"), float("nan"))
        hota = HOTA().combine_sequences({key: case.hota for key, case in cases.items()})
        clear = CLEAR(QUIET).combine_sequences({key: case.clear for key, case in cases.items()})
        identity = Identity(QUIET).combine_sequences({key: case.identity for key, case in cases.items()})
        return {
            "mota": float(clear["MOTA"]),
            "idf1": float(identity["IDF1"]),
            "hota": float(np.mean(hota["HOTA"])),
        }

    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Of each number; None with fewer than two videos."""
        cases = self._cases()
        if len(self._videos) < MIN_VIDEOS:
            return dict.fromkeys(("mota", "idf1", "hota"))
        weights = np.array([self._resampling.weights(case.unit) for case in cases], dtype=np.float64)
        return {name: interval(values) for name, values in weighted_numbers(cases, weights).items()}

    def held_bytes(self) -> int:
        """Bytes kept."""
        return sum(
            array.nbytes
            for frames in self._videos.values()
            for frame in frames.values()
            for part in (frame.target, frame.prediction)
            for array in (part.ids, part.boxes, part.labels)
        )

    def _cases(self) -> list[Case]:
        found = []
        for unit in sorted(self._videos):
            for label in range(self._num_classes):
                case = evaluate_case(unit, self._videos[unit], label)
                if case is not None:
                    found.append(case)
        return found


QUIET: Final = {"PRINT_CONFIG": False}


def evaluate_case(unit: str, frames: dict[int, Frame], label: int) -> Case | None:
    """One class of one video; None where it is neither true nor answered."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    data = case_data(frames, label)
    if not data["num_gt_dets"] and not data["num_tracker_dets"]:
        return None
    return Case(
        unit=unit,
        hota=HOTA().eval_sequence(data),
        clear=CLEAR(QUIET).eval_sequence(data),
        identity=Identity(QUIET).eval_sequence(data),
    )


def case_data(frames: dict[int, Frame], label: int) -> dict[str, Any]:
    """One class of one video as trackeval takes it: identities from 0, IoU frame by frame."""
    true_ids, answer_ids, overlaps = [], [], []
    for number in sorted(frames):
        target, prediction = frames[number].target, frames[number].prediction
        ours = _on_counting_objects(target, prediction, label)
        theirs = (target.labels == label) & ~target.ignore
        true_ids.append(target.ids[theirs])
        answer_ids.append(prediction.ids[ours])
        overlaps.append(box_iou(target.boxes[theirs].astype(np.float64), prediction.boxes[ours].astype(np.float64)))
    true_names, true_ids = _renumbered(true_ids)
    answer_names, answer_ids = _renumbered(answer_ids)
    return {
        "num_timesteps": len(frames),
        "gt_ids": true_ids,
        "tracker_ids": answer_ids,
        "similarity_scores": overlaps,
        "num_gt_ids": true_names,
        "num_tracker_ids": answer_names,
        "num_gt_dets": sum(len(ids) for ids in true_ids),
        "num_tracker_dets": sum(len(ids) for ids in answer_ids),
    }


def weighted_numbers(cases: list[Case], weights: Values) -> dict[str, Values]:
    """mota, idf1 and hota with cases counted by weight, (replicate,); NaN where no object is drawn.

    Args:
        cases: Of all videos.
        weights: (case, replicate)
    """
    merged = [{**case.clear, **case.identity} for case in cases]
    sums = {name: np.array([case[name] for case in merged], dtype=np.float64) @ weights for name in SUMS}
    objects = sums["CLR_TP"] + sums["CLR_FN"]
    wrong = sums["CLR_TP"] - sums["CLR_FP"] - sums["IDSW"]
    pairs = sums["IDTP"] + 0.5 * sums["IDFP"] + 0.5 * sums["IDFN"]
    parts = {name: np.array([case.hota[f"HOTA_{name}"] for case in cases]).T @ weights for name in ("TP", "FN", "FP")}
    association = np.array([case.hota["AssA"] * case.hota["HOTA_TP"] for case in cases]).T @ weights
    detection = parts["TP"] / np.maximum(1.0, parts["TP"] + parts["FN"] + parts["FP"])
    hota = np.sqrt(detection * association / np.maximum(1.0, parts["TP"])).mean(axis=0)
    drawn = objects > 0
    return {
        "mota": np.where(drawn, wrong / np.maximum(1.0, objects), np.nan),
        "idf1": np.where(drawn, sums["IDTP"] / np.maximum(1.0, pairs), np.nan),
        "hota": np.where(drawn, hota, np.nan),
    }


def _on_counting_objects(target: TrackTarget, prediction: TracksPrediction, label: int) -> NDArray[np.bool_]:
    """Which answers of a class count: all but those whose best partner must not count."""
    from scipy.optimize import linear_sum_assignment

    mine: NDArray[np.bool_] = np.equal(prediction.labels, label)
    if not target.ignore.any() or not mine.any():
        return mine
    overlap = box_iou(target.boxes.astype(np.float64), prediction.boxes[mine].astype(np.float64))
    overlap[overlap < IOU] = 0
    rows, columns = linear_sum_assignment(-overlap)
    lost = columns[(overlap[rows, columns] > 0) & target.ignore[rows]]
    kept = mine.copy()
    kept[np.flatnonzero(mine)[lost]] = False
    return kept


def _renumbered(ids: list[NDArray[np.int64]]) -> tuple[int, list[NDArray[np.int64]]]:
    """Number of identities, and the same identities from 0."""
    known = np.unique(np.concatenate(ids)) if ids else np.zeros(0, dtype=np.int64)
    return len(known), [np.searchsorted(known, some) for some in ids]
