"""Heads learn what can be learned, and a split of any length needs the memory of a short one."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.sample import (
    IGNORE,
    BenchmarkImage,
    BoxesTarget,
    ClassTarget,
    MaskTarget,
    Sample,
    TrackTarget,
)
from pipelines.training.metrics import Resampling, metric_for
from pipelines.training.metrics.prediction import BoxesPrediction, MaskPrediction
from pipelines.training.protocols.answer import answer
from pipelines.training.protocols.few_shot import training_order
from pipelines.training.protocols.head_choice import head_config
from pipelines.training.protocols.inputs import sample_images
from pipelines.training.protocols.learn import learn
from pipelines.training.protocols.lesson import HEAD, Lesson
from pipelines.training.protocols.linear import set_prototypes
from pipelines.training.protocols.settings import Settings
from pipelines.training.protocols.stream import stream, stream_videos
from ringmoe_core import RingMoE, RingMoEConfig
from ringmoe_core.heads import build_head
from ringmoe_core.task_model import TaskModel

FEW = Resampling(num_replicates=20)


class Made:
    """A benchmark out of a function."""

    def __init__(self, task, classes, num, make):
        self.info = BenchmarkInfo(
            name="made", title="Made up", task=task, classes=classes, splits=("train",), metrics=("x",), home="-",
            licence="-", layout="-", citation="-",
        )  # fmt: skip
        self._num, self._make = num, make

    def __len__(self):
        return self._num

    def __getitem__(self, index):
        return self._make(index)


def picture(shade, size=32, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.normal(np.asarray(shade), 0.005, (3, size, size)).astype(np.float32)
    return BenchmarkImage(
        pixels=pixels, bands=("red", "green", "blue"), valid=np.ones((size, size), dtype=np.bool_), modality="optical",
        unit="reflectance",
    )  # fmt: skip


def shaded(index):
    """Dark pictures are of class 0, bright ones of class 1."""
    label = index % 2
    return Sample(id=str(index), images=(picture(0.03 + 0.2 * label, seed=index),), target=ClassTarget(label=label))


def halves(index):
    """The left half is dark and of class 0, the right bright and of class 1; a column must not count."""
    shade = np.full((1, 32, 32), 0.03)
    shade[..., 16:] = 0.25
    mask = (shade[0] > 0.1).astype(np.int64)
    mask[:, 0] = IGNORE
    return Sample(id=str(index), images=(picture(shade, seed=index),), target=MaskTarget(mask=mask))


@pytest.fixture(scope="module")
def model():
    config = RingMoEConfig(
        dim=8, depths=(1, 1, 1, 1), head_dim=8, fusion_dim=16, map_dim=8, skip_dim=8, skip_fused_dim=8,
        num_specialised=1, num_collaborative=1,
    )  # fmt: skip
    return RingMoE(config, seed=0).eval()


def scored(model, benchmark, settings, num_test=8):
    head = build_head(head_config(benchmark.info, settings.protocol), model.config, seed=0)
    task = TaskModel(model, {HEAD: head})
    lesson = Lesson(
        task=task, benchmark=benchmark, trained=("optical",), settings=settings,
        chosen=tuple(training_order(benchmark, settings)),
    )  # fmt: skip
    learned = learn(lesson)
    metric = metric_for(benchmark.info.task, len(benchmark.info.classes), FEW)
    test = Made(benchmark.info.task, benchmark.info.classes, num_test, lambda index: benchmark[index + 1000])
    stream(
        test, lambda s: answer(task, sample_images(s, ("optical",), pair=False), s_task(test), settings, 1.0), metric
    )
    return metric.compute(), learned


def s_task(benchmark):
    return benchmark.info.task


@pytest.mark.parametrize("protocol", ["linear", "prototype"])
def test_what_is_separable_is_told_apart(model, protocol):
    benchmark = Made("classification", ("dark", "bright"), 12, shaded)
    numbers, learned = scored(model, benchmark, Settings(protocol=protocol, window=32, overlap=0))
    assert numbers["overall_accuracy"] == 1
    assert learned.num_samples == 12


@pytest.mark.parametrize(("protocol", "least"), [("prototype", 0.9), ("linear", 0.9)])
def test_pixels_that_are_separable_are_told_apart(model, protocol, least):
    benchmark = Made("segmentation", ("dark", "bright"), 6, halves)
    settings = Settings(protocol=protocol, window=32, overlap=0, steps=60, batch=2, learning_rate=0.05)
    numbers, _ = scored(model, benchmark, settings, num_test=3)
    assert numbers["mean_iou"] > least


def test_the_backbone_stays_as_it_is(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    benchmark = Made("segmentation", ("dark", "bright"), 4, halves)
    scored(model, benchmark, Settings(protocol="finetune", window=32, overlap=0, steps=2, batch=1), num_test=1)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_prototypes_take_the_nearest_mean():
    """Against distances worked out one by one; a class that was not shown is never taken."""
    generator = torch.Generator().manual_seed(0)
    features, means = torch.randn(50, 6, generator=generator), torch.randn(4, 6, generator=generator)
    counts = torch.tensor([3.0, 5, 0, 2])
    layer = torch.nn.Linear(6, 4)
    set_prototypes(layer.weight, layer.bias, means * counts[:, None], counts)
    distance = ((features[:, None] - means) ** 2).sum(2)
    distance[:, 2] = torch.inf
    assert torch.equal(layer(features).argmax(1), distance.argmin(1))


def test_samples_that_teach_nothing_are_told():
    def broken(index):
        raise SampleError(f"{index}.jpg", "is broken", "mend it")

    model = RingMoE(RingMoEConfig(dim=8, head_dim=8, fusion_dim=16, map_dim=8, skip_dim=8, skip_fused_dim=8), seed=0)
    benchmark = Made("classification", ("dark", "bright"), 3, broken)
    for protocol in ("linear", "prototype", "finetune"):
        with pytest.raises(ValueError, match=r"none of 3 can; the first: \d.jpg: is broken; mend it"):
            scored(model, benchmark, Settings(protocol=protocol, window=32, overlap=0))


def test_samples_that_say_nothing_are_left_out_by_name():
    """All pixels ignored, or all of the image missing: neither counts, both are told."""

    def made(index):
        mask, image = np.zeros((8, 8), dtype=np.int64), picture(0.1, size=8)
        if index == 0:
            mask[:] = IGNORE
        if index == 1:
            image = BenchmarkImage(
                pixels=np.full((3, 8, 8), np.nan, dtype=np.float32), bands=image.bands, valid=np.zeros((8, 8), bool),
                modality="optical", unit="reflectance",
            )  # fmt: skip
        return Sample(id=f"n{index}", images=(image,), target=MaskTarget(mask=mask))

    def said(sample):
        try:
            sample_images(sample, ("optical",), pair=False)
        except ValueError as error:
            raise SampleError(sample.id, str(error), "-") from error
        return MaskPrediction(mask=sample.target.mask)

    streamed = stream(Made("segmentation", ("a", "b"), 4, made), said, metric_for("segmentation", 2, FEW))
    assert (streamed.num_images, streamed.num_units, streamed.num_skipped) == (2, 2, 2)
    assert "n0: must have a pixel whose truth is known" in streamed.reasons[0]
    assert "sample n1 must have a valid pixel" in streamed.reasons[1]


def test_shots_take_so_many_of_each_class_and_repeat():
    benchmark = Made("classification", ("dark", "bright"), 40, shaded)
    taken = training_order(benchmark, Settings(protocol="linear", shots=3, seed=4))
    assert sorted(index % 2 for index in taken) == [0] * 3 + [1] * 3
    assert taken == training_order(benchmark, Settings(protocol="linear", shots=3, seed=4))
    assert taken != training_order(benchmark, Settings(protocol="linear", shots=3, seed=5))


def test_a_share_is_drawn_from_the_whole_split():
    benchmark = Made("classification", ("dark", "bright"), 200, shaded)
    taken = training_order(benchmark, Settings(protocol="linear", train_share=0.1))
    assert len(set(taken)) == 20
    assert max(taken) > 100


def peak_bytes(num):
    """Most memory that a split of `num` masks of 64 kB takes while it is scored, with what the metric keeps."""

    def made(index):
        mask = np.random.default_rng(index).integers(0, 3, (32, 256))
        return Sample(id=str(index), images=(picture(0.1, size=4),), target=MaskTarget(mask=mask))

    metric = metric_for("segmentation", 3, FEW)
    tracemalloc.start()
    stream(Made("segmentation", ("a", "b", "c"), num, made), lambda s: MaskPrediction(mask=s.target.mask), metric)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_a_long_split_takes_the_memory_of_a_short_one():
    """Held masks would take 64 kB each: 1,000 of them 64 MB. A tenth of one is allowed for all."""
    assert peak_bytes(1000) < peak_bytes(20) + 6_400


def test_of_a_video_boxes_are_kept_and_linked():
    """A box that moves two pixels a frame is one track, whose number lasts; pixels of earlier frames are gone."""
    import weakref

    held = []

    def frame(index):
        image = picture(0.1, size=64, seed=index)
        held.append(weakref.ref(image.pixels))
        box = np.array([[10 + 2 * index, 10, 30 + 2 * index, 30]], dtype=np.float32)
        one, none = np.array([1]), np.array([False])
        target = TrackTarget(frame=index + 1, ids=one, boxes=box, labels=one * 0, ignore=none)
        return Sample(id=str(index), images=(image,), target=target, sequence="v")

    def boxes(sample):
        assert sum(one() is not None for one in held) <= 2
        found = sample.target
        return BoxesPrediction(boxes=found.boxes, scores=np.array([0.9], dtype=np.float32), labels=found.labels)

    metric = metric_for("tracking", 1, FEW)
    streamed = stream_videos(Made("tracking", ("ship",), 6, frame), boxes, metric)
    assert (streamed.num_images, streamed.num_units) == (6, 1)  # one video
    assert metric.compute() == pytest.approx({"mota": 1, "idf1": 1, "hota": 1})


@pytest.mark.slow
def test_a_detector_learns_to_find_a_bright_square(model):
    def square(index):
        rng = np.random.default_rng(index)
        left, top = (int(value) for value in rng.integers(4, 36, 2))
        shade = np.full((1, 64, 64), 0.03)
        shade[:, top : top + 20, left : left + 20] = 0.3
        target = BoxesTarget(
            boxes=np.array([[left, top, left + 20, top + 20]], dtype=np.float32), labels=np.array([0]),
            ignore=np.array([False]),
        )  # fmt: skip
        return Sample(id=str(index), images=(picture(shade, size=64, seed=index),), target=target)

    benchmark = Made("detection", ("square",), 30, square)
    settings = Settings(protocol="finetune", window=64, overlap=0, steps=60, batch=4, learning_rate=5e-3)
    numbers, learned = scored(model, benchmark, settings, num_test=6)
    assert numbers["map50"] > 0.5
    assert learned.last_loss < 2


@pytest.mark.parametrize("adapt", ["lora", "full"])
def test_the_backbone_learns_where_it_is_to(adapt):
    """It changes, keeps its tensors' names, wants no gradient afterwards, and what is separable is told apart."""
    model = RingMoE(RingMoEConfig(dim=8, depths=(1, 1, 1, 1), head_dim=8, fusion_dim=16, map_dim=8, skip_dim=8,
        skip_fused_dim=8, num_specialised=1, num_collaborative=1), seed=0).eval()  # fmt: skip
    before = {name: value.clone() for name, value in model.state_dict().items()}
    benchmark = Made("classification", ("dark", "bright"), 12, shaded)
    settings = Settings(protocol="finetune", adapt=adapt, window=32, overlap=0, steps=25, batch=4, learning_rate=1e-2)
    numbers, learned = scored(model, benchmark, settings)
    after = model.state_dict()
    assert set(after) == set(before)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("encoder.") for name in changed)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert numbers["overall_accuracy"] == 1
    head = scored(model, benchmark, Settings(protocol="finetune", window=32, overlap=0, steps=1))[1].num_parameters
    assert learned.num_parameters > head + (10_000 if adapt == "full" else 100)


def test_the_last_loss_of_a_linear_head_is_that_at_its_end(model):
    """Of two classes told apart it is far below that of a head that says nothing, ln 2."""
    benchmark = Made("classification", ("dark", "bright"), 12, shaded)
    _, learned = scored(model, benchmark, Settings(protocol="linear", window=32, overlap=0), num_test=1)
    assert learned.last_loss < 0.2


def test_samples_that_shots_pass_by_are_told():
    def made(index):
        if index == 3:
            raise SampleError("3.jpg", "is broken", "mend it")
        return shaded(index)

    told = []
    training_order(
        Made("classification", ("dark", "bright"), 6, made), Settings(protocol="linear", shots=9), told.append
    )
    assert told == ["3.jpg: is broken; mend it"]
