"""Areas equal the worked example of Olofsson et al. 2014 (doi:10.1016/j.rse.2014.02.015), section 5."""

import numpy as np
import pytest

from pipelines.training.own_labels.area_estimate import area_estimates
from pipelines.training.own_labels.errors import LabelError

NAMES = ("deforestation", "forest gain", "stable forest", "stable non-forest")
SAMPLE = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
MAPPED = np.array([200_000, 150_000, 3_200_000, 6_450_000])
"""Landsat pixels of 30 m; sample counts by map (rows) and reference (columns), table 8 of the paper."""


def test_the_published_example():
    found = area_estimates(SAMPLE, MAPPED, NAMES, pixel_m=30)
    assert [round(entry.estimated_ha) for entry in found] == [21_158, 11_686, 285_770, 581_386]
    assert [entry.half_width_ha for entry in found] == pytest.approx([6_158, 3_756, 15_510, 16_282], abs=1)
    assert found[0].mapped_ha == 18_000


def test_a_map_without_errors_is_its_own_estimate():
    found = area_estimates(np.diag([5, 9]), np.array([100, 300]), ("a", "b"), pixel_m=10)
    assert [(e.estimated_ha, e.half_width_ha) for e in found] == [(1, 0), (3, 0)]


def test_intervals_hold_the_truth_as_often_as_they_say():
    random = np.random.default_rng(0)
    truth = random.random(20_000) < 0.3
    mapped = np.where(random.random(20_000) < 0.85, truth, ~truth).astype(int)
    inside = 0
    for _ in range(200):
        drawn = random.choice(20_000, 300, replace=False)
        sample = np.histogram2d(mapped[drawn], truth[drawn], bins=2)[0].astype(np.int64)
        entry = area_estimates(sample, np.bincount(mapped), ("no", "yes"), pixel_m=100)[1]
        inside += abs(entry.estimated_ha - truth.sum()) <= entry.half_width_ha
    assert 0.9 <= inside / 200 <= 0.99


def test_a_class_without_samples_is_told():
    with pytest.raises(LabelError, match="two samples for its area, got b 1"):
        area_estimates(np.array([[5, 1], [0, 1]]), np.array([10, 10]), ("a", "b"), pixel_m=10)
    assert area_estimates(np.array([[5, 1], [0, 0]]), np.array([10, 0]), ("a", "b"), pixel_m=10)[1].mapped_ha == 0
