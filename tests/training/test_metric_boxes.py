"""Boxes, upright and turned: average precision by hand, by published example and by other libraries."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.training.benchmarks.sample import BoxesTarget, RotatedTarget
from pipelines.training.metrics.average_precision import average_precision
from pipelines.training.metrics.box_overlap import box_iou
from pipelines.training.metrics.detection import BoxMetric, match_coco
from pipelines.training.metrics.polygon_overlap import rotated_iou, signed_area
from pipelines.training.metrics.prediction import BoxesPrediction, RotatedPrediction
from pipelines.training.metrics.resampling import Resampling
from pipelines.training.metrics.rotated import RotatedMetric, match_voc

FEW = Resampling(seed=1, num_replicates=20)

# The worked example of Padilla, Netto and da Silva 2020 (A survey on performance metrics for object-detection
# algorithms, section IV; also the README of rafaelpadilla/Object-Detection-Metrics): 7 images, 15 objects, 24 answers.
# Left, top, width, height; answers with their confidence first.
PADILLA_TRUE = {
    1: [(25, 16, 38, 56), (129, 123, 41, 62)],
    2: [(123, 11, 43, 55), (38, 132, 59, 45)],
    3: [(16, 14, 35, 48), (123, 30, 49, 44), (99, 139, 47, 47)],
    4: [(53, 42, 40, 52), (154, 43, 31, 34)],
    5: [(59, 31, 44, 51), (48, 128, 34, 52)],
    6: [(36, 89, 52, 76), (62, 58, 44, 67)],
    7: [(28, 31, 55, 63), (58, 67, 50, 58)],
}
PADILLA_ANSWERS = {
    1: [(0.88, 5, 67, 31, 48), (0.70, 119, 111, 40, 67), (0.80, 124, 9, 49, 67)],
    2: [(0.71, 64, 111, 64, 58), (0.54, 26, 140, 60, 47), (0.74, 19, 18, 43, 35)],
    3: [
        (0.18, 109, 15, 77, 39),
        (0.67, 86, 63, 46, 45),
        (0.38, 160, 62, 36, 53),
        (0.91, 105, 131, 47, 47),
        (0.44, 18, 148, 40, 44),
    ],
    4: [(0.35, 83, 28, 28, 26), (0.78, 28, 68, 42, 67), (0.45, 87, 89, 25, 39), (0.14, 10, 155, 60, 26)],
    5: [(0.62, 50, 38, 28, 46), (0.44, 95, 11, 53, 28), (0.95, 29, 131, 72, 29), (0.23, 29, 163, 72, 29)],
    6: [(0.45, 43, 48, 74, 38), (0.84, 17, 155, 29, 35), (0.43, 95, 110, 25, 42)],
    7: [(0.48, 16, 20, 101, 88), (0.95, 33, 116, 37, 49)],
}


def corners(box):
    """At pixel edges: the example counts its last pixels in, as PASCAL VOC does."""
    left, top, width, height = box
    right, bottom = left + width + 1, top + height + 1
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def turn(points, angle, pivot=(100, 100)):
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (np.asarray(points, dtype=float) - pivot) @ rotation + pivot


@pytest.mark.parametrize("angle", [0.0, 0.7])
def test_average_precision_of_the_published_example(angle):
    """At IoU 0.3 the survey states 26.84 % by 11 points and 24.56 % by the area; turned boxes must give the same."""
    metric = RotatedMetric(1, FEW, iou=0.3)
    for image, objects in PADILLA_TRUE.items():
        answers = PADILLA_ANSWERS[image]
        metric.update(
            RotatedPrediction(
                corners=np.array([turn(corners(a[1:]), angle) for a in answers], dtype=np.float32),
                scores=np.array([a[0] for a in answers], dtype=np.float32),
                labels=np.zeros(len(answers), dtype=np.int64),
            ),
            RotatedTarget(
                corners=np.array([turn(corners(o), angle) for o in objects], dtype=np.float32),
                labels=np.zeros(len(objects), dtype=np.int64),
                ignore=np.zeros(len(objects), dtype=np.bool_),
            ),
            image=f"{image:05d}",
        )
    found = metric.compute()
    assert found["map50_voc07"] == pytest.approx(0.2684, abs=5e-5)
    assert found["map50_area"] == pytest.approx(0.2456, abs=1e-4)


def test_average_precision_by_hand():
    """Four answers right wrong right wrong, three objects: P 1, 1/2, 2/3, 1/2 at R 1/3, 1/3, 2/3, 2/3.

    Area: 1/3 * 1 + 1/3 * 2/3 = 5/9. 11 points: R up to 0.3: 4 points of 1; 0.4 to 0.6: 3 points of 2/3; rest 0: 6/11.
    101 points: 34 points of 1 (to 0.33), 33 of 2/3 (to 0.66): 56/101.
    """
    hit = np.array([[1.0], [0], [1], [0]])
    found = {way: average_precision(hit, 1 - hit, np.array([3.0]), way)[0] for way in ("area", "voc07", "coco")}
    assert found == pytest.approx({"area": 5 / 9, "voc07": 6 / 11, "coco": 56 / 101})


def test_a_recall_of_three_tenths_reaches_the_point():
    """Ten objects, three right answers: recalls 0.1 0.2 0.3, all at precision 1: four of eleven points."""
    hit = np.ones((3, 1))
    assert average_precision(hit, 0 * hit, np.array([10.0]), "voc07")[0] == pytest.approx(4 / 11)


def test_without_an_object_there_is_no_precision_and_without_an_answer_none_is_right():
    hit = np.zeros((2, 2))
    found = average_precision(hit, np.ones((2, 2)), np.array([0.0, 4.0]), "area")
    assert np.isnan(found[0])
    assert found[1] == 0
    assert average_precision(np.zeros((0, 1)), np.zeros((0, 1)), np.array([4.0]), "coco")[0] == 0


def test_overlap_by_hand():
    """10 x 10 boxes moved by 5: 50 common of 150; a corner of 2 x 2 of 196; apart: none."""
    first = np.array([[0.0, 0, 10, 10]])
    others = np.array([[5.0, 0, 15, 10], [8, 8, 18, 18], [20, 20, 30, 30], [10, 0, 20, 10]])
    np.testing.assert_allclose(box_iou(first, others), [[1 / 3, 4 / 196, 0, 0]])


def test_turned_overlap_by_hand():
    """A square of side 2 and itself turned by 45 degrees share a regular octagon: 8 (sqrt 2 - 1) of 8 - that."""
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    diamond = turn(square, np.pi / 4, pivot=(0, 0))
    octagon = 8 * (np.sqrt(2) - 1)
    assert rotated_iou(square[None], diamond[None])[0, 0] == pytest.approx(octagon / (8 - octagon))


def test_turned_overlap_agrees_with_shapely():
    from shapely.geometry import Polygon

    rng = np.random.default_rng(0)

    def boxes(num):
        centre, sides = rng.uniform(0, 40, (num, 1, 2)), rng.uniform(2, 30, (num, 1, 2))
        unit = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        made = []
        for middle, side, angle in zip(centre, sides, rng.uniform(-3, 3, num), strict=True):
            made.append(turn(unit * side, angle, pivot=(0, 0)) + middle)
        return np.array(made)

    first, second = boxes(30), boxes(30)
    second[::2] = second[::2, ::-1]  # in either direction round
    second[0], second[1] = first[0], first[1][[2, 3, 0, 1]]  # the same box, begun elsewhere
    expected = np.zeros((30, 30))
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            one, other = Polygon(a), Polygon(b)
            expected[i, j] = one.intersection(other).area / one.union(other).area
    found = rotated_iou(first, second)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert found[0, 0] == pytest.approx(1)
    assert (found > 0).sum() > 100


def test_the_area_of_a_polygon_does_not_depend_on_where_it_is():
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    assert signed_area(square + 1e6) == pytest.approx(1, abs=1e-9)


def test_voc_takes_an_object_once_and_passes_by_the_difficult():
    overlap = np.array([[0.6, 0.0], [0.9, 0.0], [0.1, 0.8], [0.2, 0.3]])
    assert match_voc(overlap, np.array([False, True]), 0.5).tolist() == [1, 0, -1, 0]
    assert match_voc(np.zeros((2, 0)), np.zeros(0, dtype=bool), 0.5).tolist() == [0, 0]


def test_coco_falls_back_to_the_next_object():
    """The second answer overlaps a taken object most, and a free one enough: VOC calls it wrong, COCO right."""
    overlap = np.array([[0.9, 0.5], [0.8, 0.6]])
    none = np.array([False, False])
    assert match_coco(overlap, none, 0.5).tolist() == [1, 1]
    assert match_voc(overlap, none, 0.5).tolist() == [1, 0]


def made_images(num, num_classes, seed):
    """Objects, and answers near them or anywhere; some objects must not count."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(num):
        count = int(rng.integers(0, 6))
        low = rng.uniform(0, 60, (count, 2))
        boxes = np.concatenate([low, low + rng.uniform(8, 30, (count, 2))], axis=1)
        labels = rng.integers(0, num_classes, count)
        near = boxes + rng.normal(0, 2, boxes.shape)
        anywhere = rng.uniform(0, 40, (3, 2))
        answers = np.concatenate([near, np.concatenate([anywhere, anywhere + 12], axis=1)])
        guesses = np.concatenate([np.where(rng.random(count) < 0.8, labels, 0), rng.integers(0, num_classes, 3)])
        target = BoxesTarget(
            boxes=boxes.astype(np.float32), labels=labels.astype(np.int64), ignore=rng.random(count) < 0.2
        )
        prediction = BoxesPrediction(
            boxes=answers.astype(np.float32),
            scores=rng.random(len(answers)).astype(np.float32),
            labels=guesses.astype(np.int64),
        )
        made.append((prediction, target))
    return made


