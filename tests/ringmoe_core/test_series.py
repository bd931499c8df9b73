from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ringmoe_core.modality_bands import modality_bands


def test_nan_in_a_valid_pixel_is_refused_and_named(make_series):
    series = make_series("ms", invalid=0)
    pixels = series.pixels_BTCHW.clone()
    pixels[1, 2, 3, 4, 5] = float("nan")
    with pytest.raises(ValueError, match=r"must be finite, got nan at \(place, .*\) \(1, 2, 3, 4, 5\) \(1 in all\)"):
        replace(series, pixels_BTCHW=pixels)
    replace(series, pixels_BTCHW=pixels, check_values=False)


def test_nan_is_ordinary_where_invalid_or_absent(make_series):
    series = make_series("ms", invalid=0)
    pixels, valid, present = series.pixels_BTCHW.clone(), series.valid_BTHW.clone(), series.present_BTC.clone()
    pixels[0, 0, :, 4, 5] = float("nan")
    valid[0, 0, 4, 5] = False
    pixels[1, 1, 7] = float("inf")
    present[1, 1, 7] = False
    replace(series, pixels_BTCHW=pixels, valid_BTHW=valid, present_BTC=present)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("valid_BTHW", torch.ones(2, 3, 32, 31, dtype=torch.bool), "valid_BTHW must have shape"),
        ("present_BTC", torch.ones(2, 3, 9, dtype=torch.bool), "present_BTC must have shape"),
        ("valid_BTHW", torch.ones(2, 3, 32, 32), "valid_BTHW must be bool"),
        ("day_BT", torch.full((2, 3), 1.0), r"day must lie in \[0, 1\)"),
        ("day_BT", torch.full((2, 3), torch.nan), "day must"),
        ("age_BT", torch.full((2, 3), -0.1), "age must be finite and at least 0"),
        (
            "gsd_m_BT",
            torch.tensor([[10.0, 10, 10], [10, 0, 10]]),
            r"above 0 and finite, got 0.0 m at .* \(1, 1\); use NaN",
        ),
        ("gsd_m_BT", torch.full((2, 3), -10.0), r"above 0 and finite, got -10.0 m at .* \(0, 0\)"),
        ("gsd_m_BT", torch.full((2, 3), torch.inf), "above 0 and finite, got inf m"),
        ("gsd_m_BT", torch.full((2, 4), 10.0), "gsd_m_BT must have shape"),
        ("gsd_m_BT", torch.full((2, 3), 10), "gsd_m_BT must be floating point, got torch.int64; give metres"),
        ("bands", modality_bands("sar_l2"), "bands must name each of the 10 channels, got 2 of them"),
        ("bands", list(modality_bands("ms")), "bands must be a tuple of Band"),
        ("bands", ("B02",) * 10, "bands must be a tuple of Band"),
        ("pixels_BTCHW", torch.zeros(2, 3, 10, 32, 32, dtype=torch.int16), "must be floating point"),
        ("pixels_BTCHW", torch.zeros(2, 3, 10, 32), "must have the axes"),
    ],
)
def test_what_does_not_fit_is_refused(make_series, field, value, message):
    with pytest.raises(ValueError, match=message):
        replace(make_series("ms"), **{field: value})


def test_all_invalid_is_a_legal_series(make_series):
    series = make_series("ms")
    replace(series, valid_BTHW=torch.zeros_like(series.valid_BTHW))


def test_gsd_may_be_unknown_and_bands_be_named(make_series):
    gsd = torch.tensor([[10.0, torch.nan, 0.3], [60.0, 1000.0, torch.nan]])
    replace(make_series("ms"), gsd_m_BT=gsd, bands=modality_bands("ms"))


def test_a_store_that_was_checked_is_not_checked_again(make_series):
    replace(make_series("ms"), gsd_m_BT=torch.zeros(2, 3), check_values=False)
