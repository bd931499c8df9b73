"""Each head learns a small made-up batch by heart; what has no truth teaches nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from ringmoe_core import RingMoEConfig
from ringmoe_core.heads import (
    HeadConfig,
    ObjectTargets,
    build_head,
    classification_loss,
    decode_detections,
    detection_loss,
    height_loss,
    segmentation_loss,
)
from ringmoe_core.heads.boxes import box_iou
from ringmoe_core.heads.point_series import PointSeries, points_of
from ringmoe_core.heads.rotated_boxes import rotated_iou

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = RingMoEConfig(dim=16, head_dim=8, fusion_dim=16, skip_dim=8, skip_fused_dim=8, map_dim=8)
SIZE = (50, 70)
CLASSES = ("first", "second", "third")
COORDINATES = torch.stack(torch.meshgrid(torch.arange(50) + 0.5, torch.arange(70) + 0.5, indexing="ij"))  # y, x


def paint(pictures_NCHW, seed=0):
    """Full-resolution features and a pyramid whose channels are mixtures of the pictures', and some noise."""
    generator = torch.Generator().manual_seed(seed)
    padded = functional.pad(pictures_NCHW, (0, -SIZE[1] % 4, 0, -SIZE[0] % 4))
    levels = []
    for stride, dim in ((1, 8), (4, 16), (8, 16), (16, 16), (32, 16)):
        pooled = functional.avg_pool2d(padded, stride, ceil_mode=True)
        mixed = functional.conv2d(pooled, torch.randn(dim, pictures_NCHW.shape[1], 1, 1, generator=generator))
        levels.append(mixed + 0.05 * torch.randn(mixed.shape, generator=generator))
    return levels


def make(kind, options=None, classes=CLASSES, seed=1):
    config = HeadConfig(kind=kind, task="made up", class_names=classes, options=options or {})
    return build_head(config, CONFIG, seed=seed)


def learn(head, loss_of, steps, rate=1e-2):
    """The loss after and before so many steps."""
    optimiser = torch.optim.Adam(head.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps)
    first = float(loss_of().detach())
    for _ in range(steps):
        optimiser.zero_grad()
        loss_of().backward()
        optimiser.step()
        schedule.step()
    head.eval()
    return float(loss_of().detach()), first


def gradients(head, loss):
    """All gradients of a loss, absent ones as zero."""
    found = torch.autograd.grad(loss, list(head.parameters()), allow_unused=True)
    return torch.cat([torch.zeros(1) if one is None else one.flatten() for one in found])


@pytest.fixture(scope="module")
def noise():
    return paint(torch.randn(6, 3, *SIZE, generator=torch.Generator().manual_seed(9)))


@pytest.mark.parametrize("pool", ["mean", "attentive"])
def test_classification_learns_by_heart(noise, pool):
    head, labels = make("classification", {"pool": pool}), torch.tensor([0, 1, 2, 2, 1, 0])
    last, first = learn(head, lambda: classification_loss(head(noise[1:]), labels), 30, rate=3e-2)
    assert last < 0.1 < first
    assert head(noise[1:]).argmax(1).tolist() == labels.tolist()
    assert head.probabilities(head(noise[1:])).sum(1).detach().tolist() == pytest.approx([1] * 6)


def test_several_labels_are_learned_each_by_itself(noise):
    head = make("classification", {"multi_label": True})
    labels = torch.tensor([[0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 1, 0], [math.nan, 0, 1], [1, 0, 1]])
    last, _ = learn(head, lambda: classification_loss(head(noise[1:]), labels), 40, rate=5e-2)
    assert last < 0.1
    found = head.probabilities(head(noise[1:]))
    known = ~torch.isnan(labels)
    assert torch.equal((found > 0.5)[known], labels[known] > 0.5)


@pytest.mark.parametrize("fine", [True, False])
def test_segmentation_learns_edges_of_a_pixel_where_fine_features_tell(fine):
    y, x = COORDINATES
    mask = ((x + 0.5 * y) % 23 < 11).long() + ((y > 25) & (x > 33)).long()
    picture = functional.one_hot(mask, 3).permute(2, 0, 1)[None].float()
    levels = paint(picture)
    truth = mask[None].clone()
    truth[0, :5] = 255
    head = make("segmentation", {"channels": 16, "fine": fine})
    given = levels[0] if fine else None
    learn(head, lambda: segmentation_loss(head(levels[1:], SIZE, given), truth), 40, rate=2e-2)
    right = (head(levels[1:], SIZE, given).argmax(1) == mask)[0].float().mean()
    assert right > (0.98 if fine else 0.85)
    with pytest.raises(ValueError, match="option `fine`"):
        head(levels[1:], SIZE, None if fine else levels[0])


