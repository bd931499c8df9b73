from __future__ import annotations

import copy

import pytest
import torch

from ringmoe_core import RingMoE, RingMoEConfig, TaskModel
from ringmoe_core.adapt import add_lora, freeze, trainable_parameters
from ringmoe_core.heads import HeadConfig, apply_temperature, build_head, detection_loss, height_loss
from ringmoe_core.heads.detection_outputs import DetectionOutputs
from ringmoe_core.heads.detections import ObjectTargets
from ringmoe_core.heads.height_prediction import HeightPrediction

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = (50, 70)
CLASSES = ("a", "b", "c")
NARROW = {"channels": 16}
HEADS = {
    "scene": HeadConfig(kind="classification", task="scene", class_names=CLASSES, options={"pool": "attentive"}),
    "cover": HeadConfig(kind="segmentation", task="cover", class_names=CLASSES, options=NARROW),
    "plain": HeadConfig(kind="segmentation", task="plain", class_names=CLASSES, options={"decoder": "linear"}),
    "boxes": HeadConfig(kind="detection", task="boxes", class_names=CLASSES, options=NARROW),
    "turned": HeadConfig(kind="rotated", task="turned", class_names=CLASSES, options=NARROW),
    "change": HeadConfig(kind="change", task="change", class_names=CLASSES, options=NARROW),
    "other": HeadConfig(kind="change", task="other", class_names=CLASSES, options={"decoder": "pyramid", **NARROW}),
    "linear": HeadConfig(kind="change", task="linear", class_names=CLASSES, options={"decoder": "linear"}),
    "height": HeadConfig(kind="height", task="height", options=NARROW),
    "pixel": HeadConfig(kind="pixel", task="pixel", class_names=CLASSES),
    "series": HeadConfig(kind="pixel_series", task="series", class_names=CLASSES, options={"dim": 16, "depth": 1}),
}
PAIRS = ("change", "other", "linear")


@pytest.fixture(scope="module")
def config():
    return RingMoEConfig(
        dim=16, head_dim=8, depths=(1, 1, 1, 1), fusion_dim=16, skip_dim=8, skip_fused_dim=8, map_dim=8
    )


@pytest.fixture(scope="module")
def built(config):
    return TaskModel(RingMoE(config, seed=1), {name: build_head(one, config) for name, one in HEADS.items()}).eval()


@pytest.fixture
def task(built):
    yield built
    built.zero_grad()
    built.requires_grad_()


@pytest.fixture
def series(make_series):
    return {
        "sar_l2": make_series("sar_l2", places=2, dates=2, size=SIZE, seed=1),
        "ms": make_series("ms", places=2, dates=2, size=SIZE, seed=2),
    }


def halves():
    """First dates against second ones."""
    membership = torch.zeros(2, 2, 4, dtype=torch.bool)
    membership[:, 0, 0::2] = True
    membership[:, 1, 1::2] = True
    return membership


def tensors_of(output):
    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, DetectionOutputs):
        return [output.logits_NPK, output.boxes_NPG, output.centreness_NP]
    assert isinstance(output, HeightPrediction)
    return [output.mean_m_NHW, output.sd_m_NHW]


def run(task, name, series):
    return task.run(name, series, halves() if name in PAIRS else None)


SHAPES = {
    "scene": [(2, 3)],
    "boxes": [(2, 323, 3), (2, 323, 4), (2, 323)],
    "turned": [(2, 323, 3), (2, 323, 6), (2, 323)],
    "height": [(2, *SIZE), (2, *SIZE)],
}


@pytest.mark.parametrize("name", HEADS)
def test_every_head_runs_on_odd_sizes_in_half_precision_too(built, series, name):
    with torch.no_grad():
        full = tensors_of(run(built, name, series))
        with torch.autocast("cpu", torch.bfloat16):
            half = tensors_of(run(built, name, series))
    assert [tuple(one.shape) for one in full] == SHAPES.get(name, [(2, 3, *SIZE)])
    for one, other in zip(full, half, strict=True):
        assert torch.isfinite(one).all()
        assert torch.isfinite(other).all()
        assert (one - other.float()).abs().max() < 0.1 * (1 + one.abs().max())


@pytest.mark.parametrize("name", HEADS)
def test_gradient_reaches_the_backbone_when_asked(task, make_series, name):
    series = {modality: make_series(modality, dates=2, size=(20, 28)) for modality in ("sar_l2", "ms")}
    for learns in (True, False):
        task.zero_grad()
        if not learns:
            freeze(task.model)
        sum(one.float().square().mean() for one in tensors_of(run(task, name, series))).backward()
        reached = [p for p in task.model.encoder.parameters() if p.grad is not None and bool((p.grad != 0).any())]
        assert bool(reached) == (learns and name != "series")
        own = [p for p in task.heads[name].parameters() if p.grad is not None and bool((p.grad != 0).any())]
        assert own
        if name == "series":
            break