def fill(metric, pairs, order=None):
    for index in range(len(pairs)) if order is None else order:
        metric.update(*pairs[index], image=f"image {index:03d}")
    return metric


def box_pair(answers, objects, ignore=None):
    return (
        BoxesPrediction(
            boxes=np.array([a[1:] for a in answers], dtype=np.float32).reshape(-1, 4),
            scores=np.array([a[0] for a in answers], dtype=np.float32),
            labels=np.zeros(len(answers), dtype=np.int64),
        ),
        BoxesTarget(
            boxes=np.array(objects, dtype=np.float32).reshape(-1, 4),
            labels=np.zeros(len(objects), dtype=np.int64),
            ignore=np.array(ignore or [False] * len(objects), dtype=np.bool_),
        ),
    )


def test_boxes_by_hand():
    """Two objects of 10 x 10; the first answer is exact, the second wide by 2.5 on one side: IoU 100/125 = 0.8.

    At IoU 0.5 to 0.8 (7 thresholds) both are right: AP 1. Above (3) one is: P 1 to R 1/2, 51 of 101 points.
    mAP50 1, mAP (7 + 3 * 51/101) / 10.
    """
    pair = box_pair([(0.9, 0, 0, 10, 10), (0.8, 20, 0, 32.5, 10)], [(0, 0, 10, 10), (20, 0, 30, 10)])
    metric = fill(BoxMetric(1, FEW), [pair])
    expected = {"map50": 1.0, "map": (7 + 3 * 51 / 101) / 10}
    assert metric.compute() == pytest.approx(expected)
    assert metric.own() == pytest.approx(expected)