BOXES = [[6.0, 8, 20, 17], [40, 10, 47, 16], [22, 25, 62, 47]], [[30.0, 30, 36, 42], [5, 5, 9, 8]]
LABELS = [0, 1, 2], [2, 1]


def object_pictures(shapes):
    """An image an object list, painted with each object's class."""
    y, x = COORDINATES
    pictures = torch.zeros(len(shapes), 3, *SIZE)
    for picture, rows, labels in zip(pictures, shapes, LABELS, strict=True):
        for (cx, cy, w, h, angle), label in zip(rows, labels, strict=True):
            along = (x - cx) * math.cos(angle) + (y - cy) * math.sin(angle)
            across = (y - cy) * math.cos(angle) - (x - cx) * math.sin(angle)
            picture[label][(along.abs() <= w / 2) & (across.abs() <= h / 2)] = 1.0
    return pictures


@pytest.mark.parametrize("kind", ["detection", "rotated"])
def test_detection_learns_objects_by_heart(kind):
    upright = [[[(a + c) / 2, (b + d) / 2, c - a, d - b, 0.0] for a, b, c, d in rows] for rows in BOXES]
    turned = [[[*row[:4], 0.4 - 0.9 * index] for index, row in enumerate(rows)] for rows in upright]
    levels = paint(object_pictures(turned if kind == "rotated" else upright), seed=2)
    rows = turned if kind == "rotated" else BOXES
    targets = [
        ObjectTargets(boxes=torch.tensor(own), labels=torch.tensor(labels))
        for own, labels in zip(rows, LABELS, strict=True)
    ]
    head = make(kind, {"channels": 16, "tower": 1}, seed=3)
    last, first = learn(head, lambda: detection_loss(head(levels[1:], SIZE), targets).total, 60)
    assert last < 0.5 * first
    for found, target in zip(decode_detections(head(levels[1:], SIZE)), targets, strict=True):
        sure = found.above(0.55)
        overlap = (rotated_iou if kind == "rotated" else box_iou)(target.boxes, sure.boxes)
        assert len(sure) == len(target.boxes)
        assert overlap.amax(1).min().item() > 0.6
        assert sure.labels[overlap.argmax(1)].tolist() == target.labels.tolist()
        assert sure.scores.tolist() == sorted(sure.scores.tolist(), reverse=True)


@pytest.mark.parametrize("decoder", ["transformer", "pyramid"])
def test_change_learns_what_came_and_what_went(decoder):
    y, x = COORDINATES
    before, after = ((x - 20) ** 2 + (y - 20) ** 2 < 120).float(), ((x - 45) ** 2 + (y - 25) ** 2 < 150).float()
    truth = (1 * after + 2 * before).long()[None]
    levels = paint(torch.stack([before, after])[:, None])
    first, second = [level[:1] for level in levels], [level[1:] for level in levels]
    head = make("change", {"decoder": decoder, "channels": 16})

    def run(one, other):
        return head(one[1:], other[1:], SIZE, (one[0], other[0]))

    learn(head, lambda: segmentation_loss(run(first, second), truth), 30)
    assert ((run(first, second).argmax(1) == truth).float().mean()) > 0.98
    assert ((run(second, first).argmax(1) == truth).float().mean()) < 0.9, "the order of the dates matters"
    with pytest.raises(ValueError, match="one shape"):
        run(first, [level[..., :-1] for level in second])


def test_height_learns_mean_and_doubt():
    y, x = COORDINATES
    generator = torch.Generator().manual_seed(2)
    block, doubtful = (x > 35).float(), (y > 25).float()
    picture = torch.stack([block, doubtful])[None]
    levels = paint(picture)
    centre = 4 + 20 * block
    head = make("height", {"channels": 16, "num_bins": 16, "lowest_m": 0.0, "highest_m": 40.0}, classes=())

    def draw():
        """Truth that scatters by 0.3 m above and by 3 m below, and is not known on the left."""
        scatter = (0.3 + 2.7 * doubtful) * torch.randn(SIZE, generator=generator)
        truth = (centre + scatter)[None]
        truth[:, :, :4] = math.nan
        return truth

    last, first = learn(head, lambda: height_loss(head(levels[1:], SIZE, levels[0]), draw()), 80, rate=5e-2)
    best = (0.3 + 3.0) / 2 / math.sqrt(math.pi)  # expected score of the distribution that the truth is drawn from
    assert 0.95 * best < last < 1.1 * best < first
    with torch.no_grad():
        found = head(levels[1:], SIZE, levels[0])
    inner = (slice(None), slice(None), slice(6, 66))
    assert (found.mean_m_NHW - centre)[inner].abs().mean() < 0.5
    sure, unsure = (found.sd_m_NHW[0][doubtful == value].median() for value in (0, 1))
    assert 0.2 < sure < 2.2
    assert 2.5 < unsure < 5.5


