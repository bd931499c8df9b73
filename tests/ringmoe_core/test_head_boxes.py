from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from shapely.geometry import Polygon, box

from ringmoe_core.heads.boxes import box_iou, centred_of, corners_of, giou_loss
from ringmoe_core.heads.detections import Detections, ObjectTargets, canonical_angle
from ringmoe_core.heads.nms import suppress
from ringmoe_core.heads.rotated_boxes import rotated_corners, rotated_from_corners, rotated_iou
from ringmoe_core.heads.rotated_loss import doubled_angle, halved_angle, probiou_loss


def boxes(num, seed, spread=20.0):
    generator = torch.Generator().manual_seed(seed)
    centre = spread * torch.rand(num, 2, generator=generator, dtype=torch.float64)
    sides = 0.5 + 12 * torch.rand(num, 2, generator=generator, dtype=torch.float64)
    return torch.cat([centre, sides, math.pi * (torch.rand(num, 1, generator=generator).double() - 0.5)], 1)


def polygons(boxes_n5):
    """Corners written out with complex numbers, not by the code under test."""
    found = []
    for cx, cy, w, h, angle in boxes_n5.tolist():
        turn = complex(math.cos(angle), math.sin(angle))
        corners = [
            complex(cx, cy) + turn * complex(x * w / 2, y * h / 2) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        found.append(Polygon([(corner.real, corner.imag) for corner in corners]))
    return found


def shapely_iou(first, second):
    return np.array([[a.intersection(b).area / a.union(b).area for b in second] for a in first])


def test_rotated_overlap_equals_shapely():
    first, second = boxes(60, 1), boxes(50, 2)
    wanted = shapely_iou(polygons(first), polygons(second))
    assert (wanted > 0).sum() > 500
    assert (wanted == 0).sum() > 500
    np.testing.assert_allclose(rotated_iou(first, second).numpy(), wanted, atol=1e-9)
    # float32 boxes far from the origin, as in large scenes
    shift = torch.tensor([4000.0, 9000.0, 0, 0, 0])
    far = (first + shift).float(), (second + shift).float()
    wanted = shapely_iou(polygons(far[0].double()), polygons(far[1].double()))
    np.testing.assert_allclose(rotated_iou(*far).numpy(), wanted, atol=1e-7)


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4, -1.2, math.pi / 2 - 1e-13])
@pytest.mark.parametrize(
    ("second", "wanted"),
    [
        ((0, 0, 4, 2, 0), 1.0),
        ((0, 0, 2, 4, math.pi / 2), 1.0),
        ((0, 0, 4, 2, math.pi), 1.0),
        ((1, 0, 2, 2, 0), 0.5),  # three edges in common
        ((0, 0, 2, 1, 0), 0.25),  # inside
        ((4, 0, 4, 2, 0), 0.0),  # a common edge from outside
        ((4, 2, 4, 2, 0), 0.0),  # a common corner
        ((2, 0, 4, 2, 0), 1 / 3),
        ((0, 0, 4 * (1 + 1e-12), 2, 1e-13), 1.0),
        ((9, 9, 1, 1, 0), 0.0),
    ],
)
def test_rotated_overlap_where_edges_coincide(second, wanted, angle):
    x, y, *rest = second
    turned = torch.tensor(
        [[x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle), *rest]],
        dtype=torch.float64,
    )
    turned[0, 4] += angle
    first = torch.tensor([[0, 0, 4, 2, angle]], dtype=torch.float64)
    assert float(rotated_iou(first, turned)) == pytest.approx(wanted, abs=1e-7)
    assert float(rotated_iou(turned, first)) == pytest.approx(wanted, abs=1e-7)


@pytest.mark.parametrize("turn", [1e-8, 1e-7, 1e-5, 1e-3])
def test_rotated_overlap_of_nearly_parallel_boxes(turn):
    first = boxes(200, 11, spread=1.0)
    second = first.clone()
    second[:, 4] += turn
    second[::2, :2] += 1e-7
    found = rotated_iou(first, second).diagonal().numpy()
    wanted = [a.intersection(b).area / a.union(b).area for a, b in zip(polygons(first), polygons(second), strict=True)]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_rotated_overlap_without_boxes_and_of_empty_ones():
    assert rotated_iou(torch.zeros(0, 5), boxes(3, 0)).shape == (0, 3)
    flat = torch.tensor([[0.0, 0.0, 0.0, 2.0, 0.1]])
    assert float(rotated_iou(flat, flat)) == 0.0


