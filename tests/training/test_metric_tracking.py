"""Tracks: MOTA, IDF1 and HOTA by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.training.benchmarks.sample import TrackTarget
from pipelines.training.metrics.prediction import TracksPrediction
from pipelines.training.metrics.resampling import Resampling
from pipelines.training.metrics.tracking import TrackMetric, evaluate_case, weighted_numbers

FEW = Resampling(seed=1, num_replicates=50)


def boxes_at(places):
    return np.array([[x, 0, x + 10, 10] for x in places], dtype=np.float32).reshape(-1, 4)


def ints(values):
    return np.array(values, dtype=np.int64)


def frame(number, true, answered, ignore=None, label=0):
    """Identities at places: {id: x}."""
    target = TrackTarget(
        frame=number,
        ids=ints(list(true)),
        boxes=boxes_at(true.values()),
        labels=np.full(len(true), label, dtype=np.int64),
        ignore=np.array([key in (ignore or ()) for key in true], dtype=np.bool_),
    )
    prediction = TracksPrediction(
        ids=ints(list(answered)),
        boxes=boxes_at(answered.values()),
        labels=np.full(len(answered), label, dtype=np.int64),
    )
    return prediction, target


def fill(metric, frames, video="v", order=None):
    for index in range(len(frames)) if order is None else order:
        metric.update(*frames[index], image=f"{video}/{index}", unit=video)
    return metric


SWITCH = [
    frame(1, {1: 0, 2: 100}, {7: 0, 8: 100}),
    frame(2, {1: 0, 2: 100}, {7: 0, 8: 100}),
    frame(3, {1: 0, 2: 100}, {9: 0}),
    frame(4, {1: 0, 2: 100}, {9: 0, 8: 300}),
]
"""Object 1 is followed as 7, then as 9; object 2 as 8 for two frames, then lost; one false answer at the end."""


def test_a_switch_a_loss_and_a_false_answer_by_hand():
    """8 objects, 6 right, 2 missed, 1 false, 1 switch.

    MOTA 1 - (2 + 1 + 1) / 8 = 1/2.
    Best pairing 1-7 or 1-9 (2 frames) and 2-8 (2): IDTP 4, IDFN 4, IDFP 3: IDF1 4 / (4 + 2 + 1.5) = 8/15.
    Exact boxes, so HOTA is the same at each alpha: DetA 6 / (6 + 2 + 1) = 2/3. A of each right answer: 1-7 is right
    2 times of 4 + 2 - 2: 1/2; 1-9 the same; 2-8 2 of 4 + 3 - 2: 2/5; AssA (4/2 + 2 * 2/5) / 6 = 7/15.
    HOTA sqrt(2/3 * 7/15) = sqrt(14/45).
    """
    found = fill(TrackMetric(1, FEW), SWITCH).compute()
    assert found == pytest.approx({"mota": 1 / 2, "idf1": 8 / 15, "hota": np.sqrt(14 / 45)})


def test_perfect_tracks_are_perfect_whatever_their_names():
    frames = [frame(n, {1: 5 * n, 2: 100}, {40: 5 * n, 17: 100}) for n in range(1, 6)]
    assert fill(TrackMetric(1, FEW), frames).compute() == pytest.approx({"mota": 1, "idf1": 1, "hota": 1})


def test_a_swap_costs_association_not_detection():
    """Two objects exchange their names half way: MOTA loses 2 switches of 8, IDF1 is 1/2, HOTA sqrt(1 * 1/3).

    Every answer is right; each pair holds 2 of 4 + 4 - 2 = 6 frames: A 1/3 (Luiten et al. 2021: HOTA is the geometric
    mean of detection and association).
    """
    frames = [frame(n, {1: 0, 2: 100}, {7: 0, 8: 100} if n < 3 else {8: 0, 7: 100}) for n in range(1, 5)]
    found = fill(TrackMetric(1, FEW), frames).compute()
    assert found == pytest.approx({"mota": 6 / 8, "idf1": 1 / 2, "hota": np.sqrt(1 / 3)})


def test_boxes_that_are_off_count_at_the_lower_thresholds_only():
    """Moved by 2.5 of 10: IoU 7.5 / 12.5 = 0.6. HOTA is 1 at alpha 0.05 to 0.6, 12 of 19."""
    frames = [frame(n, {1: 0}, {7: 2.5}) for n in range(1, 4)]
    found = fill(TrackMetric(1, FEW), frames).compute()
    assert found == pytest.approx({"mota": 1, "idf1": 1, "hota": 12 / 19})


def test_nothing_answered():
    frames = [frame(1, {1: 0}, {}), frame(2, {1: 0}, {})]
    assert fill(TrackMetric(1, FEW), frames).compute() == pytest.approx({"mota": 0, "idf1": 0, "hota": 0})


def test_objects_that_must_not_count_take_answers_away():
    frames = [frame(n, {1: 0, 2: 100}, {7: 0, 8: 100}, ignore={2}) for n in (1, 2)]
    assert fill(TrackMetric(1, FEW), frames).compute() == pytest.approx({"mota": 1, "idf1": 1, "hota": 1})
    without = [frame(n, {1: 0}, {7: 0, 8: 100}) for n in (1, 2)]
    assert fill(TrackMetric(1, FEW), without).compute()["mota"] == pytest.approx(0)


def test_classes_are_kept_apart():
    """An answer of another class is false, and its object missed: MOTA 1 - 2/1."""
    prediction, target = frame(1, {1: 0}, {7: 0})
    wrong = TracksPrediction(ids=prediction.ids, boxes=prediction.boxes, labels=ints([1]))
    assert fill(TrackMetric(2, FEW), [(wrong, target)]).compute()["mota"] == pytest.approx(-1)


def test_order_of_frames_and_videos_does_not_matter():
    perfect = [frame(n, {1: 5 * n}, {4: 5 * n}) for n in range(1, 4)]
    one = fill(fill(TrackMetric(1, FEW), SWITCH, "a"), perfect, "b")
    other = fill(fill(TrackMetric(1, FEW), perfect, "b", order=(2, 0, 1)), SWITCH, "a", order=(3, 1, 2, 0))
    assert one.compute() == other.compute()
    assert one.intervals() == other.intervals()
    low, high = one.intervals()["mota"]
    assert low == pytest.approx(1 / 2)  # only the first video drawn
    assert high == pytest.approx(1)


def test_replicates_with_weight_one_are_the_tools_numbers():
    from pipelines.training.metrics.tracking import Frame

    metric = fill(TrackMetric(1, FEW), SWITCH, "a")
    fill(metric, [frame(n, {1: 5 * n}, {4: 5 * n + 2}) for n in range(1, 4)], "b")
    frames = {
        video: {target.frame: Frame(target=target, prediction=prediction) for prediction, target in pairs}
        for video, pairs in (("a", SWITCH), ("b", [frame(n, {1: 5 * n}, {4: 5 * n + 2}) for n in range(1, 4)]))
    }
    cases = [evaluate_case(video, frames[video], 0) for video in ("a", "b")]
    found = {name: values[0] for name, values in weighted_numbers(cases, np.ones((2, 1))).items()}
    assert found == pytest.approx(metric.compute())


def test_one_video_has_no_interval():
    assert fill(TrackMetric(1, FEW), SWITCH).intervals() == {"mota": None, "idf1": None, "hota": None}


def test_a_frame_counts_once_and_names_its_video():
    metric = fill(TrackMetric(1, FEW), SWITCH)
    with pytest.raises(ValueError, match="it came twice"):
        metric.update(*SWITCH[0], image="again", unit="v")
    with pytest.raises(ValueError, match="must name its video"):
        metric.update(*SWITCH[0], image="again")


def test_without_an_object_there_is_no_number():
    metric = fill(TrackMetric(1, FEW), [frame(n, {}, {7: 0}) for n in (1, 2)])
    assert all(np.isnan(value) for value in metric.compute().values())