def test_our_matching_is_the_tools():
    metric = fill(BoxMetric(3, FEW), made_images(40, 3, 0))
    tool, own = metric.compute(), metric.own()
    assert 0.1 < tool["map"] < tool["map50"] < 0.95
    assert own == pytest.approx(tool, abs=1e-6)


def test_boxes_that_must_not_count_take_answers_away():
    objects = [(0, 0, 10, 10), (20, 0, 30, 10)]
    answers = [(0.9, 20, 0, 30, 10), (0.8, 0, 0, 10, 10)]
    assert fill(BoxMetric(1, FEW), [box_pair(answers, objects, [False, True])]).compute()["map50"] == pytest.approx(1)
    assert fill(BoxMetric(1, FEW), [box_pair(answers, objects[:1])]).compute()["map50"] == pytest.approx(1 / 2)


@pytest.mark.parametrize("kind", ["upright", "turned"])
def test_order_does_not_matter_at_all(kind):
    pairs = made_images(15, 2, 4)
    make = BoxMetric
    if kind == "turned":
        make = RotatedMetric
        as_corners = lambda b: np.stack([b[:, [0, 1]], b[:, [2, 1]], b[:, [2, 3]], b[:, [0, 3]]], axis=1)  # noqa: E731
        pairs = [
            (
                RotatedPrediction(corners=as_corners(p.boxes), scores=np.round(p.scores, 1), labels=p.labels),
                RotatedTarget(corners=as_corners(t.boxes), labels=t.labels, ignore=t.ignore),
            )
            for p, t in pairs
        ]
    one = fill(make(2, FEW), pairs)
    other = fill(make(2, FEW), pairs, order=np.random.default_rng(1).permutation(15))
    assert one.compute() == other.compute()
    assert one.intervals() == other.intervals()
    low, high = one.intervals()[next(iter(one.compute()))]
    assert low < next(iter(one.compute().values())) < high


