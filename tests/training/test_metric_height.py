"""Heights: each number against one worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.training.benchmarks.sample import HeightTarget
from pipelines.training.metrics.height import HeightMetric
from pipelines.training.metrics.prediction import HeightPrediction
from pipelines.training.metrics.resampling import Resampling

FEW = Resampling(seed=1, num_replicates=20)


def update(metric, predicted, true, name="a"):
    metric.update(
        HeightPrediction(height_m=np.atleast_2d(np.array(predicted, dtype=np.float32))),
        HeightTarget(height_m=np.atleast_2d(np.array(true, dtype=np.float32))),
        image=name,
    )
    return metric


def test_heights_by_hand():
    """True 10 10 10 10 0, predicted 12 13 16 8 1; errors 2 3 6 -2 1; the unknown pixel does not count.

    RMSE sqrt(54/5), MAE 14/5, bias 10/5. Median 2, distances 0 1 4 4 1, their median 1: NMAD 1.4826.
    Ratios 1.2, 1.3, 1.6, 1.25 (the ground says nothing): below 1.25: one; 1.5625: 3; 1.953: 4 of 4.
    """
    metric = update(HeightMetric(FEW), [12, 13, 16, 8, 1, 99], [10, 10, 10, 10, 0, np.nan])
    found = metric.compute()
    assert found["rmse_m"] == pytest.approx(np.sqrt(54 / 5), rel=1e-5)
    assert found["mae_m"] == pytest.approx(14 / 5)
    assert found["bias_m"] == pytest.approx(2.0)
    assert found["nmad_m"] == pytest.approx(1.4826, abs=0.015)
    assert (found["delta_1"], found["delta_2"], found["delta_3"]) == (1 / 4, 3 / 4, 1)


def test_the_spread_of_normal_errors_is_their_standard_deviation():
    rng = np.random.default_rng(0)
    metric = HeightMetric(FEW)
    for image in range(4):
        error = rng.normal(0.5, 2.0, (100, 100))
        error[0, :50] = 300  # outliers
        update(metric, 20 + error, np.full((100, 100), 20.0), str(image))
    found = metric.compute()
    assert found["nmad_m"] == pytest.approx(2.0, rel=0.03)
    assert found["rmse_m"] > 20


def test_order_does_not_matter_at_all():
    rng = np.random.default_rng(1)
    pairs = [(rng.normal(5, 3, (7, 7)), rng.normal(5, 3, (7, 7))) for _ in range(10)]
    one, other = HeightMetric(FEW), HeightMetric(FEW)
    for index in range(10):
        update(one, *pairs[index], str(index))
    for index in rng.permutation(10):
        update(other, *pairs[index], str(index))
    assert one.compute() == other.compute()
    assert one.intervals() == other.intervals()
    assert one.intervals()["nmad_m"] is None


def test_nothing_known_gives_no_number():
    found = update(HeightMetric(FEW), [1.0], [np.nan]).compute()
    assert all(np.isnan(value) for value in found.values())


def test_a_prediction_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="must be finite where the truth is known"):
        update(HeightMetric(FEW), [np.nan], [1.0])
    update(HeightMetric(FEW), [np.nan, 1.0], [np.nan, 1.0])  # where it is not known, it may be


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"must be \(1, 2\)"):
        update(HeightMetric(FEW), [1.0], [1.0, 2.0])


def test_memory_is_fixed():
    metric = HeightMetric(FEW)
    sizes = {update(metric, np.ones((20, 20)), np.ones((20, 20)), str(i)).held_bytes() for i in range(20)}
    assert len(sizes) == 1