def point_series(num=40, seed=0):
    """Points of two sensors whose class is when they are green; half have no radar, some dates are not valid."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num) % 3
    day = torch.rand(num, 8, generator=generator)
    green = torch.exp(-((day - (0.25 + 0.25 * labels[:, None])) ** 2) / 0.01)
    values = green[..., None] * torch.ones(4) + 0.1 * torch.randn(num, 8, 4, generator=generator)
    radar = torch.randn(num, 3, 2, generator=generator)
    valid = torch.rand(num, 3, generator=generator) > 0.5
    valid[::2] = False
    return {
        "green": PointSeries(
            values_BTC=values,
            valid_BT=torch.rand(num, 8, generator=generator) > 0.1,
            present_BTC=torch.ones(num, 8, 4, dtype=torch.bool),
            day_BT=day,
        ),
        "radar": PointSeries(
            values_BTC=radar, valid_BT=valid, present_BTC=torch.ones(num, 3, 2).bool(), day_BT=torch.zeros(num, 3)
        ),
    }, labels


def pixel_head():
    return make("pixel_series", {"channels": {"green": 4, "radar": 2}, "dim": 16, "depth": 1})


def test_pixel_series_learns_the_season():
    head = pixel_head()
    points, labels = point_series()
    learn(head, lambda: classification_loss(head(points), labels), 80)
    unseen, truth = point_series(seed=5)
    assert (head(points).argmax(1) == labels).float().mean() > 0.95
    assert (head(unseen).argmax(1) == truth).float().mean() > 0.8


def test_pixel_series_sees_what_is_valid_and_nothing_else():
    head = pixel_head().eval()
    points, _ = point_series()
    plain = head(points)
    green = points["green"]
    spoiled = green.values_BTC.masked_fill(~green.valid_BT[..., None], math.nan)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    shuffled = PointSeries(
        values_BTC=spoiled[:, order],
        valid_BT=green.valid_BT[:, order],
        present_BTC=green.present_BTC[:, order],
        day_BT=green.day_BT[:, order],
    )
    torch.testing.assert_close(head({"green": shuffled, "radar": points["radar"]}), plain, atol=1e-5, rtol=0)
    silent = PointSeries(
        values_BTC=points["radar"].values_BTC,
        valid_BT=torch.zeros(40, 3, dtype=torch.bool),
        present_BTC=points["radar"].present_BTC,
        day_BT=points["radar"].day_BT,
    )
    alone = head({"green": green})
    torch.testing.assert_close(head({"green": green, "radar": silent}), alone, atol=1e-5, rtol=0)
    assert not torch.allclose(alone, plain, atol=1e-3)
    empty = head({"radar": silent})
    assert torch.isfinite(empty).all()
    torch.testing.assert_close(empty, empty[:1].expand_as(empty))
    absent = green.present_BTC.clone()
    absent[..., 1] = False
    fewer = PointSeries(values_BTC=green.values_BTC, valid_BT=green.valid_BT, present_BTC=absent, day_BT=green.day_BT)
    zeroed = PointSeries(
        values_BTC=green.values_BTC.masked_fill(~absent, 0.0),
        valid_BT=green.valid_BT,
        present_BTC=green.present_BTC,
        day_BT=green.day_BT,
    )
    assert not torch.allclose(head({"green": fewer}), head({"green": zeroed}), atol=1e-4), "absent is not zero"


def test_pixels_of_a_series_are_points_in_order(make_series):
    series = make_series("ms", places=2, dates=3, size=(4, 5))
    points = points_of(series)
    index = 1 * 20 + 2 * 5 + 3
    torch.testing.assert_close(points.values_BTC[index], series.pixels_BTCHW[1, :, :, 2, 3])
    assert torch.equal(points.valid_BT[index], series.valid_BTHW[1, :, 2, 3])
    assert torch.equal(points.day_BT[index], series.day_BT[1])


def test_pixel_series_refuses_what_does_not_fit():
    head, (points, _) = pixel_head(), point_series()
    for given, message in (
        ({}, "one or more"),
        ({"thermal": points["green"]}, "thermal"),
        ({"green": points["radar"]}, "4 bands"),
        ({"green": point_series(num=6)[0]["green"], "radar": points["radar"]}, "same points"),
    ):
        with pytest.raises(ValueError, match=message):
            head(given)
    with pytest.raises(ValueError, match="finite"):
        PointSeries(
            values_BTC=torch.full((1, 1, 1), math.nan),
            valid_BT=torch.ones(1, 1).bool(),
            present_BTC=torch.ones(1, 1, 1).bool(),
            day_BT=torch.zeros(1, 1),
        )


def test_no_object_gives_no_gradient_to_boxes(noise):
    for kind, width in (("detection", 4), ("rotated", 5)):
        head = make(kind, {"channels": 16, "tower": 1})
        empty = ObjectTargets(boxes=torch.zeros(0, width), labels=torch.zeros(0, dtype=torch.long))
        losses = detection_loss(head(noise[1:], SIZE), [empty] * 6)
        assert losses.num_points == 0
        assert losses.boxes.item() == losses.centreness.item() == 0
        assert losses.classes.item() > 0
        assert gradients(head, losses.boxes + losses.centreness).abs().max().item() == 0


def test_ignored_objects_neither_teach_nor_punish(noise):
    head = make("detection", {"channels": 16, "tower": 1})
    outputs = head(noise[1:], SIZE)
    everything = ObjectTargets(
        boxes=torch.tensor([[-99.0, -99.0, 199.0, 199.0]]), labels=torch.tensor([77]), ignore=torch.tensor([True])
    )
    losses = detection_loss(outputs, [everything] * 6)
    assert losses.total.item() == 0
    assert gradients(head, losses.total).abs().max().item() == 0


def test_nothing_known_gives_zero_without_gradient(noise):
    head = make("segmentation", {"channels": 16})
    loss = segmentation_loss(head(noise[1:], SIZE, noise[0]), torch.full((6, *SIZE), 255))
    assert loss.item() == 0
    assert gradients(head, loss).abs().max().item() == 0
    head = make("height", {"channels": 16}, classes=())
    loss = height_loss(head(noise[1:], SIZE, noise[0]), torch.full((6, *SIZE), math.nan))
    assert loss.item() == 0
    assert gradients(head, loss).abs().max().item() == 0
    head = make("classification")
    for labels in (torch.full((6,), 255), torch.full((6, 3), math.nan)):
        loss = classification_loss(head(noise[1:]), labels)
        assert loss.item() == 0
        assert gradients(head, loss).abs().max().item() == 0


def test_unknown_heights_change_nothing(noise):
    head = make("height", {"channels": 16}, classes=())
    truth = 10 * torch.rand(6, *SIZE, generator=torch.Generator().manual_seed(0))
    truth[:, ::2] = math.nan
    loss = height_loss(head(noise[1:], SIZE, noise[0]), truth)
    assert torch.isfinite(gradients(head, loss)).all()
    found = head(noise[1:], SIZE, noise[0])
    known = [height_loss(_rows(found), truth[:, 1::2])]
    torch.testing.assert_close(loss, known[0])


def _rows(found):
    return type(found)(
        weights_NZHW=found.weights_NZHW[:, :, 1::2], centres_NZ=found.centres_NZ, spreads_NZ=found.spreads_NZ
    )


def test_labels_outside_and_masks_of_other_size_are_refused(noise):
    logits = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ValueError, match=r"0 to 2 or be 255, got \[7\]"):
        segmentation_loss(logits, torch.full((1, 4, 4), 7))
    with pytest.raises(ValueError, match="cut them alike"):
        segmentation_loss(logits, torch.zeros(1, 4, 5).long())
    with pytest.raises(ValueError, match="match them"):
        classification_loss(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="0 to 1"):
        classification_loss(torch.zeros(2, 3), torch.full((2, 3), 2.0))
    head = make("detection", {"channels": 16, "tower": 1})
    outputs = head([level[:1] for level in noise[1:]], SIZE)
    box = torch.tensor([[1.0, 1, 5, 5]])
    with pytest.raises(ValueError, match="labels must lie in 0 to 2"):
        detection_loss(outputs, [ObjectTargets(boxes=box, labels=torch.tensor([3]))])
    with pytest.raises(ValueError, match="each of 1 images"):
        detection_loss(outputs, [])
    with pytest.raises(ValueError, match=r"\(n, 4\)"):
        detection_loss(outputs, [ObjectTargets(boxes=torch.ones(1, 5), labels=torch.tensor([0]))])
    with pytest.raises(ValueError, match="this head reads 4 levels, got 3"):
        head(noise[2:], SIZE)


def test_class_weights_are_those_of_cross_entropy():
    logits = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    mask = torch.randint(0, 3, (2, 5, 5), generator=torch.Generator().manual_seed(1))
    mask[0, 0] = 255
    weights = torch.tensor([0.2, 1.0, 3.0])
    wanted = functional.cross_entropy(logits, mask, weight=weights, ignore_index=255)
    torch.testing.assert_close(segmentation_loss(logits, mask, class_weights_K=weights), wanted)
