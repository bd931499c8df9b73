"""Channels against a slow, obvious loop, and their limit cases."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.inference import channels

BANDS_9 = ("B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12")


def slow(values, band_ids, valid, wanted, physical):
    """One pixel at a time, as the module's docstring says it."""
    num_times, _, height, width = values.shape
    pixels = np.zeros((num_times, len(wanted), height, width))
    usable = np.zeros((num_times, height, width), dtype=bool)
    present = np.zeros((num_times, len(wanted)), dtype=bool)
    for t in range(num_times):
        for c, band in enumerate(wanted):
            if band in band_ids:
                plane = values[t, band_ids.index(band)]
                present[t, c] = any(
                    valid[t, i, j] and math.isfinite(plane[i, j]) for i in range(height) for j in range(width)
                )
        for i in range(height):
            for j in range(width):
                bands = [(c, values[t, band_ids.index(wanted[c]), i, j]) for c in np.flatnonzero(present[t])]
                if not (valid[t, i, j] and bands and all(math.isfinite(value) for _, value in bands)):
                    continue
                usable[t, i, j] = True
                for c, value in bands:
                    convention = channels.CONVENTIONS[wanted[c]]
                    pixels[t, c, i, j] = (physical(float(value)) - convention.mean) / convention.std
    return pixels, usable, present


def made_up(seed, num_bands, low, high):
    rng = np.random.default_rng(seed)
    values = rng.uniform(low, high, (3, num_bands, 5, 6)).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    values[1, num_bands - 1] = np.nan
    return values, rng.random((3, 5, 6)) > 0.3


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_ms_equals_the_obvious_loop(seed):
    values, valid = made_up(seed, 9, -0.2, 1.5)
    got = channels.ms_channels(values, BANDS_9, valid)
    pixels, usable, present = slow(values, BANDS_9, valid, channels.MS_BANDS, lambda v: min(max(v, -0.05), 1.2))
    np.testing.assert_allclose(got.pixels, pixels, atol=1e-5)
    np.testing.assert_array_equal(got.valid, usable)
    np.testing.assert_array_equal(got.present, present)
    assert not got.present[:, channels.MS_BANDS.index("B08")].any()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_sar_equals_the_obvious_loop(seed):
    values, valid = made_up(seed, 2, -0.01, 0.4)
    got = channels.sar_channels(values, ("VH", "VV"), valid)
    pixels, usable, present = slow(
        values, ("VH", "VV"), valid, channels.SAR_BANDS, lambda v: 10 * math.log10(max(v, channels.POWER_FLOOR))
    )
    np.testing.assert_allclose(got.pixels, pixels, atol=1e-5)
    np.testing.assert_array_equal(got.valid, usable)
    np.testing.assert_array_equal(got.present, present)


def test_optical_is_red_green_blue():
    values = np.stack([np.full((2, 2), v, dtype=np.float32) for v in (0.06, 0.08, 0.16)])[None]
    got = channels.optical_channels(values, ("B02", "B03", "B04"), np.ones((1, 2, 2), dtype=bool))
    np.testing.assert_allclose(got.pixels[0, :, 0, 0], [1.0, 0.0, 0.0], atol=1e-6)


def test_nothing_valid_is_all_false_and_no_nan():
    got = channels.ms_channels(np.full((1, 9, 3, 3), np.nan, np.float32), BANDS_9, np.ones((1, 3, 3), dtype=bool))
    assert not got.valid.any()
    assert not got.present.any()
    assert (got.pixels == 0).all()


def test_every_band_of_every_modality_has_its_convention():
    named = {band for bands in channels.MODALITY_BANDS.values() for band in bands}
    assert named == set(channels.CONVENTIONS)
    assert set(channels.MODALITY_GROUP) == set(channels.MODALITY_BANDS)


def test_bands_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="band_ids must name each band"):
        channels.ms_channels(np.zeros((1, 2, 3, 3), np.float32), ("B02",), np.ones((1, 3, 3), dtype=bool))
    with pytest.raises(ValueError, match="valid must be"):
        channels.ms_channels(np.zeros((1, 1, 3, 3), np.float32), ("B02",), np.ones((3, 3), dtype=bool))
    with pytest.raises(ValueError, match="std must be positive"):
        channels.Convention(mean=0.0, std=0.0)


def test_day_fraction_of_known_dates():
    times = np.array(
        ["2021-01-01", "2020-07-02", "2021-07-02T12", "2020-12-31T23:59:59.999999"], dtype="datetime64[us]"
    )
    got = channels.day_fraction(times)
    np.testing.assert_allclose(got, [0.0, 0.5, 0.5, 1.0], atol=1e-6)
    assert got.max() < 1
