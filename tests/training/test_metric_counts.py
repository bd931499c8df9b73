"""Classes, masks and labels: each number against one worked out by hand, and against another library."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.training.benchmarks.sample import IGNORE, ClassTarget, LabelsTarget, MaskTarget
from pipelines.training.metrics.classification import ClassMetric
from pipelines.training.metrics.masks import MaskMetric
from pipelines.training.metrics.multi_label import LabelsMetric, weighted_average_precision
from pipelines.training.metrics.prediction import ClassScores, LabelScores, MaskPrediction
from pipelines.training.metrics.resampling import Resampling

FEW = Resampling(seed=1, num_replicates=20)


def scores(*values):
    return ClassScores(scores=np.array(values, dtype=np.float32))


def fill(metric, pairs, order=None):
    for index in order if order is not None else range(len(pairs)):
        prediction, target = pairs[index]
        metric.update(prediction, target, image=f"image {index}")
    return metric


def test_classes_by_hand():
    """Five images: true 0 0 1 1 2, answered 0 1 1 1 0.

    OA 3/5. Found: 1/2, 2/2, 0/1, mean 1/2. F1: 2*1/(2+1+1) = 1/2, 2*2/(4+1+0) = 4/5, 0; mean 13/30.
    """
    answers = [scores(9, 1, 0), scores(1, 9, 0), scores(0, 5, 1), scores(1, 2, 1), scores(3, 1, 2)]
    pairs = [(a, ClassTarget(label=t)) for a, t in zip(answers, (0, 0, 1, 1, 2), strict=True)]
    found = fill(ClassMetric(3, FEW), pairs).compute()
    assert found == pytest.approx({"overall_accuracy": 0.6, "macro_f1": 13 / 30, "mean_class_accuracy": 0.5})


def test_first_five_by_hand():
    """Seven classes; the true class has rank 5, 6 and 1: two of three are among the first five."""
    falling = scores(7, 6, 5, 4, 3, 2, 1)
    pairs = [(falling, ClassTarget(label=t)) for t in (4, 5, 0)]
    assert fill(ClassMetric(7, FEW), pairs).compute()["top_5_accuracy"] == pytest.approx(2 / 3)


def test_classes_agree_with_scikit_learn():
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

    rng = np.random.default_rng(0)
    true, logits = rng.integers(0, 6, 300), rng.normal(size=(300, 6)).astype(np.float32)
    pairs = [(ClassScores(scores=s), ClassTarget(label=int(t))) for s, t in zip(logits, true, strict=True)]
    found = fill(ClassMetric(6, FEW), pairs).compute()
    answered = logits.argmax(axis=1)
    assert found["overall_accuracy"] == pytest.approx(accuracy_score(true, answered))
    assert found["macro_f1"] == pytest.approx(f1_score(true, answered, average="macro"))
    assert found["mean_class_accuracy"] == pytest.approx(balanced_accuracy_score(true, answered))


def mask(*rows):
    return np.array(rows, dtype=np.int64)


def test_segmentation_by_hand():
    """Nine pixels, one of them IGNORE; class 3 never occurs and is left out of the means.

    True 0 0 0 1 1 1 2 2, answered 0 0 1 1 1 2 2 0. OA 5/8.
    IoU: 2/(3+3-2) = 1/2, 2/(3+3-2) = 1/2, 1/(2+2-1) = 1/3; mean 4/9. F1: 4/6, 4/6, 2/4; mean 11/18.
    """
    truth = MaskTarget(mask=mask([0, 0, 0], [1, 1, 1], [2, 2, IGNORE]))
    answer = MaskPrediction(mask=mask([0, 0, 1], [1, 1, 2], [2, 0, 3]))
    metric = MaskMetric(4, FEW)
    metric.update(answer, truth, image="a")
    assert metric.compute() == pytest.approx({"mean_iou": 4 / 9, "overall_accuracy": 5 / 8, "macro_f1": 11 / 18})
    np.testing.assert_allclose(metric.by_class()["iou"], [1 / 2, 1 / 2, 1 / 3, np.nan])


def test_segmentation_agrees_with_torchmetrics():
    import torch
    from torchmetrics.classification import MulticlassJaccardIndex

    rng = np.random.default_rng(3)
    metric, other = MaskMetric(5, FEW), MulticlassJaccardIndex(5, ignore_index=IGNORE)
    for image in range(4):
        truth, answer = rng.integers(0, 5, (16, 12)), rng.integers(0, 5, (16, 12))
        truth[:3] = IGNORE
        metric.update(MaskPrediction(mask=answer), MaskTarget(mask=truth), image=str(image))
        other.update(torch.from_numpy(answer), torch.from_numpy(truth))
    assert metric.compute()["mean_iou"] == pytest.approx(float(other.compute()))


def test_change_by_hand():
    """Eight pixels: 2 hits, 1 false, 1 missed, 4 right rejections.

    Precision 2/3, recall 2/3, F1 2/3, IoU 2/4, OA 6/8. A pixel that must not count changes nothing.
    """
    truth = MaskTarget(mask=mask([1, 1, 1, 0, 0], [0, 0, 0, IGNORE, IGNORE]))
    answer = MaskPrediction(mask=mask([1, 1, 0, 1, 0], [0, 0, 0, 1, 0]))
    metric = MaskMetric(2, FEW, change=True)
    metric.update(answer, truth, image="a")
    expected = {"f1": 2 / 3, "iou": 1 / 2, "precision": 2 / 3, "recall": 2 / 3, "overall_accuracy": 6 / 8}
    assert metric.compute() == pytest.approx(expected)


def test_a_mask_that_must_not_count_at_all_gives_no_number():
    metric = MaskMetric(2, FEW)
    metric.update(MaskPrediction(mask=mask([0, 1])), MaskTarget(mask=mask([IGNORE, IGNORE])), image="a")
    assert all(np.isnan(value) for value in metric.compute().values())
    assert all(found is None for found in metric.intervals().values())


@pytest.mark.parametrize(("answer", "truth"), [(2, 0), (0, 2), (-1, 0)])
def test_labels_outside_the_classes_are_refused(answer, truth):
    metric = MaskMetric(2, FEW)
    with pytest.raises(ValueError, match="must be 0 to 1"):
        metric.update(MaskPrediction(mask=mask([answer])), MaskTarget(mask=mask([truth])), image="a")


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"must be \(1, 2\)"):
        MaskMetric(2, FEW).update(MaskPrediction(mask=mask([0])), MaskTarget(mask=mask([0, 1])), image="a")


def labels(values, true):
    return LabelScores(scores=np.array(values, dtype=np.float32)), LabelsTarget(labels=true)


def test_labels_by_hand():
    """Four images, two classes.

    Class 0: scores 0.9 + 0.8 - 0.7 + 0.1 -: AP = 1/2 * 1 + 1/2 * 2/3 = 5/6. At 0.5: 2 hits, 1 false: F1 4/5.
    Class 1: scores 0.6 - 0.4 + 0.3 - 0.2 +: AP = 1/2 * 1/2 + 1/2 * 2/4 = 1/2. At 0.5: 0 hits, 1 false, 2 missed: 0.
    mAP 2/3, macro F1 2/5, micro F1 2*2 / (2*2 + 2 false + 2 missed) = 1/2.
    """
    pairs = [labels((0.9, 0.6), (0,)), labels((0.8, 0.4), (1,)), labels((0.7, 0.3), (0,)), labels((0.1, 0.2), (1,))]
    found = fill(LabelsMetric(2, FEW), pairs).compute()
    assert found == pytest.approx({"mean_average_precision": 2 / 3, "macro_f1": 2 / 5, "micro_f1": 1 / 2})


def test_labels_agree_with_scikit_learn_with_ties_and_weights():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(5)
    true = rng.random((60, 3)) < 0.3
    given = np.round(rng.random((60, 3)), 1).astype(np.float32)  # many equal scores
    pairs = [labels(s, tuple(np.flatnonzero(t).tolist())) for s, t in zip(given, true, strict=True)]
    found = fill(LabelsMetric(3, FEW), pairs).compute()
    assert found["mean_average_precision"] == pytest.approx(average_precision_score(true, given), abs=1e-6)
    drawn = rng.poisson(1.0, (60, 2)).astype(float)
    ours = weighted_average_precision(given[:, 0], true[:, 0], drawn)
    theirs = [average_precision_score(true[:, 0], given[:, 0], sample_weight=drawn[:, r]) for r in range(2)]
    np.testing.assert_allclose(ours, theirs)


@pytest.mark.parametrize("kind", ["classes", "masks", "labels"])
def test_order_does_not_matter_at_all(kind):
    rng = np.random.default_rng(7)
    pairs = []
    for _ in range(12):
        if kind == "classes":
            pairs.append((scores(*rng.normal(size=3)), ClassTarget(label=int(rng.integers(3)))))
        elif kind == "masks":
            pairs.append((MaskPrediction(mask=rng.integers(0, 3, (5, 5))), MaskTarget(mask=rng.integers(0, 3, (5, 5)))))
        else:
            pairs.append(labels(np.round(rng.random(3), 1), (int(rng.integers(3)),)))
    make = {"classes": ClassMetric, "masks": MaskMetric, "labels": LabelsMetric}[kind]
    one, other = fill(make(3, FEW), pairs), fill(make(3, FEW), pairs, order=rng.permutation(12))
    assert one.compute() == other.compute()
    assert one.intervals() == other.intervals()


def test_counts_are_of_fixed_size():
    metric = MaskMetric(3, FEW)
    sizes = set()
    for image in range(30):
        metric.update(
            MaskPrediction(mask=np.zeros((9, 9), dtype=np.int64)),
            MaskTarget(mask=np.zeros((9, 9), dtype=np.int64)),
            image=str(image),
        )
        sizes.add(metric.held_bytes())
    assert len(sizes) == 1


def test_labels_keep_five_bytes_a_class_and_image():
    metric = fill(LabelsMetric(4, FEW), [labels((0, 0, 0, 1), (3,))] * 10)
    assert metric.held_bytes() == 10 * 4 * 5


def test_intervals_of_labels_hold_a_block_of_replicates_at_once(monkeypatch):
    """400 replicates of 1,000 images as doubles take 3.2 MB, a ranking several times that; a byte each 0.4."""
    import tracemalloc

    metric = LabelsMetric(2, Resampling(num_replicates=400))
    rng = np.random.default_rng(0)
    for index in range(1000):
        metric.update(*labels(rng.random(2), (index % 2,)), image=str(index))
    whole = metric.intervals()
    monkeypatch.setattr("pipelines.training.metrics.multi_label.BLOCK", 20_000)
    tracemalloc.start()
    assert metric.intervals() == whole
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000
