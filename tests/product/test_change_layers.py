from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from pipelines.product import ProductError, ProductReason, change


def test_planted_changes_come_back_with_kind_and_dates(prediction):
    product = change(prediction)
    kind = product["class"].to_numpy()
    assert (kind[10:16, 10:18] == 1).all()
    assert kind[20, 30] == 3
    assert ((kind > 0) & (kind < 255)).sum() == 49
    changed = (kind > 0) & (kind < 255)
    for name, day in (("date_before", 18700), ("date_after", 18730)):
        dates = product[name]
        assert dates.dtype == np.int32
        np.testing.assert_array_equal(dates.to_numpy(), np.where(changed, day, -1))
        assert dates.attrs["reference_date"] == "1970-01-01"
        assert "since" not in dates.attrs["units"]
    assert product["probability"].to_numpy()[12, 12] == 98
    assert product["probability"].to_numpy()[5, 5] == 6


def test_missing_never_looks_unchanged(prediction):
    product = change(prediction)
    kind, reasons = product["class"].to_numpy(), product["reasons"].to_numpy()
    assert (kind[:2, :5] == 255).all()
    assert (product["probability"].to_numpy()[:2, :5] == 255).all()
    assert (reasons[0, :5] == 2 | ProductReason.NO_OBSERVATION).all()
    assert (reasons[1, :5] == ProductReason.NOT_COMPARABLE).all()
    assert (reasons[kind == 255] != 0).all()
    assert (reasons[kind != 255] == 0).all()


@pytest.mark.parametrize(("min_area_px", "left"), [(1, 49), (2, 48), (48, 48), (49, 0)])
def test_minimum_area_drops_small_patches_only_from_the_class(prediction, min_area_px, left):
    product = change(prediction, min_area_px=min_area_px)
    kind = product["class"].to_numpy()
    assert ((kind > 0) & (kind < 255)).sum() == left
    dropped = product["reasons"].to_numpy() & ProductReason.BELOW_MINIMUM_AREA > 0
    assert dropped.sum() == 49 - left
    assert (product["date_after"].to_numpy()[dropped] == -1).all()
    assert product["probability"].to_numpy()[20, 30] == 98
    assert product.attrs["min_area_px"] == min_area_px


def test_patches_join_at_corners(prediction):
    prediction["change_probability"][:, 21, 31] = prediction["change_probability"][:, 20, 30]
    kind = change(prediction, min_area_px=2)["class"].to_numpy()
    assert kind[20, 30] == kind[21, 31] == 3


def test_threshold(prediction):
    assert ((change(prediction, threshold=0.99)["class"] % 255) > 0).sum() == 0
    low = change(prediction, threshold=0.05)["class"]
    assert ((low == 0) | (low == 255)).sum() == 10
    for bad in (0.0, 1.5):
        with pytest.raises(ProductError, match=str(bad)):
            change(prediction, threshold=bad)
    with pytest.raises(ProductError, match="min_area_px"):
        change(prediction, min_area_px=0)


def test_lazy_input_gives_the_same_across_chunk_edges(prediction):
    lazy = change(prediction.chunk({"y": 13, "x": 12}), min_area_px=5)
    assert lazy["class"].chunks is not None
    xr.testing.assert_identical(lazy.compute(), change(prediction, min_area_px=5))


def test_no_change_must_be_among_the_classes(prediction):
    with pytest.raises(ProductError, match="no change"):
        change(prediction.isel(change_class=[1, 2, 3]))
