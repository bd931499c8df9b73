from __future__ import annotations

import math

import pytest
import torch

from ringmoe_core.heads.detection import level_points
from ringmoe_core.heads.detection_targets import BACKGROUND, IGNORED, assign_targets
from ringmoe_core.heads.detections import ObjectTargets

SIZE, STRIDES = 128, (4, 8, 16, 32)


def grid():
    points = [level_points((SIZE // stride, SIZE // stride), stride, torch.device("cpu")) for stride in STRIDES]
    strides = [torch.full((len(own),), float(stride)) for own, stride in zip(points, STRIDES, strict=True)]
    return torch.cat(points), torch.cat(strides)


def targets(rows, ignore=None):
    boxes = torch.tensor(rows, dtype=torch.float32)
    flags = None if ignore is None else torch.tensor(ignore)
    return ObjectTargets(boxes=boxes, labels=torch.zeros(len(boxes), dtype=torch.long), ignore=flags)


def slow_assign(points, strides, rows, ignore):
    """Point by point, object by object, of horizontal boxes."""
    sides = [max(x2 - x1, y2 - y1) for x1, y1, x2, y2 in rows]
    levels = [next((s for s in STRIDES if side <= 8 * s), STRIDES[-1]) for side in sides]
    owners = [[] for _ in range(len(points))]
    hidden = [False] * len(points)
    for number, (x1, y1, x2, y2) in enumerate(rows):
        cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
        own = []
        for index, (x, y) in enumerate(points):
            inside = x1 <= x <= x2 and y1 <= y <= y2
            near = max(abs(x - cx), abs(y - cy)) <= 1.5 * strides[index]
            if inside and ignore[number]:
                hidden[index] = True
            if inside and near and strides[index] == levels[number] and not ignore[number]:
                own.append(index)
        if not own and not ignore[number]:
            level = [i for i in range(len(points)) if strides[i] == levels[number]]
            own = [min(level, key=lambda i: math.hypot(points[i][0] - cx, points[i][1] - cy))]
        for index in own:
            owners[index].append(number)
    area = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in rows]
    chosen = [min(own, key=lambda n: (area[n], n)) if own else BACKGROUND for own in owners]
    return [IGNORED if c == BACKGROUND and h else c for c, h in zip(chosen, hidden, strict=True)]


def test_assignment_equals_a_slow_loop():
    points, strides = grid()
    generator = torch.Generator().manual_seed(4)
    corner = 90 * torch.rand(25, 2, generator=generator)
    sides = torch.tensor([1.5, 40.0])[torch.randint(0, 2, (25, 1), generator=generator)] + 30 * torch.rand(
        25, 2, generator=generator
    ).pow(3)
    rows = torch.cat([corner, corner + sides], 1)
    ignore = (torch.rand(25, generator=generator) < 0.2).tolist()
    found = assign_targets(points, strides, targets(rows.tolist(), ignore))
    assert found.object_P.tolist() == slow_assign(points.tolist(), strides.tolist(), rows.tolist(), ignore)
    assert (found.object_P == IGNORED).any()


@pytest.mark.parametrize(("side", "stride"), [(5, 4), (32, 4), (33, 8), (64, 8), (100, 16), (128, 16), (500, 32)])
def test_objects_go_to_the_level_of_their_size(side, stride):
    points, strides = grid()
    found = assign_targets(points, strides, targets([[64 - side / 2, 64 - side / 2, 64 + side / 2, 64 + side / 2]]))
    assert set(strides[found.object_P == 0].tolist()) == {float(stride)}


def test_object_between_the_cells_takes_the_nearest_point():
    points, strides = grid()
    found = assign_targets(points, strides, targets([[19.0, 19.2, 21.0, 20.4]]))
    own = (found.object_P == 0).nonzero().squeeze(1)
    assert points[own].tolist() == [[18.0, 18.0]]
    assert found.centreness_P[own].tolist() == [1.0], "it is all that the object has"


def test_smaller_of_two_objects_wins():
    points, strides = grid()
    found = assign_targets(points, strides, targets([[40, 40, 70, 70], [50, 50, 60, 60]]))
    at = (points == torch.tensor([54.0, 54.0])).all(1) & (strides == 4)
    assert found.object_P[at].tolist() == [1]


def test_centreness_is_that_of_fcos_beside_the_best_point():
    points, strides = grid()
    found = assign_targets(points, strides, targets([[40.0, 44.0, 60.0, 58.0], [81.0, 82.0, 89.5, 88.0]]))
    for number, (x1, y1, x2, y2) in enumerate([[40.0, 44.0, 60.0, 58.0], [81.0, 82.0, 89.5, 88.0]]):
        own = (found.object_P == number).nonzero().squeeze(1)
        plain = []
        for x, y in points[own].tolist():
            left, right, top, bottom = x - x1, x2 - x, y - y1, y2 - y
            plain.append(math.sqrt(min(left, right) / max(left, right) * min(top, bottom) / max(top, bottom)))
        wanted = [value / max(plain) for value in plain]
        assert found.centreness_P[own].tolist() == pytest.approx(wanted, abs=1e-5)
        assert len(own) > 1
    assert float(found.centreness_P[found.object_P < 0].abs().sum()) == 0


def test_rotated_objects_take_points_inside_their_own_outline():
    points, strides = grid()
    long = torch.tensor([[64.0, 64.0, 30.0, 5.0, 0.6]])
    found = assign_targets(points, strides, ObjectTargets(boxes=long, labels=torch.zeros(1).long()))
    own = points[found.object_P == 0] - 64
    along = own @ torch.tensor([math.cos(0.6), math.sin(0.6)])
    across = own @ torch.tensor([-math.sin(0.6), math.cos(0.6)])
    assert len(own) >= 2
    assert float(along.abs().max()) <= 15
    assert float(across.abs().max()) <= 2.5
    # upright, the same as a horizontal box
    upright = ObjectTargets(boxes=torch.tensor([[50.0, 51.0, 20.0, 14.0, 0.0]]), labels=torch.zeros(1).long())
    flat = targets([[40.0, 44.0, 60.0, 58.0]])
    first, second = assign_targets(points, strides, upright), assign_targets(points, strides, flat)
    assert torch.equal(first.object_P, second.object_P)
    torch.testing.assert_close(first.centreness_P, second.centreness_P)


def test_no_object_is_all_background():
    points, strides = grid()
    empty = ObjectTargets(boxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    found = assign_targets(points, strides, empty)
    assert set(found.object_P.tolist()) == {BACKGROUND}
    assert float(found.centreness_P.sum()) == 0