def test_horizontal_overlap_equals_shapely():
    corners = corners_of(boxes(40, 3)[:, :4])
    shapes = [box(*one) for one in corners.tolist()]
    np.testing.assert_allclose(box_iou(corners, corners).numpy(), shapely_iou(shapes, shapes), atol=1e-12)
    torch.testing.assert_close(corners_of(centred_of(corners)), corners)
    upright = torch.nn.functional.pad(centred_of(corners), (0, 1))
    torch.testing.assert_close(rotated_iou(upright, upright), box_iou(corners, corners), atol=1e-9, rtol=0)


def test_giou_loss_is_its_definition():
    first, second = corners_of(boxes(30, 4)[:, :4]), corners_of(boxes(30, 5)[:, :4])
    for found, a, b in zip(giou_loss(first, second), first.tolist(), second.tolist(), strict=True):
        one, other = box(*a), box(*b)
        hull = box(*one.union(other).bounds).area
        union = one.union(other).area
        assert float(found) == pytest.approx(1 - one.intersection(other).area / union + (hull - union) / hull)
    torch.testing.assert_close(giou_loss(first, first), torch.zeros(30, dtype=torch.float64))


def gaussian(one):
    cx, cy, w, h, angle = one
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.array([cx, cy]), turn @ np.diag([w**2, h**2]) @ turn.T / 12


def test_probiou_is_the_hellinger_distance_of_gaussians():
    first, second = boxes(40, 6, spread=6), boxes(40, 7, spread=6)
    found = probiou_loss(doubled_angle(first), doubled_angle(second)).numpy()
    for value, a, b in zip(found, first.tolist(), second.tolist(), strict=True):
        (m1, s1), (m2, s2) = gaussian(a), gaussian(b)
        mean = (s1 + s2) / 2
        distance = (m1 - m2) @ np.linalg.inv(mean) @ (m1 - m2) / 8 + 0.5 * math.log(
            np.linalg.det(mean) / math.sqrt(np.linalg.det(s1) * np.linalg.det(s2))
        )
        assert value == pytest.approx(math.sqrt(1 - math.exp(-distance)), abs=5e-4)
    # a box's covariance is that of points spread evenly over it
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (200_000, 2)) * np.array([7.0, 3.0])
    np.testing.assert_allclose(np.cov(points.T), gaussian((0, 0, 7, 3, 0))[1], atol=0.05)


def test_probiou_sees_boxes_not_the_way_they_are_written():
    one = boxes(20, 8)
    other = one.clone()
    other[:, 4] += math.pi
    swapped = one[:, [0, 1, 3, 2, 4]] + torch.tensor([0, 0, 0, 0, math.pi / 2])
    for same in (one, other, swapped):
        assert float(probiou_loss(doubled_angle(one), doubled_angle(same)).max()) < 2e-3
    written = doubled_angle(one).float().requires_grad_()
    probiou_loss(written, doubled_angle(one).float()).sum().backward()
    assert torch.isfinite(written.grad).all()


def test_angles_and_corners_there_and_back():
    one = boxes(50, 9)
    one[0, 4] = -math.pi / 2
    back = halved_angle(doubled_angle(one))
    assert bool(((back[:, 4] >= -math.pi / 2) & (back[:, 4] < math.pi / 2)).all())
    torch.testing.assert_close(rotated_iou(one, back).diagonal(), torch.ones(50, dtype=torch.float64))
    again = rotated_from_corners(rotated_corners(one))
    assert bool((again[:, 2] >= again[:, 3]).all())
    torch.testing.assert_close(rotated_iou(one, again).diagonal(), torch.ones(50, dtype=torch.float64))
    angles = canonical_angle(torch.tensor([math.pi / 2, -math.pi / 2, 3.0, -9.0]))
    assert bool(((angles >= -math.pi / 2) & (angles < math.pi / 2)).all())
    for corners, shape in zip(rotated_corners(one), polygons(one), strict=True):
        around = [*corners.amin(0).tolist(), *corners.amax(0).tolist()]
        assert around == pytest.approx(shape.bounds)