def test_frozen_backbone_keeps_no_graph_and_adapters_bring_it_back(built, series):
    task = copy.deepcopy(built)
    freeze(task.model)
    assert not task.pyramid(series).levels[1].requires_grad
    add_lora(task.model)
    assert task.pyramid(series).levels[1].requires_grad
    count = trainable_parameters(task)
    assert set(count.by_part) == {"model", "heads"}
    with torch.no_grad():
        assert not task.pyramid(series).levels[1].requires_grad


@pytest.mark.parametrize("name", ["boxes", "turned", "height"])
def test_losses_in_half_precision_are_finite(task, series, name):
    with torch.autocast("cpu", torch.bfloat16):
        output = task.run(name, series)
        if name == "height":
            loss = height_loss(output, 30 * torch.rand(2, *SIZE, generator=torch.Generator().manual_seed(0)))
        else:
            box = [10.0, 10, 30, 24] if name == "boxes" else [20.0, 17, 20, 14, 0.5]
            targets = ObjectTargets(boxes=torch.tensor([box]), labels=torch.tensor([1]))
            loss = detection_loss(output, [targets] * 2).total
    loss.backward()
    found = [parameter.grad for parameter in task.parameters() if parameter.grad is not None]
    assert torch.isfinite(loss)
    assert all(bool(torch.isfinite(one).all()) for one in found)


def test_all_images_of_a_place_are_one_group_by_default(task, series):
    everything = torch.ones(2, 1, 4, dtype=torch.bool)
    with torch.no_grad():
        assert torch.equal(task.run("cover", series), task.run("cover", series, everything))
        one_by_one = task.run("cover", series, torch.eye(4, dtype=torch.bool).expand(2, 4, 4))
    assert one_by_one.shape == (8, 3, *SIZE)


def test_groups_are_compared_in_pairs_in_order(task, series):
    """Groups 0 and 1, then 2 and 3, of the first place, then of the second."""
    four = torch.eye(4, dtype=torch.bool).expand(2, 4, 4)
    with torch.no_grad():
        together = task.run("other", series, four)
        apart = [task.run("other", series, four[:, pair]) for pair in ([0, 1], [2, 3])]
    for place in range(2):
        for index, pair in enumerate(apart):
            torch.testing.assert_close(together[2 * place + index], pair[place], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(apart[0], apart[1], atol=1e-3)


def test_heads_share_one_run_of_the_backbone(task, series):
    with torch.no_grad():
        fused = task.pyramid(series)
        assert torch.equal(task.apply_head("cover", fused), task.run("cover", series))
        assert torch.equal(task.apply_head("plain", fused), task.run("plain", series))
    with pytest.raises(ValueError, match="call `run`"):
        task.apply_head("series", fused)


def test_series_head_keeps_pixels_in_their_places(task, series):
    with torch.no_grad():
        whole = task.run("series", series)
        row = {
            name: type(one)(
                pixels_BTCHW=one.pixels_BTCHW[..., 17:18, :],
                valid_BTHW=one.valid_BTHW[..., 17:18, :],
                present_BTC=one.present_BTC,
                day_BT=one.day_BT,
            )
            for name, one in series.items()
        }
        torch.testing.assert_close(task.run("series", row), whole[:, :, 17:18], atol=1e-5, rtol=1e-5)


def test_what_cannot_be_asked(task, series, config):
    with pytest.raises(ValueError, match="got 'roads'"):
        task.run("roads", series)
    with pytest.raises(ValueError, match="images before and after"):
        task.run("change", series)
    with pytest.raises(ValueError, match="got 3 groups"):
        task.run("change", series, torch.ones(2, 3, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="membership must be bool"):
        task.run("cover", series, torch.ones(2, 1, 3, dtype=torch.bool))
    own = HeadConfig(kind="pixel", task="own", class_names=CLASSES, options={"statistics": 4})
    with pytest.raises(ValueError, match="4 statistics"):
        TaskModel(task.model, {"own": build_head(own, config)}).run("own", series)
    with pytest.raises(ValueError, match="says what it reads"):
        TaskModel(task.model, {"mine": torch.nn.Linear(1, 1)})


def test_temperature_keeps_the_order_and_cools_the_confidence():
    logits = torch.tensor([[2.0, 1.0, -1.0]])
    cooler, sharper = (torch.softmax(apply_temperature(logits, t), 1) for t in (2.0, 0.5))
    torch.testing.assert_close(cooler, torch.softmax(torch.tensor([[1.0, 0.5, -0.5]]), 1))
    assert cooler.argmax() == sharper.argmax() == 0
    assert cooler.max() < torch.softmax(logits, 1).max() < sharper.max()
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="above 0 and finite"):
            apply_temperature(logits, wrong)
