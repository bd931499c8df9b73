from __future__ import annotations

import sys

import numpy as np
import pytest

from pipelines.inference.errors import InferenceError
from pipelines.inference.track import FrameBoxes, TrackOptions, track


def planted(num_frames=12, seed=0):
    """Three objects whose paths cross and one of another class; what is true, and what is detected of it."""
    generator = np.random.default_rng(seed)
    starts = np.array([[20, 20], [30, 80], [150, 20], [25, 22]], dtype=float)
    steps = np.array([[6, 3], [6, -3], [-5, 2], [6, 3]], dtype=float)
    labels = np.array([0, 0, 0, 1])
    frames, truth = [], []
    for index in range(num_frames):
        centres = starts + steps * index
        boxes = np.concatenate([centres - 8, centres + 8], axis=1) + generator.normal(0, 0.3, (4, 4))
        order = generator.permutation(4)
        frames.append(FrameBoxes(boxes=boxes[order], scores=np.full(4, 0.9), labels=labels[order]))
        truth.append(order)
    return frames, truth


def numbers(frames, truth, tracked):
    """Track numbers that each planted object got."""
    found = {key: set() for key in range(4)}
    for frame, order, own in zip(frames, truth, tracked, strict=True):
        for number, box in zip(own.ids, own.boxes, strict=True):
            found[int(order[(frame.boxes == box).all(1).argmax()])].add(int(number))
    return found


def test_each_planted_object_keeps_one_number_of_its_own():
    frames, truth = planted()
    tracked = track(frames)
    found = numbers(frames, truth, tracked)
    assert all(len(own) == 1 for own in found.values())
    assert set.union(*found.values()) == {1, 2, 3, 4}
    assert [len(own.ids) for own in tracked] == [4] * 12, "the first frame too"
    assert all(own.num_dropped == 0 for own in tracked)


def test_weak_detections_go_on_with_a_track_but_start_none():
    frames, truth = planted()
    weak = [
        FrameBoxes(boxes=one.boxes, scores=np.where((order == 0) & (index > 4), 0.2, one.scores), labels=one.labels)
        for index, (one, order) in enumerate(zip(frames, truth, strict=True))
    ]
    found = numbers(weak, truth, track(weak))
    assert len(found[0]) == 1, "ByteTrack's second association"
    never = [
        FrameBoxes(boxes=one.boxes, scores=np.where(order == 0, 0.2, one.scores), labels=one.labels)
        for one, order in zip(frames, truth, strict=True)
    ]
    tracked = track(never)
    assert not numbers(never, truth, tracked)[0]
    assert all(own.num_dropped == 1 for own in tracked)


def test_track_bridges_empty_frames_and_ends_after_too_many():
    frames, truth = planted()
    empty = FrameBoxes(boxes=np.zeros((0, 4)), scores=np.zeros(0), labels=np.zeros(0, dtype=int))
    gap = [*frames[:5], empty, *frames[6:]]
    orders = [*truth[:5], np.zeros(0, dtype=int), *truth[6:]]
    tracked = track(gap)
    assert all(len(own) == 1 for own in numbers(gap, orders, tracked).values())
    assert len(tracked[5].ids) == 0
    short = track(gap, TrackOptions(frames_lost=0))
    assert all(len(own) == 2 for own in numbers(gap, orders, short).values())


def test_rotated_boxes_are_linked_and_returned_as_they_were():
    frames = [
        FrameBoxes(
            boxes=np.array([[30.0 + 4 * index, 40.0, 20.0, 6.0, 0.3 + 0.05 * index]]),
            scores=np.array([0.95]),
            labels=np.array([2]),
        )
        for index in range(6)
    ]
    tracked = track(frames)
    assert [own.ids.tolist() for own in tracked] == [[1]] * 6
    for frame, own in zip(frames, tracked, strict=True):
        np.testing.assert_array_equal(own.boxes, frame.boxes)


def test_nothing_at_all():
    assert track([]) == []
    empty = FrameBoxes(boxes=np.zeros((0, 4)), scores=np.zeros(0), labels=np.zeros(0, dtype=int))
    assert [len(own.ids) for own in track([empty, empty])] == [0, 0]


def test_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(InferenceError, match=r"ringmoe-datacube\[evaluate\]"):
        track(planted()[0])


def test_bad_boxes_are_refused():
    with pytest.raises(ValueError, match=r"\(object, 4\) or \(object, 5\)"):
        FrameBoxes(boxes=np.zeros((2, 3)), scores=np.zeros(2), labels=np.zeros(2, dtype=int))
    with pytest.raises(ValueError, match="score and a label"):
        FrameBoxes(boxes=np.zeros((2, 4)), scores=np.zeros(1), labels=np.zeros(2, dtype=int))
    with pytest.raises(ValueError, match="finite"):
        FrameBoxes(boxes=np.full((1, 4), np.nan), scores=np.zeros(1), labels=np.zeros(1, dtype=int))
    with pytest.raises(ValueError, match="start_score"):
        TrackOptions(start_score=2)


def test_a_track_takes_no_detections_from_before_its_start():
    def frame(score, index):
        return FrameBoxes(
            boxes=np.array([[20.0 + index, 20, 40 + index, 40]]), scores=np.array([score]), labels=np.array([0])
        )

    for needed in (2, 3):
        frames = [frame(score, index) for index, score in enumerate((0.2, 0.65, 0.9, 0.9, 0.9, 0.9))]
        tracked = track(frames, TrackOptions(frames_needed=needed))
        assert [len(own.ids) for own in tracked] == [0, 0, 1, 1, 1, 1], "0.2 and 0.65 start none"


def test_options_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="at least high_score"):
        TrackOptions(start_score=0.5)
    with pytest.raises(ValueError, match="frames_needed at least 2"):
        TrackOptions(frames_needed=1)