def slow_suppress(shapes, scores, labels, most):
    kept = []
    for index in sorted(range(len(shapes)), key=lambda i: (-scores[i], i)):
        rivals = [other for other in kept if labels[other] == labels[index]]
        if all(
            shapes[index].intersection(shapes[other]).area / shapes[index].union(shapes[other]).area <= most
            for other in rivals
        ):
            kept.append(index)
    return kept


@pytest.mark.parametrize("rotated", [True, False])
def test_suppression_equals_a_slow_loop(rotated):
    one = boxes(120, 10)
    generator = torch.Generator().manual_seed(0)
    scores = (torch.rand(120, generator=generator) * 20).round() / 20  # with ties
    labels = torch.randint(0, 3, (120,), generator=generator)
    written = one if rotated else corners_of(one[:, :4])
    shapes = polygons(one) if rotated else [box(*row) for row in written.tolist()]
    found = suppress(written, scores, labels, most_overlap=0.3).tolist()
    assert found == slow_suppress(shapes, scores.tolist(), labels.tolist(), 0.3)
    assert 0 < len(found) < 120
    assert suppress(written[:0], scores[:0], labels[:0], most_overlap=0.3).tolist() == []


def test_values_of_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="one score and one label"):
        Detections(boxes=torch.zeros(2, 4), scores=torch.zeros(1), labels=torch.zeros(2))
    with pytest.raises(ValueError, match=r"\(n, 4\) or \(n, 5\)"):
        Detections(boxes=torch.zeros(2, 6), scores=torch.zeros(2), labels=torch.zeros(2))
    with pytest.raises(ValueError, match="sides above 0"):
        ObjectTargets(boxes=torch.tensor([[3.0, 3, 3, 5]]), labels=torch.zeros(1))
    with pytest.raises(ValueError, match="finite"):
        ObjectTargets(boxes=torch.tensor([[3.0, 3, float("nan"), 5]]), labels=torch.zeros(1))
    with pytest.raises(ValueError, match="ignore flag"):
        ObjectTargets(boxes=torch.tensor([[3.0, 3, 4, 5]]), labels=torch.zeros(1), ignore=torch.zeros(2).bool())
    found = Detections(boxes=torch.eye(4), scores=torch.tensor([0.9, 0.5, 0.4, 0.1]), labels=torch.arange(4))
    assert len(found.above(0.4)) == 3
    assert not found.rotated


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((100, 100, 600, 2, 0.7), (100.5, 100, 600, 2, 0.7)),
        ((0, 0, 500, 0.05, 0.3), (0, 0, 400, 0.06, 0.3)),
        ((0, 0, 1000, 1, -1.3), (5, 1, 3, 900, 1.2)),
    ],
)
def test_probiou_keeps_its_digits_where_boxes_are_thin(first, second):
    (mean_1, covariance_1), (mean_2, covariance_2) = gaussian(first), gaussian(second)
    mixed, away = (covariance_1 + covariance_2) / 2, mean_1 - mean_2
    unlike = np.linalg.det(mixed) / math.sqrt(np.linalg.det(covariance_1) * np.linalg.det(covariance_2))
    wanted = math.sqrt(1 - math.exp(-(away @ np.linalg.solve(mixed, away) / 8 + 0.5 * math.log(unlike))))
    pair = (doubled_angle(torch.tensor([one], dtype=torch.float32)) for one in (first, second))
    assert float(probiou_loss(*pair)) == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_canonical_angle_stays_below_a_quarter_turn_beside_the_wrap(dtype):
    at = np.array([turns * math.pi / 2 for turns in (-3, -1, 1, 3)], dtype=dtype)
    beside = np.stack([at, np.nextafter(at, dtype(9)), np.nextafter(at, dtype(-9))])
    found = canonical_angle(torch.from_numpy(beside)).numpy()
    assert found.min() >= dtype(-math.pi / 2)
    assert found.max() < dtype(math.pi / 2)
