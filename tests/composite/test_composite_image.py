"""Composites against the obvious: one pixel at a time, by numpy's own functions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipelines.composite.best_pixel import best_pixel, cloud_distance
from pipelines.composite.image import NO_SOURCE, Observations, composite_image, least_bad
from pipelines.composite.mean import mean
from pipelines.composite.median import exchanges, median
from pipelines.composite.medoid import medoid
from pipelines.composite.options import CompositeOptions, Weights
from pipelines.schema import Reason

METHODS = ("best-pixel", "median", "medoid", "first-valid", "mean")


@st.composite
def stacks(draw):
    shape = tuple(draw(st.integers(1, high)) for high in (7, 3, 4, 5))
    values = draw(
        hnp.arrays(np.float32, shape, elements=st.integers(-3000, 20000).map(lambda dn: np.float32(dn * 1e-4)))
    )
    values[draw(hnp.arrays(np.bool_, shape))] = np.nan
    return values, draw(hnp.arrays(np.bool_, (shape[0], *shape[2:])))


def observations(values, valid, reason=None):
    reason = np.where(valid, 0, int(Reason.CLOUD)).astype(np.uint16) if reason is None else reason
    age = np.linspace(-1, 1, len(values)) if len(values) > 1 else np.zeros(1)
    clearance = np.stack([cloud_distance(date, reach_px=50) for date in reason])
    return Observations(values=values, reason=reason, valid=valid, age=age, clearance_px=clearance)


@settings(deadline=None)
@given(stacks())
def test_the_median_is_that_of_each_pixel(stack):
    values, usable = stack
    seen = median(values, usable)
    for band, row, col in np.ndindex(seen.shape):
        here = values[usable[:, row, col], band, row, col]
        here = here[~np.isnan(here)]
        if len(here):
            assert seen[band, row, col] == pytest.approx(np.median(here.astype(np.float64)), rel=1e-6, abs=1e-7)
        else:
            assert np.isnan(seen[band, row, col])


@pytest.mark.parametrize("count", range(13))
def test_exchanges_sort_all_zeros_and_ones_and_so_any_numbers(count):
    """Knuth 5.3.4, theorem Z: what sorts every sequence of zeros and ones sorts every sequence."""
    places = np.array(list(itertools.product((0, 1), repeat=count)), dtype=np.int8).reshape(2**count, count)
    expected = np.sort(places, axis=1)
    for first, second in exchanges(count):
        assert 0 <= first < second < count
        places[:, [first, second]] = np.sort(places[:, [first, second]], axis=1)
    np.testing.assert_array_equal(places, expected)


@pytest.mark.parametrize("count", [13, 24, 25, 40])
def test_many_dates_have_the_median_of_numpy(count):
    rng = np.random.default_rng(count)
    values = rng.random((count, 1, 9, 11), dtype=np.float32)
    usable = rng.random((count, 9, 11)) > 0.4
    expected = np.nanmedian(np.where(usable[:, None], values, np.nan), axis=0)
    np.testing.assert_allclose(median(values, usable), expected, rtol=1e-6)


@settings(deadline=None)
@given(stacks())
def test_the_mean_is_that_of_each_pixel(stack):
    values, usable = stack
    seen = mean(values, usable)
    for band, row, col in np.ndindex(seen.shape):
        here = values[usable[:, row, col], band, row, col].astype(np.float64)
        here = here[~np.isnan(here)]
        expected = here.mean() if len(here) else np.nan
        assert seen[band, row, col] == pytest.approx(expected, rel=1e-6, abs=1e-7, nan_ok=True)


def test_the_median_of_many_strips_is_that_of_one(monkeypatch):
    rng = np.random.default_rng(3)
    values = rng.random((9, 2, 60, 31), np.float32)
    usable = rng.random((9, 60, 31)) > 0.4
    whole = median(values, usable)
    monkeypatch.setattr("pipelines.composite.median.STRIP_VALUES", 500)
    np.testing.assert_array_equal(median(values, usable), whole)


@settings(deadline=None)
@given(stacks())
def test_the_medoid_is_nearest_to_the_others(stack):
    values, usable = stack
    values = np.nan_to_num(values, nan=0.5)  # bands that are missing have a test of their own
    seen = medoid(values, usable)
    for row, col in np.ndindex(seen.shape):
        dates = np.flatnonzero(usable[:, row, col])
        if not len(dates):
            assert seen[row, col] == -1
            continue
        here = values[dates, :, row, col].astype(np.float64)
        totals = np.sqrt(((here[:, None] - here[None]) ** 2).sum(-1)).sum(-1)
        assert seen[row, col] in dates
        assert totals[list(dates).index(seen[row, col])] <= totals.min() * (1 + 1e-5) + 1e-6


def test_a_band_that_is_missing_counts_for_nothing_in_the_medoid():
    values = np.array([[0.1, np.nan], [0.11, 0.9], [0.5, 0.1]], np.float32)[:, :, None, None]
    assert medoid(values, np.ones((3, 1, 1), bool))[0, 0] == 0


def test_the_best_pixel_is_far_from_clouds_then_near_the_middle():
    reason = np.zeros((3, 1, 9), np.uint16)
    reason[1, 0, 0] = int(Reason.CLOUD)
    usable = reason == 0
    clearance = np.stack([cloud_distance(date, reach_px=5) for date in reason])
    chosen = best_pixel(clearance, usable, np.array([-0.9, 0.0, 0.5]), Weights(distance=1.0, timing=0.5, reach_px=5))
    assert chosen[0].tolist() == [2, 2, 2, 2, 1, 1, 1, 1, 1]  # by 4 pixels from the cloud timing outweighs it


def test_distance_to_clouds_is_euclidean_and_capped():
    reason = np.zeros((5, 5), np.uint16)
    reason[0, 0] = int(Reason.CLOUD_SHADOW)
    distance = cloud_distance(reason, reach_px=5)
    assert distance[0, 0] == 0
    assert distance[3, 4] == 5.0
    assert distance[1, 1] == pytest.approx(np.sqrt(2))
    assert (cloud_distance(np.zeros((2, 2), np.uint16), reach_px=7) == 7).all()


@pytest.mark.parametrize("method", METHODS)
def test_one_usable_date_is_taken_as_it_is(method):
    rng = np.random.default_rng(1)
    values = rng.random((4, 3, 6, 5), np.float32)
    valid = np.zeros((4, 6, 5), bool)
    only = rng.integers(0, 4, (6, 5))
    np.put_along_axis(valid, only[None], True, axis=0)
    image = composite_image(observations(values, valid), CompositeOptions(method=method))
    np.testing.assert_array_equal(image.values, np.take_along_axis(values, only[None, None], axis=0)[0])
    assert (image.num_valid == 1).all()
    assert (image.reason == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_what_is_never_clear_is_shown_and_named(method):
    values = np.array([0.7, 0.2], np.float32).reshape(2, 1, 1, 1)
    reason = np.array([int(Reason.CLOUD), int(Reason.CLOUD_BUFFER)], np.uint16).reshape(2, 1, 1)
    image = composite_image(observations(values, np.zeros((2, 1, 1), bool), reason), CompositeOptions(method=method))
    assert image.values[0, 0, 0] == np.float32(0.2)
    assert image.reason[0, 0] == int(Reason.CLOUD_BUFFER)
    assert image.source[0, 0] == 1
    assert image.num_valid[0, 0] == 0


@pytest.mark.parametrize("method", METHODS)
def test_what_was_never_seen_stays_missing(method):
    values = np.full((2, 2, 1, 1), np.nan, np.float32)
    reason = np.full((2, 1, 1), int(Reason.NODATA | Reason.NOT_MASKED), np.uint16)
    image = composite_image(observations(values, np.zeros((2, 1, 1), bool), reason), CompositeOptions(method=method))
    assert np.isnan(image.values).all()
    assert image.reason[0, 0] == int(Reason.NODATA | Reason.NOT_MASKED)
    assert image.source[0, 0] == NO_SOURCE


def test_first_valid_is_the_earliest():
    valid = np.array([False, True, True]).reshape(3, 1, 1)
    values = np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1)
    image = composite_image(observations(values, valid), CompositeOptions(method="first-valid"))
    assert (image.values.item(), image.source.item(), image.num_valid.item()) == (1.0, 1, 2)


def test_advisory_bits_that_all_share_stay_with_a_median():
    both = int(Reason.NOT_MASKED)
    reason = np.array([both, both | int(Reason.SNOW)], np.uint16).reshape(2, 1, 1)
    values = np.array([0.1, 0.3], np.float32).reshape(2, 1, 1, 1)
    image = composite_image(observations(values, np.ones((2, 1, 1), bool), reason), CompositeOptions(method="median"))
    assert image.reason.item() == both
    assert image.source.item() == NO_SOURCE
    assert image.values.item() == pytest.approx(0.2)


def test_the_worst_reason_of_a_date_ranks_it():
    buffered_cloud = int(Reason.CLOUD | Reason.CLOUD_BUFFER)
    reason = np.array([buffered_cloud, int(Reason.CLOUD_SHADOW)], np.uint16).reshape(2, 1, 1)
    assert least_bad(reason).item() == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"method": "mode"}, "a method is one of"),
        ({"radar_method": "medoid"}, "a radar_method is one of"),
        ({"period": "fortnight"}, "a period is one of"),
        ({"period": "0d"}, "a period is one of"),
    ],
)
def test_unknown_choices_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        CompositeOptions(**wrong)