def test_without_objects_or_answers():
    empty = fill(BoxMetric(2, FEW), [box_pair([], [])])
    assert all(np.isnan(value) for value in empty.compute().values())
    assert fill(BoxMetric(1, FEW), [box_pair([], [(0, 0, 5, 5)])]).compute()["map50"] == 0


def test_an_image_counts_once_and_labels_are_checked():
    pair = box_pair([(0.5, 0, 0, 5, 5)], [(0, 0, 5, 5)])
    metric = BoxMetric(1, FEW)
    metric.update(*pair, image="a")
    with pytest.raises(ValueError, match="counts once"):
        metric.update(*pair, image="a")
    wrong = BoxesPrediction(boxes=pair[0].boxes, scores=pair[0].scores, labels=np.array([3]))
    with pytest.raises(ValueError, match="labels must be 0 to 0"):
        metric.update(wrong, pair[1], image="b")


def test_bytes_are_those_of_boxes():
    """40 bytes an answer, 24 an object, and a number a class: pixels never."""
    answers, objects = [(0.5, 0, 0, 5, 5)] * 30, [(0, 0, 5, 5)] * 20
    pairs = [box_pair(answers, objects)] * 10
    metric = fill(BoxMetric(1, FEW), pairs)
    assert metric.held_bytes() == 10 * (30 * (24 + 16) + 20 * 24 + 8)


def test_only_a_hundred_answers_count():
    many = [(1.0, 50, 50, 60, 60)] * 100 + [(0.5, 0, 0, 10, 10)]
    assert fill(BoxMetric(1, FEW), [box_pair(many, [(0, 0, 10, 10)])]).compute()["map50"] == 0


def test_a_hundred_answers_count_of_each_class_as_the_tool_takes_them():
    """A hundred of the first class score higher; the one of the second is right all the same."""
    boxes = np.array([[50, 50, 60, 60]] * 100 + [[0, 0, 10, 10]], dtype=np.float32)
    labels = np.array([0] * 100 + [1])
    scores = np.linspace(1, 0.1, 101, dtype=np.float32)
    target = BoxesTarget(boxes=boxes[[0, 100]], labels=np.array([0, 1]), ignore=np.zeros(2, dtype=np.bool_))
    metric = BoxMetric(2, FEW)
    metric.update(BoxesPrediction(boxes=boxes, scores=scores, labels=labels), target, image="a")
    assert metric.compute() == metric.own() == {"map50": 1, "map": 1}
